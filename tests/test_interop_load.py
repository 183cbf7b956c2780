"""One loader for the weights of three libraries: the same networks as by the adapters of each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjac import interop


def same(found, expected):
    """Equal parameters, and the very same step, so that compiled code is shared."""
    assert found.step is expected.step
    jax.tree.map(np.testing.assert_array_equal, found.params, expected.params)


def weights(rows, bias=("bias_ih", "bias_hh"), units=3, width=2):
    draw = np.random.default_rng(rows)
    shapes = {"weight_ih": (rows * units, width), "weight_hh": (rows * units, units)}
    shapes |= {name: (rows * units,) for name in bias}
    return {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def flax(rows, columns, below=3):
    return {"h/kernel": np.ones((rows, columns)), "i/kernel": np.ones((2, below))}


@pytest.mark.parametrize(("rows", "cell"), [(1, None), (1, "relu"), (3, "gru"), (4, "lstm")])
def test_torch(rows, cell):
    given = {f"rnn.{name}_l0": value for name, value in weights(rows).items()}
    nonlinearity = "relu" if cell == "relu" else "tanh"
    expected = interop.torch.load(given, "rnn", nonlinearity=nonlinearity)
    same(interop.load(given, "rnn", cell=cell), expected)


@pytest.mark.parametrize("kind", ["GRUCell", "LSTMCell"])
def test_equinox(kind):
    equinox = pytest.importorskip("equinox")
    cell = getattr(equinox.nn, kind)(2, 3, key=jax.random.key(0))
    names = ("weight_ih", "weight_hh", "bias", *(["bias_n"] if kind == "GRUCell" else []))
    given = {f"encoder.{name}": getattr(cell, name) for name in names}
    same(interop.load(given, "encoder"), interop.equinox.convert(cell))
    same(interop.load(given), interop.equinox.convert(cell))  # the only layer there is


def test_a_part_of_a_name_that_libraries_add_may_be_all_that_tells_two_layers_apart():
    places = {"": weights(4, ("bias",)), "cell.": weights(4, ("bias",), units=2)}
    given = {f"{place}{name}": a for place, some in places.items() for name, a in some.items()}
    assert [interop.load(given, place).state.c.shape for place in ("", "cell")] == [(3,), (2,)]


@pytest.mark.parametrize("kind", ["SimpleCell", "GRUCell", "LSTMCell", "OptimizedLSTMCell"])
def test_linen(kind, tmp_path, dtype):
    flax = pytest.importorskip("flax")
    cell = getattr(flax.linen, kind)(3, param_dtype=dtype)
    start = cell.initialize_carry(jax.random.key(0), (2,))
    variables = cell.init(jax.random.key(1), start, jnp.ones(2))
    flat = flax.traverse_util.flatten_dict(variables, sep="/")
    expected = interop.flax.convert_linen(cell, variables)
    same(interop.load(flat, "params"), expected)
    np.savez(tmp_path / "weights.npz", **flat)
    same(interop.load(tmp_path / "weights.npz"), expected)


@pytest.mark.parametrize("kind", ["SimpleCell", "GRUCell", "LSTMCell", "OptimizedLSTMCell"])
def test_nnx(kind):
    nnx = pytest.importorskip("flax.nnx")
    cell = getattr(nnx, kind)(2, 3, rngs=nnx.Rngs(0))
    state = nnx.to_flat_state(nnx.state(cell, nnx.Param))
    flat = {".".join(map(str, path)): np.asarray(value[...]) for path, value in state}
    same(interop.load(flat), interop.flax.convert_nnx(cell))


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (flax(3, 4), {}, r"h/kernel: expected shape \(n, n\), .* n >= 1 units; got shape \(3, 4\)"),
        (flax(3, 3, 2), {}, r"i/kernel: expected shape \(2, 3\); got shape \(2, 2\)"),
        (flax(3, 3) | {"i/bias": np.ones(2)}, {}, r"i/bias: expected shape \(3,\); got shape \(2,"),
        ({"x": np.zeros(3)}, {}, "source: expected weights named .*; got no such among 'x'"),
        (weights(3), {"cell": "lstm"}, "cell: expected 'gru', as the shapes of the weights say"),
        (weights(3), {"cell": "lru"}, "cell: expected one of 'tanh', 'relu', 'gru', 'lstm'"),
        (weights(4, ("bias",)), {"prefix": "rnn"}, "prefix: expected one of ''; got 'rnn'"),
        (
            weights(4, ("bias",)),
            {"direction": "backward"},
            "direction: expected None but for a layer of PyTorch; got 'backward'",
        ),
    ],
)
def test_bad_input(given, options, message):
    with pytest.raises(ValueError, match=message):
        interop.load(given, **options)
