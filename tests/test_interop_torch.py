"""Reading torch's weights and refusing what is no such thing; nothing here imports torch."""

import subprocess
import sys
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

import rnnjac
from rnnjac import cells
from rnnjac.interop import torch as adapter
from tests import tolerances
from tests.cells_numpy import close

INPUTS, HIDDEN = 3, 4
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
# A dictionary with one entry, as protocols 2 and 4 of pickle begin it.
PICKLES = (
    b"\x80\x02}q\x00X\x01\x00\x00\x00aK\x01s.",
    b"\x80\x04\x95\x0a\x00\x00\x00\x00\x00\x00\x00}.",
)


def weights(kind, layers=1, prefix="", bias=True, dtype=None):
    """Arrays named as torch names them, with normal entries."""
    random, gates = np.random.default_rng(0), GATES[kind]
    found = {}
    for layer in range(layers):
        below = HIDDEN if layer else INPUTS
        shapes = {"weight_ih": (gates * HIDDEN, below), "weight_hh": (gates * HIDDEN, HIDDEN)}
        if bias:
            shapes |= {"bias_ih": (gates * HIDDEN,), "bias_hh": (gates * HIDDEN,)}
        for name, shape in shapes.items():
            array = random.standard_normal(shape).astype(dtype or jnp.zeros(()).dtype)
            found[f"{prefix}{name}_l{layer}"] = array
    return found


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    assert all(np.array_equal(x, y) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


@pytest.mark.parametrize("kind", GATES)
def test_one_layer_is_the_cell_with_these_weights(kind, dtype):
    w = weights(kind)
    network = adapter.load(w)
    W_x, W_h = w["weight_ih_l0"], w["weight_hh_l0"]
    b_x, b_h = w["bias_ih_l0"], w["bias_hh_l0"]
    cell, params = {
        "rnn": (cells.elman, {"W_x": W_x, "W_s": W_h, "b": b_x + b_h}),
        "gru": (cells.gru, {"W_x": W_x, "W_h": W_h, "b_x": b_x, "b_h": b_h}),
        "lstm": (cells.lstm, {"W_x": W_x, "W_h": W_h, "b": b_x + b_h}),
    }[kind]
    cell = cell(INPUTS, HIDDEN)
    same(network.params, params)
    same(network.state, cell.initial_state())
    assert {leaf.dtype for leaf in jax.tree.leaves((network.params, network.state))} == {dtype}
    x, params = jnp.ones(INPUTS), jax.tree.map(jnp.asarray, params)
    same(network.step(*network[1:], x), cell.step(params, cell.initial_state(), x))


def test_layers_become_a_stack_that_every_function_takes():
    network = adapter.load(weights("gru", layers=3))
    assert [s.shape for s in network.state] == [(HIDDEN,)] * 3
    spectrum = rnnjac.spectrum(*network, jnp.ones((5, INPUTS)))
    assert spectrum.log_singular_values.shape == (3 * HIDDEN,)


def test_relu_is_asked_for():
    w = weights("rnn")
    after = adapter.load(w, nonlinearity="relu")
    a = w["weight_ih_l0"].sum(1) + w["bias_ih_l0"] + w["bias_hh_l0"]
    close(after.step(*after[1:], jnp.ones(INPUTS)), np.maximum(a, 0), tolerances.CELL_STEP)
    with pytest.raises(
        ValueError, match="nonlinearity: expected 'tanh', as GRU has it; got 'relu'"
    ):
        adapter.load(weights("gru"), nonlinearity="relu")
    with pytest.raises(ValueError, match="nonlinearity: expected one of 'tanh', 'relu'"):
        adapter.load(w, nonlinearity="softplus")


@pytest.mark.parametrize("kind", GATES)
def test_no_bias_is_a_bias_of_zeros(kind):
    bare = weights(kind, bias=False)
    zeros = {k: 0 * v[:, 0] for k, v in bare.items() if k.startswith("weight_hh")}
    full = bare | {
        k.replace("weight_hh", b): v for k, v in zeros.items() for b in ("bias_ih", "bias_hh")
    }
    same(adapter.load(bare).params, adapter.load(full).params)


def test_single_cells_have_names_without_a_layer():
    w = weights("gru")
    cell = {name.removesuffix("_l0"): array for name, array in w.items()}
    same(adapter.load(cell).params, adapter.load(w).params)


def test_prefix_picks_one_of_several_layers(tmp_path):
    w = weights("gru", prefix="encoder.rnn.") | weights("lstm", prefix="decoder.")
    w["head.weight"] = np.zeros(2)
    np.savez(tmp_path / "w.npz", **w)
    for prefix in ("encoder.rnn", "encoder.rnn."):
        for source in (w, tmp_path / "w.npz"):
            same(adapter.load(source, prefix).params, adapter.load(weights("gru")).params)
    with pytest.raises(
        ValueError, match="prefix: expected one of 'decoder', 'encoder.rnn'; got ''"
    ):
        adapter.load(w)
    with pytest.raises(ValueError, match="source: expected weights named weight_ih_l0"):
        adapter.load({"head.weight": np.zeros(2)})


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@pytest.mark.parametrize("as_type", [str, lambda path: path])
def test_files_hold_what_the_mapping_holds(tmp_path, suffix, as_type, dtype):
    w = weights("lstm", layers=2)
    path = tmp_path / f"w.{suffix}"
    if suffix == "npz":
        np.savez(path, **w)
    else:
        safetensors.numpy.save_file(w, path)
    same(adapter.load(as_type(path)).params, adapter.load(w).params)


@pytest.mark.parametrize("kind", [jnp.float16, jnp.bfloat16])
def test_half_precision_stays_and_is_computed_in_float32(tmp_path, kind, dtype):
    w = weights("gru", dtype=kind)
    safetensors.numpy.save_file(w, tmp_path / "w.safetensors")
    network = adapter.load(tmp_path / "w.safetensors")
    assert network.params["W_h"].dtype == network.state.dtype == kind
    states = rnnjac.trajectory(*network, jnp.ones((2, INPUTS), kind))
    assert states.dtype == jnp.float32


def test_one_architecture_has_one_step():
    w = weights("gru", layers=2)
    other = {name: -array for name, array in w.items()}
    assert adapter.load(w).step is adapter.load(other).step
    assert adapter.load(w).step is not adapter.load(weights("gru")).step


def test_arrays_are_copied():
    w = weights("gru")
    network = adapter.load(w)
    before = np.array(network.params["W_h"])
    w["weight_hh_l0"][:] = 0
    assert np.array_equal(network.params["W_h"], before)


def changed(name, array):
    return {k: (array if k == name else v) for k, v in weights("gru", 2).items()}


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("weight_ih_l0", np.zeros((11, 3)), r"shape \(12, inputs\); got shape \(11, 3\)"),
        ("weight_ih_l1", np.zeros((12, 3)), r"shape \(12, 4\); got shape \(12, 3\)"),
        ("weight_hh_l0", np.zeros((12, 5)), r"shape \(g h, h\).*; got shape \(12, 5\)"),
        ("weight_hh_l0", np.zeros((12, 0)), r"shape \(g h, h\).*; got shape \(12, 0\)"),
        ("weight_hh_l1", np.zeros((4, 12)), r"shape \(12, 4\); got shape \(4, 12\)"),
        ("bias_ih_l0", np.zeros((12, 1)), r"shape \(12,\); got shape \(12, 1\)"),
        ("bias_hh_l1", np.zeros(4), r"shape \(12,\); got shape \(4,\)"),
        ("bias_hh_l1", np.zeros(12, np.float16), "dtype float.., as weight_ih_l0 has; got float16"),
        ("bias_hh_l1", np.full(12, np.nan), r"finite entries; got nan at \(0,\)"),
    ],
)
def test_a_wrong_tensor_is_named(name, array, message):
    if array.dtype == np.float64:
        array = array.astype(jnp.zeros(()).dtype)
    with pytest.raises(ValueError, match=f"^{name}: expected {message}$"):
        adapter.load(changed(name, array))


@pytest.mark.parametrize("array", [np.zeros((12, 4), int), np.zeros((12, 4), complex)])
def test_only_real_floats_are_weights(array):
    with pytest.raises(TypeError, match="weight_hh_l1: expected real floating-point entries"):
        adapter.load(changed("weight_hh_l1", array))


@pytest.mark.parametrize("name", sorted(weights("gru", 2)))
def test_a_missing_tensor_is_named(name):
    w = {f"net.{k}": v for k, v in weights("gru", 2).items() if k != name}
    with pytest.raises(ValueError, match=f"^net.{name}: expected shape .*; got no tensor of that"):
        adapter.load(w, "net")


def test_a_missing_layer_is_named():
    w = {k: v for k, v in weights("gru", 3).items() if not k.endswith("_l1")}
    with pytest.raises(ValueError, match=r"weight_ih_l1: expected shape \(12, 4\); got no tensor"):
        adapter.load(w)


def test_what_has_no_cell_here_is_refused():
    back = {f"{k}_reverse": v for k, v in weights("gru").items()}
    with pytest.raises(
        ValueError, match="bias_hh_l0_reverse: expected one direction.*bidirectional"
    ):
        adapter.load(weights("gru") | back)
    with pytest.raises(
        ValueError, match=r"weight_hh_l0: expected shape \(4 h, p\) .*; got shape \(16, 4\)"
    ):
        adapter.load(weights("lstm") | {"weight_hr_l0": np.zeros((2, 4))})


@pytest.mark.parametrize("suffix", ["pt", "pth", "bin", "ckpt", "pkl", "PT"])
def test_names_of_pickles_are_refused(tmp_path, suffix):
    with pytest.raises(ValueError, match=r"source: .*a pickle.*numpy.savez.*safetensors.torch"):
        adapter.load(tmp_path / f"model.{suffix}")


@pytest.mark.parametrize("suffix", ["npz", "safetensors", "weights"])
def test_pickles_under_other_names_are_refused(tmp_path, suffix):
    path = tmp_path / f"model.{suffix}"
    for content in PICKLES:
        path.write_bytes(content)
        with pytest.raises(ValueError, match="a pickle"):
            adapter.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", PICKLES[0])
    with pytest.raises(ValueError, match="a pickle"):
        adapter.load(path)


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    np.savez(tmp_path / "w.npz", weight_hh_l0=np.array([{"a": 1}], object))
    with pytest.raises(ValueError, match="source: expected an intact .npz archive; .*allow_pickle"):
        adapter.load(tmp_path / "w.npz")


def test_a_header_that_looks_like_a_pickle_is_none(tmp_path):
    # a header padded to 0x280 bytes: its length, low byte first, is how a pickle begins
    w = weights("gru")
    short, path = safetensors.numpy.save(w), tmp_path / "w.safetensors"
    size = int.from_bytes(short[:8], "little")
    header = short[8 : 8 + size].ljust(0x280)
    path.write_bytes(len(header).to_bytes(8, "little") + header + short[8 + size :])
    assert path.read_bytes()[:2] == PICKLES[0][:2]
    same(adapter.load(path).params, adapter.load(w).params)


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_damaged_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"w.{suffix}"
    if suffix == "npz":
        np.savez(path, **weights("gru"))
    else:
        safetensors.numpy.save_file(weights("gru"), path)
    whole = path.read_bytes()
    for size in (0, 2, 9, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=f"source: expected an intact .{suffix}.*w.{suffix}"):
            adapter.load(path)


def test_a_flipped_byte_is_found(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, **weights("gru"))
    whole = bytearray(path.read_bytes())
    whole[300] ^= 1
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="source: expected an intact .npz archive; got .*CRC"):
        adapter.load(path)


def test_other_sources_are_refused(tmp_path):
    (tmp_path / "w.txt").write_text("weights")
    with pytest.raises(ValueError, match="source: expected a file named .npz, .safetensors or .h5"):
        adapter.load(tmp_path / "w.txt")
    with pytest.raises(TypeError, match="source: expected a mapping .* or a path; got int"):
        adapter.load(3)
    with pytest.raises(FileNotFoundError, match="w.npz"):
        adapter.load(tmp_path / "w.npz")


def test_importing_the_adapters_imports_no_other_library():
    code = (
        "import sys, rnnjac.interop as i, numpy as n;"
        "i.torch.load({'weight_ih_l0': n.ones((1, 1)), 'weight_hh_l0': n.ones((1, 1))});"
        "print({'torch', 'flax', 'equinox', 'safetensors'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "set()"), done.stderr


def test_a_missing_library_is_one_clear_line(tmp_path, monkeypatch):
    safetensors.numpy.save_file(weights("gru"), tmp_path / "w.safetensors")
    for name in [m for m in sys.modules if m.split(".")[0] == "safetensors"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(ImportError, match=r'^safetensors is not installed: .*"rnnjac\[interop\]"$'):
        adapter.load(tmp_path / "w.safetensors")
