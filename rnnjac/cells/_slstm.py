"""LSTM with exponential gates and a normaliser, both kept in range by a third state."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjac import initializers
from rnnjac._support import checks
from rnnjac.activations import sigmoid, softplus, tanh
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell

FORGET_GATES = ("sigmoid", "exp")


class SLSTMState(NamedTuple):
    """Cell state ``c``, normaliser ``n``, stabiliser ``m`` and output ``h``; flattened like this.

    Each of shape (hidden,); c and n are in units of e^m.
    """

    c: jax.Array
    n: jax.Array
    m: jax.Array
    h: jax.Array


def log_forget(forget: str, a: jax.Array) -> jax.Array:
    """Log of a forget gate of the argument ``a``."""
    return a if forget == "exp" else -softplus(-a)


def slstm(
    inputs: int,
    hidden: int,
    *,
    forget: str = "sigmoid",
    recurrent: initializers.Initializer | None = None,
    input: initializers.Initializer | None = None,
    bias: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Scalar LSTM of xLSTM, with its stabiliser.

    With a_k = W_x^k x_t + W_h^k h_{t-1} + b^k for the blocks k = i, f, z, o, and log f = a_f or
    log sigmoid(a_f),

        m_t = max(log f + m_{t-1}, a_i),    f' = exp(log f + m_{t-1} - m_t),    i' = exp(a_i - m_t)
        c_t = f' c_{t-1} + i' tanh(a_z),    n_t = f' n_{t-1} + i',    h_t = sigmoid(a_o) c_t / n_t

    The stabiliser changes no h: e^m c and e^m n are what the cell has without it.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size of c, n, m and h; the flattened state has 4 hidden entries, in this order.
    forget : "sigmoid" or "exp"
    recurrent, input, bias : initializers ``(key, shape, dtype) -> array``
        Of ``W_h``, ``W_x`` and ``b``. Default: ``gaussian(1.0)`` for both matrices (variance of an
        entry 1 / its number of columns); biases 0, those of the forget gate spread evenly from 3 to
        6 over the units.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_x": (4 hidden, inputs), "W_h": (4 hidden, hidden), "b": (4 hidden,)};
        ``step(params, state, x)`` -> `SLSTMState`; ``x`` of shape (inputs,), or None for no input,
        which is the same as zeros;
        ``initial_state()`` -> `SLSTMState` of zeros.

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range or ``forget`` is unknown; from ``step``, if ``x``
        has another shape than (inputs,).

    Notes
    -----
    The state holds a direction twice: (e^-d c, e^-d n, m + d) is the same cell for every d, so m
    adds singular values that say nothing of the output. Where m follows the input gate that
    direction is lost: its singular value is 0 but for rounding, and `error` inf. Where both are
    equal, JAX takes half of either derivative. One head: the published cell has W_h in diagonal
    blocks, and spreads its forget biases by a power law.

    References
    ----------
    Beck et al. (2024), eqs. (8)-(17).

    Examples
    --------
    >>> import jax
    >>> cell = slstm(inputs=2, hidden=3)
    >>> cell.step(cell.init(jax.random.key(0)), cell.initial_state(), None).h.shape
    (3,)
    """
    inputs, size = _parts.sizes(inputs, hidden)
    checks.one_of("forget", forget, FORGET_GATES)
    draw_h = initializers.gaussian() if recurrent is None else recurrent
    draw_x = initializers.gaussian() if input is None else input

    def spread(key, shape, kind):
        blocks = jnp.zeros((4, size), kind)
        return blocks.at[1].set(jnp.linspace(3, 6, size, dtype=kind)).ravel()

    draw_b = spread if bias is None else bias

    def init(key):
        key_h, key_x, key_b = jax.random.split(key, 3)
        kind = _parts.default(dtype)
        return {
            "W_x": draw_x(key_x, (4 * size, inputs), kind),
            "W_h": draw_h(key_h, (4 * size, size), kind),
            "b": draw_b(key_b, (4 * size,), kind),
        }

    def step(params, state, x):
        drive = _parts.drive(params["W_x"], params["b"], x)
        a_i, a_f, a_z, a_o = _parts.blocks(drive + _parts.product(params["W_h"], state.h), size)
        carried = log_forget(forget, a_f) + state.m
        m = jnp.maximum(carried, a_i)
        f, i = jnp.exp(carried - m), jnp.exp(a_i - m)
        c, n = f * state.c + i * tanh(a_z), f * state.n + i
        # n is 0 only where nothing has ever come in, and c with it
        return SLSTMState(c, n, m, sigmoid(a_o) * c / jnp.maximum(n, jnp.finfo(n.dtype).tiny))

    def initial_state():
        zeros = jnp.zeros(size, _parts.default(dtype))
        return SLSTMState(zeros, zeros, zeros, zeros)

    return Cell(init, step, initial_state)
