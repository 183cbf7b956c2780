"""LSTM with a matrix memory, exponential gates and a normaliser, kept in range by a stabiliser."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjac import initializers
from rnnjac._support import checks
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell
from rnnjac.cells._slstm import FORGET_GATES, log_forget


class MLSTMState(NamedTuple):
    """Memory ``C``, normaliser ``n`` and stabiliser ``m``; flattened in this order, C row by row.

    Shapes (hidden, hidden), (hidden,) and (); C and n are in units of e^m.
    """

    C: jax.Array
    n: jax.Array
    m: jax.Array

    @property
    def h(self) -> jax.Array:
        """C as a vector: what the layer above in a stack reads."""
        return self.C.ravel()


def mlstm(
    inputs: int,
    hidden: int,
    *,
    forget: str = "sigmoid",
    input: initializers.Initializer | None = None,
    gate: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Matrix LSTM of xLSTM, with its stabiliser.

    With k = W_k x / sqrt(d) + b_k, v = W_v x + b_v, a = W_g x + b_g for the gates i and f, and
    log f = a_f or log sigmoid(a_f),

        m_t = max(log f + m_{t-1}, a_i),    f' = exp(log f + m_{t-1} - m_t),    i' = exp(a_i - m_t)
        C_t = f' C_{t-1} + i' v k^T,        n_t = f' n_{t-1} + i' k

    The stabiliser changes no output: e^m C and e^m n are what the cell has without it, and their
    Jacobian is f I.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size d of keys and values; the flattened state has d^2 + d + 1 entries: C, n, m.
    forget : "sigmoid" or "exp"
    input, gate : initializers ``(key, shape, dtype) -> array``
        Of ``W_k`` and ``W_v``, and of ``W_g``. Default: ``gaussian(1.0)`` (variance of an entry
        1 / inputs), and zeros.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_k", "W_v": (d, inputs), "b_k", "b_v": (d,), "W_g": (2, inputs), "b_g":
        (2,)};
        ``step(params, state, x)`` -> `MLSTMState`; ``x`` of shape (inputs,), or None for no input,
        which is the same as zeros;
        ``initial_state()`` -> `MLSTMState` of zeros.

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range or ``forget`` is unknown; from ``step``, if ``x``
        has another shape than (inputs,).

    Notes
    -----
    The state holds a direction twice: (e^-d C, e^-d n, m + d) is the same memory for every d. While
    m follows the forget gate, f' is 1 and C changes in units that shrink; where it follows the
    input gate, m_t does not depend on m_{t-1}, which is lost, exactly. One head: heads are
    independent cells side by side. b_g starts at N(0, 0.01) for the input gate and 3 for the forget
    gate. The read-out sigmoid(a_o) C q / max(|n q|, e^-m) needs a query from x and is left to the
    user.

    References
    ----------
    Beck et al. (2024), eqs. (19)-(27); the start as in its published code.

    Examples
    --------
    >>> import jax
    >>> cell = mlstm(inputs=2, hidden=3)
    >>> cell.step(cell.init(jax.random.key(0)), cell.initial_state(), None).C.shape
    (3, 3)
    """
    inputs, d = _parts.sizes(inputs, hidden)
    checks.one_of("forget", forget, FORGET_GATES)
    draw_x = initializers.gaussian() if input is None else input
    draw_g = initializers.zeros() if gate is None else gate

    def init(key):
        key_k, key_v, key_g, key_b = jax.random.split(key, 4)
        kind = _parts.default(dtype)
        return {
            "W_k": draw_x(key_k, (d, inputs), kind),
            "b_k": jnp.zeros(d, kind),
            "W_v": draw_x(key_v, (d, inputs), kind),
            "b_v": jnp.zeros(d, kind),
            "W_g": draw_g(key_g, (2, inputs), kind),
            "b_g": jnp.array([0, 3], kind).at[0].set(0.1 * jax.random.normal(key_b, (), kind)),
        }

    def step(params, state, x):
        key = _parts.embed(params["W_k"], x) / d**0.5 + params["b_k"]
        value = _parts.drive(params["W_v"], params["b_v"], x)
        a_i, a_f = _parts.drive(params["W_g"], params["b_g"], x)
        carried = log_forget(forget, a_f) + state.m
        m = jnp.maximum(carried, a_i)
        f, i = jnp.exp(carried - m), jnp.exp(a_i - m)
        return MLSTMState(f * state.C + i * jnp.outer(value, key), f * state.n + i * key, m)

    def initial_state():
        kind = _parts.default(dtype)
        return MLSTMState(jnp.zeros((d, d), kind), jnp.zeros(d, kind), jnp.zeros((), kind))

    return Cell(init, step, initial_state)
