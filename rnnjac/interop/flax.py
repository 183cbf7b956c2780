"""Recurrent cells of Flax, in both of its interfaces: linen and nnx."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac.interop import _flax_weights, _network
from rnnjac.interop._network import Network


def from_linen(
    cell: Any,
    variables: Mapping[str, Any],
    inputs: int,
    state: Any = None,
    *,
    prefix: str = "",
    dtype: Any = None,
) -> Network:
    """Network that applies a linen cell itself.

    s_t = cell.apply(variables, s_{t-1}, x_t)[0], the new carry, for every
    ``flax.linen.RNNCellBase``: SimpleCell, GRUCell, LSTMCell, OptimizedLSTMCell, and your own.

    Parameters
    ----------
    cell : flax.linen.RNNCellBase, or flax.linen.RNN around one
    variables : mapping
        As ``cell.init`` returns them, or the ``init`` of a model that has it; those of the cell
        become the parameters.
    inputs : int >= 0
        Size of ``x``, for ``cell.initialize_carry``.
    state : pytree of floats, optional
        Start. By default the cell's own initial carry (drawn with key 0, if it is a random one),
        in the dtype of the variables.
    prefix : str
        Where the cell, or the RNN, is in the variables of a larger model, such as "encoder.rnn".
    dtype : floating-point dtype, optional
        Precision of the network; that of its weights by default. A cell that was made with a
        ``dtype`` of its own goes on computing in that.

    Returns
    -------
    Network
        ``step(params, state, x)``, ``variables``, and the start: (features,), or the pair (c, h),
        c first, for the LSTM cells.

    Raises
    ------
    TypeError, ValueError
        If ``cell`` is no linen cell, ``inputs`` no such integer, or nothing lies at ``prefix``.
    ImportError
        If flax is missing.

    Notes
    -----
    Equal cells share one step function, and so their compiled code.

    What runs is the cell's own code: the derivatives of ``jax.numpy.tanh`` and ``jax.nn.sigmoid``
    lose their digits where units saturate (float32: relative error 1 at an argument of 9), and so
    do small singular values. `convert_linen` keeps them.

    Examples
    --------
    >>> from flax import linen
    >>> cell, x = linen.GRUCell(3), jnp.ones(2)
    >>> variables = cell.init(jax.random.key(0), jnp.zeros(3), x)
    >>> from_linen(cell, variables, inputs=2).state.shape
    (3,)
    """
    given, (_, cell) = cell, _cell(cell, "flax.linen")
    variables = _flax_weights.at(variables, prefix, within=given is not cell)
    inputs = checks.integer("inputs", inputs, 0)
    variables = _network.cast(variables, dtype)
    if state is None:
        start = cell.initialize_carry(jax.random.key(0), (inputs,))
        state = _network.in_dtype_of(variables, start)
    return Network(_network.cached(_linen_step, cell), variables, state)


def from_nnx(cell: Any, state: Any = None, *, dtype: Any = None) -> Network:
    """Network that calls an nnx cell itself.

    s_t = cell(s_{t-1}, x_t)[0], the new carry, for every ``flax.nnx.RNNCellBase``: SimpleCell,
    GRUCell, LSTMCell, OptimizedLSTMCell, and your own.

    Parameters
    ----------
    cell : flax.nnx.RNNCellBase, or flax.nnx.RNN around one
        Taken as it is now: later updates of it do not reach the network.
    state : pytree of floats, optional
        Start. By default the cell's own initial carry (drawn with key 0, if it is a random one),
        in the dtype of its weights.
    dtype : floating-point dtype, optional
        Precision of the network; that of its weights by default. A cell that was made with a
        ``dtype`` of its own goes on computing in that.

    Returns
    -------
    Network
        ``step(params, state, x)``, the ``nnx.Param`` state of the cell as parameters, and the
        start: (hidden_features,), or the pair (c, h), c first, for the LSTM cells.

    Raises
    ------
    TypeError
        If ``cell`` is no nnx cell.
    ImportError
        If flax is missing.

    Notes
    -----
    Cells of one structure share one step function, and so their compiled code, unless they hold
    variables other than ``nnx.Param`` (random-number streams, say), which stay as they are.

    As in `from_linen`, derivatives lose their digits where units saturate; `convert_nnx` keeps
    them. ``nnx.SimpleCell`` computes in float32 unless it is given another ``dtype``.

    Examples
    --------
    >>> from flax import nnx
    >>> from_nnx(nnx.GRUCell(2, 3, rngs=nnx.Rngs(0))).state.shape
    (3,)
    """
    nnx, cell = _cell(cell, "flax.nnx")
    graph, params, rest = nnx.split(cell, nnx.Param, ...)
    params = _network.cast(params, dtype)
    if state is None:
        start = cell.initialize_carry((cell.in_features,), rngs=nnx.Rngs(0))
        state = _network.in_dtype_of(params, start)
    params = jax.tree.map(jnp.array, params)
    if jax.tree.leaves(rest):
        return Network(_nnx_step.__wrapped__(graph, rest), params, state)
    return Network(_network.cached(_nnx_step, graph), params, state)


def convert_linen(
    cell: Any, variables: Mapping[str, Any], *, prefix: str = "", dtype: Any = None
) -> Network:
    """Network with the weights of a linen cell in the cell of rnnjac that computes the same.

    Parameters
    ----------
    cell : flax.linen.SimpleCell (tanh or relu, not residual), GRUCell, LSTMCell, OptimizedLSTMCell
        The gated ones with their usual sigmoid and tanh; or flax.linen.RNN around one.
    variables : mapping
        As ``cell.init`` returns them, or the ``init`` of a model that has it.
    prefix : str
        Where the cell, or the RNN, is in the variables of a larger model, such as "encoder.rnn".
    dtype : floating-point dtype, optional
        Precision of the network; that of its weights by default.

    Returns
    -------
    Network
        Of `rnnjac.cells.elman`, `gru` or `lstm`; the start is zero.

    Raises
    ------
    TypeError
        If ``cell`` is another one.
    ValueError
        If it is residual or has other activations; if nothing lies at ``prefix``, or not all that
        the cell has.
    ImportError
        If flax is missing.

    Notes
    -----
    Equal to `from_linen` up to rounding, but right to a few eps where units saturate.

    Examples
    --------
    >>> from flax import linen
    >>> cell = linen.LSTMCell(3)
    >>> carry = cell.initialize_carry(jax.random.key(0), (2,))
    >>> convert_linen(cell, cell.init(jax.random.key(0), carry, jnp.ones(2))).state.c.shape
    (3,)
    """
    linen, cell = _cell(cell, "flax.linen")
    params = _flax_weights.at(variables, prefix, within=True)["params"]
    layer = _flax_weights.from_linen(linen, cell, params)
    return _network.network([layer], dtype)


def convert_nnx(cell: Any, *, dtype: Any = None) -> Network:
    """Network with the weights of an nnx cell in the cell of rnnjac that computes the same.

    Parameters
    ----------
    cell : flax.nnx.SimpleCell (tanh or relu, not residual), GRUCell, LSTMCell or OptimizedLSTMCell
        The gated ones with their usual sigmoid and tanh; or flax.nnx.RNN around one.
    dtype : floating-point dtype, optional
        Precision of the network; that of its weights by default.

    Returns
    -------
    Network
        Of `rnnjac.cells.elman`, `gru` or `lstm`; the start is zero.

    Raises
    ------
    TypeError
        If ``cell`` is another one.
    ValueError
        If it is residual or has other activations.
    ImportError
        If flax is missing.

    Notes
    -----
    Equal to `from_nnx` up to rounding, but right to a few eps where units saturate.

    Examples
    --------
    >>> from flax import nnx
    >>> convert_nnx(nnx.LSTMCell(2, 3, rngs=nnx.Rngs(0))).state.c.shape
    (3,)
    """
    nnx, cell = _cell(cell, "flax.nnx")
    return _network.network([_flax_weights.from_nnx(nnx, cell)], dtype)


def _cell(cell: Any, interface: str) -> tuple[Any, Any]:
    """The interface's module, and the cell, out of the RNN that it may be in."""
    module = _network.require(interface)
    cell = cell.cell if isinstance(cell, module.RNN) else cell
    if not isinstance(cell, module.RNNCellBase):
        expected = f"a {interface}.RNNCellBase"
        raise checks.error("cell", expected, type(cell).__name__, TypeError)
    return module, cell


@functools.lru_cache(maxsize=128)
def _linen_step(cell: Any) -> Callable[[Any, Any, Any], Any]:
    def step(params, state, x):
        return cell.apply(params, state, x)[0]

    return step


@functools.lru_cache(maxsize=128)
def _nnx_step(graph: Any, rest: Any = None) -> Callable[[Any, Any, Any], Any]:
    nnx = _network.require("flax.nnx")

    def step(params, state, x):
        cell = nnx.merge(graph, params) if rest is None else nnx.merge(graph, params, rest)
        return cell(state, x)[0]

    return step
