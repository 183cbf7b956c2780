"""Recurrent cells of Equinox."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac.interop import _network
from rnnjac.interop._network import Network


def from_equinox(cell: Any, state: Any = None, *, dtype: Any = None) -> Network:
    """Network that calls an Equinox cell itself.

    s_t = cell(x_t, s_{t-1}), for ``equinox.nn.GRUCell``, ``LSTMCell`` and any module called like
    them.

    Parameters
    ----------
    cell : equinox.Module
        Called as ``cell(x, state)``; returns the next state.
    state : pytree of floats, optional
        Start, needed for modules other than GRUCell and LSTMCell, whose start is zero by default.
    dtype : floating-point dtype, optional
        Precision of the network; that of its weights by default.

    Returns
    -------
    Network
        ``step(params, state, x)``, the floating-point arrays of the cell as parameters (a module of
        the cell's own class), and the start: (hidden,) for GRUCell, the pair (h, c), h first, for
        LSTMCell, in the dtype of the cell's weights.

    Raises
    ------
    TypeError
        If ``cell`` is no Equinox module, or another one than the two above and ``state`` is None.
    ImportError
        If equinox is missing.

    Notes
    -----
    Cells of one structure share one step function, and so their compiled code, as long as all that
    is not a floating-point array in them can be hashed.

    What runs is the cell's own code: the derivatives of ``jax.numpy.tanh`` and ``jax.nn.sigmoid``
    lose their digits where units saturate (float32: relative error 1 at an argument of 9), and so
    do small singular values. `convert` keeps them.

    Examples
    --------
    >>> import equinox
    >>> network = from_equinox(equinox.nn.GRUCell(2, 3, key=jax.random.key(0)))
    >>> network.step(network.params, network.state, jnp.ones(2)).shape
    (3,)
    """
    equinox = _module(cell)
    cell = _network.cast(cell, dtype)
    params, static = equinox.partition(cell, equinox.is_inexact_array)
    if state is None:
        state = _network.in_dtype_of(params, _zeros(equinox, cell))
    leaves, structure = jax.tree.flatten(static)
    # types too: 1, 1.0 and True are equal, and would share a step that holds only one of them
    key = (structure, tuple((type(leaf), leaf) for leaf in leaves))
    return Network(_network.cached(_step, key), params, state)


def convert(cell: Any, *, dtype: Any = None) -> Network:
    """Network with the weights of an Equinox cell in the cell of rnnjac that computes the same.

    Parameters
    ----------
    cell : equinox.nn.GRUCell or equinox.nn.LSTMCell
    dtype : floating-point dtype, optional
        Precision of the network; that of its weights by default.

    Returns
    -------
    Network
        Of `rnnjac.cells.gru` or `rnnjac.cells.lstm`, whose state is an `LSTMState`, c first.

    Raises
    ------
    TypeError
        If ``cell`` is another module.
    ImportError
        If equinox is missing.

    Notes
    -----
    Equal to `from_equinox` up to rounding and the order of c and h, but right to a few eps where
    units saturate.

    Examples
    --------
    >>> import equinox
    >>> convert(equinox.nn.LSTMCell(2, 3, key=jax.random.key(0))).state.c.shape
    (3,)
    """
    equinox = _module(cell)
    if isinstance(cell, equinox.nn.LSTMCell):
        rows = cell.weight_hh.shape[0]
        bias = _or_zeros(cell.bias, rows, cell.weight_hh)
        return _network.network([_network.lstm(cell.weight_ih, cell.weight_hh, bias)], dtype)
    if isinstance(cell, equinox.nn.GRUCell):
        rows, n = cell.weight_hh.shape
        b_x = _or_zeros(cell.bias, rows, cell.weight_hh)
        b_n = _or_zeros(cell.bias_n, n, cell.weight_hh)
        b_h = jnp.concatenate([jnp.zeros(2 * n, b_n.dtype), b_n])
        return _network.network([_network.gru(cell.weight_ih, cell.weight_hh, b_x, b_h)], dtype)
    expected = "an equinox.nn.GRUCell or LSTMCell"
    raise checks.error("cell", expected, type(cell).__name__, TypeError)


@functools.lru_cache(maxsize=128)
def _step(key: tuple[Any, tuple[tuple[type, Any], ...]]) -> Callable[[Any, Any, Any], Any]:
    equinox = _network.require("equinox")
    structure, leaves = key
    static = jax.tree.unflatten(structure, [leaf for _, leaf in leaves])

    def step(params, state, x):
        return equinox.combine(params, static)(x, state)

    return step


def _module(cell: Any) -> Any:
    equinox = _network.require("equinox")
    if not isinstance(cell, equinox.Module):
        raise checks.error("cell", "an equinox.Module", type(cell).__name__, TypeError)
    return equinox


def _zeros(equinox: Any, cell: Any) -> Any:
    if isinstance(cell, equinox.nn.GRUCell):
        return jnp.zeros(cell.hidden_size)
    if isinstance(cell, equinox.nn.LSTMCell):
        return jnp.zeros(cell.hidden_size), jnp.zeros(cell.hidden_size)
    expected = f"a start for {type(cell).__name__}, a pytree of floats"
    raise checks.error("state", expected, None, TypeError)


def _or_zeros(bias: Any, size: int, like: jax.Array) -> jax.Array:
    return jnp.zeros(size, like.dtype) if bias is None else bias
