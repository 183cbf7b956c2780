"""Keras' layers against Keras itself, with its JAX backend: states and Jacobians; bad input."""

import doctest
import importlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import interop
from rnnjac.interop import keras as adapter
from tests import tolerances
from tests.cells_numpy import close, draw, normal

# what Keras' variables do not do yet as NumPy 2 wants it
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

INPUTS, HIDDEN, STEPS = 3, 4, 5
LAYERS = {
    "tanh": ("SimpleRNN", {}),
    "relu": ("SimpleRNN", {"activation": "relu"}),
    "linear": ("SimpleRNN", {"activation": "linear", "use_bias": False}),
    "lstm": ("LSTM", {}),
    "lstm, plain": ("LSTM", {"use_bias": False, "unit_forget_bias": False}),
    "gru, after": ("GRU", {}),
    "gru, before": ("GRU", {"reset_after": False}),
    "gru, after, plain": ("GRU", {"use_bias": False}),
    "gru, before, plain": ("GRU", {"reset_after": False, "use_bias": False}),
}


@pytest.fixture
def keras(monkeypatch, tmp_path):
    """Keras with JAX behind it, whose own code relies on lenient promotion.

    But for TensorFlow it rounds float64 to float32 in every operation, by a table of its own; here
    that has the entry for TensorFlow.
    """
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    found = pytest.importorskip("keras", reason="keras is not installed: nothing to compare with")
    if found.backend.backend() != "jax":
        pytest.skip("keras has been imported with another backend than jax")
    dtypes = importlib.import_module("keras.src.backend.common.dtypes")
    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")
    usual = found.config.floatx()
    found.config.set_floatx(str(jnp.zeros(()).dtype))
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield found
    found.config.set_floatx(usual)


def build(keras, name, **options):
    """Layer with normal entries: biases too, so that none is zero."""
    kind, own = LAYERS[name]
    layer = getattr(keras.layers, kind)(HIDDEN, **own, **options)
    layer.build((None, None, INPUTS))
    layer.set_weights(draw(layer.get_weights()))
    return layer


def told(name):
    """What the arrays of a layer do not tell."""
    _, own = LAYERS[name]
    found = {"activation": own["activation"]} if "activation" in own else {}
    if name.startswith("gru") and name.endswith("plain"):
        found["reset_after"] = own.get("reset_after", True)
    return found


def their_step(layer):
    """One step of Keras' cell on a flat state in rnnjac's order, an LSTM's c before its h."""

    def call(flat, x):
        states = [part[None] for part in jnp.split(flat, len(flat) // HIDDEN)[::-1]]
        after = layer.cell(x[None], states)[1]
        return jnp.concatenate([part[0] for part in after[::-1]])

    return call


def same(found, expected):
    assert found.step is expected.step
    jax.tree.map(np.testing.assert_array_equal, found.params, expected.params)


@pytest.mark.parametrize("name", LAYERS)
def test_states_and_jacobians_are_those_of_keras(keras, name, dtype):
    layer = build(keras, name, return_sequences=True)
    network = adapter.load(layer.get_weights(), **told(name))
    same(adapter.convert(layer), network)
    assert {leaf.dtype for leaf in jax.tree.leaves(network[1:])} == {dtype}
    inputs = normal(1, (STEPS, INPUTS))
    states = rnnjac.trajectory(*network, inputs)
    outputs = states.h if name.startswith("lstm") else states
    # a linear one grows, and with it what rounding has left
    size = max(1.0, float(jnp.abs(outputs).max()))
    close(outputs[1:] / size, layer(inputs[None])[0] / size, STEPS * tolerances.INTEROP_STEP)

    flat, unravel = jax.flatten_util.ravel_pytree(draw(network.state))
    step = their_step(layer)
    after = network.step(network.params, unravel(flat), inputs[0])
    close(jax.flatten_util.ravel_pytree(after)[0], step(flat, inputs[0]), tolerances.INTEROP_STEP)
    ours = rnnjac.jacobians(network.step, network.params, unravel(flat), inputs[:1])[0]
    close(ours, jax.jacrev(step)(flat, inputs[0]), tolerances.INTEROP_JACOBIAN)


def test_activations_of_one_name_are_one_function(keras, dtype):
    x = jnp.linspace(-6, 6, 49)
    for theirs, ours in adapter._keras_weights.ACTIVATIONS.items():
        want = keras.activations.get(theirs)(x)
        close(rnnjac.activations.get(ours)(x), want, tolerances.INTEROP_STEP)


def model(keras):
    layers = [
        keras.layers.LSTM(HIDDEN, return_sequences=True, name="mine"),
        keras.layers.Bidirectional(keras.layers.GRU(3, reset_after=False)),
        keras.layers.Dense(2),
    ]
    found = keras.Sequential([keras.layers.Input((STEPS, INPUTS)), *layers])
    found.set_weights(draw(found.get_weights()))
    return found


def test_files(keras, tmp_path, dtype):
    whole = model(keras)
    mine, both, _ = whole.layers
    whole.save_weights(tmp_path / "model.weights.h5")
    named = {v.path: np.asarray(v.value) for v in whole.weights}
    np.savez(tmp_path / "model.npz", **named)
    expected = adapter.convert(mine)
    for source, prefix in (
        (tmp_path / "model.weights.h5", "lstm"),
        (str(tmp_path / "model.weights.h5"), "layers/lstm/cell"),
        (tmp_path / "model.npz", "sequential/mine"),
        (named, f"{whole.name}.mine.lstm_cell"),
    ):
        same(adapter.load(source, prefix.replace("sequential", whole.name)), expected)
        same(interop.load(source, prefix.replace("sequential", whole.name)), expected)
    for half in ("forward_layer", "backward_layer"):
        found = adapter.load(tmp_path / "model.weights.h5", f"bidirectional.{half}")
        same(found, adapter.convert(getattr(both, half)))
    message = (
        "prefix: expected one of 'bidirectional.backward_layer', 'bidirectional.forward_layer'"
    )
    with pytest.raises(ValueError, match=f"{message}; got 'bidirectional'"):
        interop.load(tmp_path / "model.weights.h5", "bidirectional")
    with pytest.raises(ValueError, match="prefix: expected one of .*'lstm'; got 'mine'"):
        interop.load(tmp_path / "model.weights.h5", "mine")
    assert interop.load(tmp_path / "model.npz", whole.layers[0].cell.path, dtype=jnp.bfloat16)


def test_a_file_of_bfloat16(keras, tmp_path):
    # Keras has no orthogonal start in this precision
    layer = keras.layers.GRU(HIDDEN, dtype="bfloat16", recurrent_initializer="glorot_uniform")
    keras.Sequential([keras.layers.Input((STEPS, INPUTS)), layer]).save_weights(
        tmp_path / "w.weights.h5"
    )
    same(interop.load(tmp_path / "w.weights.h5"), adapter.convert(layer))


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_files_of_the_older_form(keras, tmp_path):
    whole = model(keras)
    whole.save(tmp_path / "model.h5")
    found = interop.load(tmp_path / "model.h5", f"model_weights.mine.{whole.name}.mine")
    same(found, adapter.convert(whole.layers[0]))


def test_an_rnn_around_a_cell_and_the_cell_itself(keras):
    layer = keras.layers.RNN(keras.layers.GRUCell(HIDDEN))
    layer.build((None, None, INPUTS))
    same(adapter.convert(layer.cell), adapter.convert(layer))


def test_the_examples_are_right(keras):
    assert doctest.testmod(adapter).failed == 0


def test_layers_that_are_refused(keras):
    with pytest.raises(TypeError, match="layer: expected a SimpleRNN, LSTM or GRU of Keras"):
        adapter.convert(keras.layers.Dense(2))
    with pytest.raises(
        ValueError, match="layer: expected a layer that has its weights .*not built"
    ):
        adapter.convert(keras.layers.LSTM(2))
    for kind, option, message in (
        ("LSTM", {"activation": "relu"}, "activation tanh; got relu"),
        ("GRU", {"recurrent_activation": "hard_sigmoid"}, "recurrent_activation sigmoid; got hard"),
        ("SimpleRNN", {"activation": "leaky_relu"}, "activation tanh, relu, .*; got leaky_relu"),
    ):
        layer = getattr(keras.layers, kind)(2, **option)
        layer.build((None, None, 3))
        with pytest.raises(ValueError, match=f"layer: expected {message}"):
            adapter.convert(layer)


def arrays(gates, bias=True, n=2, inputs=3):
    shapes = [(inputs, gates * n), (n, gates * n)]
    shapes += [(2, gates * n) if gates == 3 else (gates * n,)] if bias else []
    return [np.ones(shape, np.float32) for shape in shapes]


def misshapen(at, shape):
    return [np.ones(shape, np.float32) if i == at else a for i, a in enumerate(arrays(3))]


KERNEL = "a/recurrent_kernel"
BAD = [
    (arrays(1) * 2, {}, "source: expected 2 or 3 arrays, as get_weights.. of one layer has them"),
    (arrays(1), {"prefix": "a"}, "prefix: expected '' for the arrays of one layer; got 'a'"),
    (misshapen(1, (6,)), {}, r"source\[1\]: expected shape \(n, g n\) .*; got shape \(6,\)"),
    (misshapen(0, (3, 5)), {}, r"source\[0\]: expected shape \(inputs, 6\); got shape \(3, 5\)"),
    (misshapen(2, (2,)), {}, r"source\[2\]: expected shape \(6,\) or \(2, 6\); got shape \(2,\)"),
    (misshapen(2, (6,)), {"reset_after": True}, "reset_after: expected False, as a bias of shape"),
    (arrays(3, bias=False), {}, "reset_after: expected True or False .*, as a GRU without bias"),
    (arrays(4), {"reset_after": True}, "reset_after: expected None for an LSTM; got True"),
    (arrays(1), {"reset_after": False}, "reset_after: expected None for a SimpleRNN; got False"),
    (arrays(4), {"activation": "relu"}, "activation: expected 'tanh' of an LSTM; got 'relu'"),
    (arrays(1), {"activation": "swish"}, "activation: expected one of 'tanh', 'relu', .*'swish'"),
    ([a * np.nan for a in arrays(1)], {}, r"source\[0\]: expected finite entries; got nan"),
    ([*arrays(1)[:2], np.ones(2)], {}, r"source\[2\]: expected dtype float32, as source\[0\] has"),
    ({"a/kernel": np.ones((2, 3))}, {}, "source: expected a recurrent layer.*among 'a/kernel'"),
    ({KERNEL: np.ones((2, 2))}, {}, r"a/kernel: expected shape \(inputs, 2\); got none beside a/r"),
]


@pytest.mark.parametrize(("source", "options", "message"), BAD, ids=lambda value: str(value)[:20])
def test_bad_input(source, options, message):
    with pytest.raises(ValueError, match=message) as problem:
        adapter.load(source, **options)
    assert "\n" not in str(problem.value)


def test_bad_sources_and_files(tmp_path):
    with pytest.raises(TypeError, match="source: expected a mapping .* or a path; got int"):
        adapter.load(3)
    with pytest.raises(TypeError, match="reset_after: expected True or False; got 1"):
        adapter.load(arrays(3), reset_after=1)
    with pytest.raises(FileNotFoundError):
        adapter.load(tmp_path / "none.weights.h5")
    (tmp_path / "cut.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n\0\0")
    (tmp_path / "model.keras").write_bytes(b"")
    pytest.importorskip("h5py", reason="h5py is not installed: no such file can be read")
    with pytest.raises(ValueError, match="source: expected an intact .h5 file; got cut.weights.h5"):
        adapter.load(tmp_path / "cut.weights.h5")
    with pytest.raises(
        ValueError, match=r"expected a file named .*\.h5; got model.keras .from Ker"
    ):
        adapter.load(tmp_path / "model.keras")


def test_one_unit_and_no_inputs():
    network = adapter.load([np.zeros((0, 4)), np.ones((1, 4)), np.ones(4)])
    assert rnnjac.jacobians(*network, length=1).shape == (1, 2, 2)


def test_without_h5py_it_says_what_to_install(tmp_path):
    (tmp_path / "w.weights.h5").write_bytes(b"")
    code = "import sys; sys.modules['h5py'] = None; from rnnjac import interop; interop.load("
    code += f"{str(tmp_path / 'w.weights.h5')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    wanted = 'ImportError: h5py is not installed: pip install "rnnjac[interop]"'
    assert done.stderr.strip().splitlines()[-1] == wanted
