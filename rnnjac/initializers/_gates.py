"""Initializers of arrays that stack the blocks of a gated cell along their first axis."""

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac.initializers._weights import Initializer, _axes, _wide, orthogonal

# Block orders of the cells, each with the place of the gate that carries the state over a step.
LAYOUTS = {"ifgo": 1, "fgo": 0, "rzn": 1}


def forget_bias(value: float = 1.0, *, layout: str = "ifgo") -> Initializer:
    """Bias of a gated cell, zero except for the gate that keeps the state.

    b_f = value, all else 0. At zero input and zero recurrent input the cell then keeps the share
    sigmoid(value) of its state per step: 0.7311 for 1, a half-life of 2.21 steps.

    Parameters
    ----------
    value : float
    layout : "ifgo" (LSTM), "fgo" (LSTM with coupled gates) or "rzn" (GRU)
        Order of the blocks. In "rzn" the gate that keeps the state is z.

    Returns
    -------
    function ``(key, shape, dtype=None) -> array``, one axis of ``len(layout)`` equal blocks; the
    key is not used.

    Raises
    ------
    ValueError
        If ``layout`` is unknown; when called with a shape that does not split into its blocks.

    References
    ----------
    Gers, Schmidhuber, Cummins (2000); Jozefowicz, Zaremba, Sutskever (2015) for the value 1.

    Examples
    --------
    >>> forget_bias()(None, (4,)).tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    checks.one_of("layout", layout, LAYOUTS)

    def initialize(key, shape, dtype=None):
        blocks = jnp.zeros((len(layout), _block_size(shape, layout)), _wide(dtype)[0])
        return blocks.at[LAYOUTS[layout]].set(value).ravel()

    return initialize


def chrono(T_max: float, *, layout: str = "ifgo") -> Initializer:
    """Bias of a gated cell with time scales spread up to a longest one.

    b_f = log u with u ~ U(1, T_max - 1), one draw per unit, b_i = -b_f, all else 0. At zero input
    a unit then keeps f = u / (1 + u) of its state per step, a time scale 1 / (1 - f) = u + 1 spread
    evenly from 2 to T_max steps, and its input gate is 1 - f.

    Parameters
    ----------
    T_max : float >= 2
        Longest time scale, in steps; 2 gives b_f = 0.
    layout : "ifgo" (LSTM), "fgo" (LSTM with coupled gates, which has no b_i) or "rzn" (GRU)
        Order of the blocks. In "rzn" the gate that keeps the state is z.

    Returns
    -------
    function ``(key, shape, dtype=None) -> array``, one axis of ``len(layout)`` equal blocks.

    Raises
    ------
    TypeError, ValueError
        If ``T_max`` is not a number >= 2 or ``layout`` is unknown; when called with a shape that
        does not split into its blocks.

    References
    ----------
    Tallec, Ollivier (2018), section 3.

    Examples
    --------
    >>> chrono(2)(jax.random.key(0), (4,)).tolist()
    [-0.0, 0.0, 0.0, 0.0]
    """
    checks.one_of("layout", layout, LAYOUTS)
    if isinstance(T_max, bool) or not isinstance(T_max, (int, float)):
        raise checks.error("T_max", "a number >= 2", checks.describe(T_max), TypeError)
    if not T_max >= 2:
        raise checks.error("T_max", "a number >= 2", T_max)

    def initialize(key, shape, dtype=None):
        dtype, wide = _wide(dtype)
        size = _block_size(shape, layout)
        log_scale = jnp.log(jax.random.uniform(key, (size,), wide, 1, T_max - 1))
        blocks = jnp.zeros((len(layout), size), wide).at[LAYOUTS[layout]].set(log_scale)
        if "i" in layout:
            blocks = blocks.at[layout.index("i")].set(-log_scale)
        return blocks.ravel().astype(dtype)

    return initialize


def orthogonal_blocks(gain: float = 1.0) -> Initializer:
    """Independent random orthogonal matrices, one above the other.

    W = gain (Q_1; Q_2; ...), each Q uniform (Haar) over orthogonal n by n matrices: the recurrent
    matrix of a gated cell, each of whose gates then sees a rotation of the state.

    Parameters
    ----------
    gain : float
        Every singular value of every block.

    Returns
    -------
    function ``(key, shape, dtype=None) -> array``, shapes (k n, n).

    Raises
    ------
    ValueError
        When called with another shape.

    Notes
    -----
    O(k n^3): k QR decompositions, in float32 for the 16-bit types.

    Examples
    --------
    >>> orthogonal_blocks()(jax.random.key(0), (8, 2)).shape
    (8, 2)
    """

    def initialize(key, shape, dtype=None):
        rows, columns = _axes(shape, 2)
        if not columns or rows % columns:
            raise checks.error("shape", "(k n, n) with n >= 1", (rows, columns))
        keys = jax.random.split(key, rows // columns)
        draw = orthogonal(gain)
        return jax.vmap(lambda k: draw(k, (columns, columns), dtype))(keys).reshape(shape)

    return initialize


def _block_size(shape, layout: str) -> int:
    (rows,) = _axes(shape, 1)
    if rows % len(layout):
        raise checks.error("shape", f"one axis of {len(layout)} equal blocks", (rows,))
    return rows // len(layout)
