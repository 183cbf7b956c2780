"""Layers on top of each other."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac.cells._cell import Cell


def stack(cells: Sequence[Cell]) -> Cell:
    """Cell made of layers, each fed with the new output of the one below.

    s^1_t = step_1(s^1_{t-1}, x_t),   s^l_t = step_l(s^l_{t-1}, output(s^{l-1}_t)),

    with `output` the rule for what a layer hands on. The state holds all layers, so the Jacobian of
    the whole is block lower triangular: a layer never sees those above it.

    Parameters
    ----------
    cells : sequence of Cell, at least one, lowest layer first
        The ``inputs`` of each must be the size of the `output` of the one below; a stack is a cell.

    Returns
    -------
    Cell with
        ``init(key)`` -> tuple of the layers' parameters, each from its own key;
        ``step(params, state, x)`` -> tuple of the layers' states; ``x`` as the lowest layer has it;
        ``initial_state()`` -> tuple of the layers' states.

    Raises
    ------
    TypeError, ValueError
        If ``cells`` is empty or holds something else than cells; from ``step``, if an output does
        not have the shape that the layer above expects.

    Examples
    --------
    >>> import jax
    >>> from rnnjac.cells import elman
    >>> cell = stack([elman(2, 3), elman(3, 4)])
    >>> [s.shape for s in cell.initial_state()]
    [(3,), (4,)]
    """
    if isinstance(cells, Cell):
        raise checks.error("cells", "a sequence of cells", "one cell", TypeError)
    cells = tuple(cells)
    if not cells:
        raise checks.error("cells", "at least one cell", "none")
    for cell in cells:
        if not isinstance(cell, Cell):
            raise checks.error("cells", "cells only", checks.describe(cell), TypeError)

    def init(key):
        keys = jax.random.split(key, len(cells))
        return tuple(cell.init(k) for cell, k in zip(cells, keys, strict=True))

    def step(params, state, x):
        after = []
        for cell, layer_params, layer_state in zip(cells, params, state, strict=True):
            after.append(cell.step(layer_params, layer_state, x))
            x = output(after[-1])
        return tuple(after)

    def initial_state():
        return tuple(cell.initial_state() for cell in cells)

    return Cell(init, step, initial_state)


def output(state: Any) -> jax.Array:
    """Vector that a cell's state hands on: to the layer above, or to a readout.

    ``state.h`` if the state has that field (LSTM), the output of the top layer if it is a tuple of
    layers (stack), otherwise the state itself as a vector: (n,) for elman, leaky, GRU and minimal
    RNN; (2 n,), real parts first, for the linear recurrent unit and S5; all of its entries where it
    is a matrix (selective state space, gated delta rule; the memory C of mLSTM).

    Parameters
    ----------
    state : state of any cell here, or an array of any shape

    Returns
    -------
    array with one axis, dtype of the state.

    Examples
    --------
    >>> output((jnp.zeros(2), jnp.ones(3))).tolist()
    [1.0, 1.0, 1.0]
    """
    if hasattr(state, "h"):
        return state.h
    if isinstance(state, tuple):
        return output(state[-1])
    return jnp.ravel(state)
