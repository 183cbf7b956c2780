"""What the adapters share: the type they return, optional imports, cells of rnnjac from weights."""

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjac import cells
from rnnjac._support import checks
from rnnjac.cells import Cell


class Network(NamedTuple):
    """First three arguments of every function of rnnjac: ``spectrum(*network, inputs)``."""

    step: Callable[[Any, Any, Any], Any]
    params: Any
    state: Any


class Layer(NamedTuple):
    """Constructor of a cell, as hashable parts, and the parameters it is to run with."""

    kind: str
    inputs: int
    hidden: int
    activation: str
    params: dict[str, jax.Array]


def require(package: str) -> Any:
    """Module of that name, or an ImportError that says how to get it."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as missing:
        name = package.split(".")[0]
        # a package that is there but lacks one of its own parts keeps its own message
        if missing.name != name:
            raise
        message = f'{name} is not installed: pip install "rnnjac[interop]"'
        raise ImportError(message, name=name) from None


def elman(W_x: jax.Array, W_s: jax.Array, b: jax.Array, activation: str) -> Layer:
    """Elman layer with these weights."""
    params = {"W_x": W_x, "W_s": W_s, "b": b}
    return Layer("elman", W_x.shape[1], W_s.shape[1], activation, params)


def lstm(W_x: jax.Array, W_h: jax.Array, b: jax.Array, W_r: jax.Array | None = None) -> Layer:
    """LSTM layer with these weights, blocks i, f, g, o, and the projection W_r of its output."""
    params = {"W_x": W_x, "W_h": W_h, "b": b}
    if W_r is None:
        return Layer("lstm", W_x.shape[1], W_h.shape[1], "tanh", params)
    sizes = W_x.shape[1], W_r.shape[1]
    return Layer(f"lstm to {W_r.shape[0]}", *sizes, "tanh", params | {"W_r": W_r})


def gru(
    W_x: jax.Array, W_h: jax.Array, b_x: jax.Array, b_h: jax.Array, reset: str = "after"
) -> Layer:
    """GRU layer with these weights, blocks r, z, n; the reset gate after the product or before."""
    params = {"W_x": W_x, "W_h": W_h, "b_x": b_x, "b_h": b_h}
    return Layer(f"gru {reset}", W_x.shape[1], W_h.shape[1], "tanh", params)


def network(layers: Sequence[Layer], dtype: Any = None) -> Network:
    """Network of cells of rnnjac, stacked if there are several layers; in a precision if given."""
    layers = [layer._replace(params=cast(layer.params, dtype)) for layer in layers]
    shapes = tuple((a.kind, a.inputs, a.hidden, a.activation) for a in layers)
    step, start = _cell(shapes, layers[0].params["W_x"].dtype)
    params = tuple(layer.params for layer in layers)
    return Network(step, params if len(layers) > 1 else params[0], start())


def cast(tree: Any, dtype: Any) -> Any:
    """The floating-point arrays of a tree in another precision; as they are if it is None."""
    if dtype is None:
        return tree
    if not jnp.issubdtype(dtype, jnp.floating):
        raise checks.error("dtype", "a floating-point dtype", repr(dtype), TypeError)

    def one(leaf: Any) -> Any:
        floats = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
        return leaf.astype(dtype) if floats else leaf

    return jax.tree.map(one, tree)


# The compiled functions of rnnjac are keyed by the step function itself: two sets of weights for
# one architecture (checkpoints of a training run) share one step, hence one compilation.
@functools.lru_cache(maxsize=128)
def _cell(shapes: tuple[tuple[str, int, int, str], ...], dtype: Any) -> tuple[Callable, Callable]:
    """Step, for data of any precision, and start."""
    made = []
    for kind, inputs, hidden, activation in shapes:
        if kind == "elman":
            made.append(cells.elman(inputs, hidden, activation, dtype=dtype))
        elif kind == "lstm":
            made.append(cells.lstm(inputs, hidden, dtype=dtype))
        elif kind.startswith("gru"):
            made.append(cells.gru(inputs, hidden, reset=kind.split()[-1], dtype=dtype))
        else:
            made.append(_projected(cells.lstm(inputs, hidden, dtype=dtype), int(kind.split()[-1])))
    cell = made[0] if len(made) == 1 else cells.stack(made)

    def step(params: Any, state: Any, x: Any) -> Any:
        # weights are float32 as a rule, and data from NumPy float64
        return cell.step(params, state, cast(x, jax.tree.leaves(params)[0].dtype))

    return step, cell.initial_state


def _projected(cell: Cell, outputs: int) -> Cell:
    """LSTM whose output W_r (o * tanh c), of fewer numbers, is what it and the layer above see.

    Its parameters come from outside: there is no start for them here.
    """

    def step(params: Any, state: Any, x: Any) -> Any:
        c, h = cell.step(params, state, x)
        return cells.LSTMState(c, params["W_r"] @ h)

    def initial_state() -> Any:
        zeros = cell.initial_state().c
        return cells.LSTMState(zeros, zeros[:outputs])

    return cell._replace(step=step, initial_state=initial_state)


def in_dtype_of(params: Any, state: Any) -> Any:
    """``state`` in the dtype of the parameters, where they have one floating-point dtype."""
    leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(params)]
    dtypes = {leaf.dtype for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)}
    if len(dtypes) != 1:
        return state
    return jax.tree.map(lambda leaf: leaf.astype(next(iter(dtypes))), state)


def cached(make: Any, key: Any) -> Callable[[Any, Any, Any], Any]:
    """The one step that ``make`` (an lru_cache) has for equal keys; a new one if unhashable."""
    try:
        hash(key)
    except TypeError:
        return make.__wrapped__(key)
    return make(key)
