"""A real diagonal recurrence with a gate on its decay and one on its input."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import initializers
from rnnjac.activations import sigmoid, softplus
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell

_POWER = 8.0  # the paper's c


def rg_lru(
    inputs: int,
    hidden: int,
    *,
    input: initializers.Initializer | None = None,
    gate: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Real-gated linear recurrent unit (RG-LRU).

    With u = W_x x_t, and r, i = sigmoid(W_g u + b_g) in this order, elementwise

        h_t = a_t h_{t-1} + sqrt(1 - a_t^2) i u,    a_t = sigmoid(Lambda)^(8 r),

    so the Jacobian is diag(a_t), at every state.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size n of the state.
    input, gate : initializers ``(key, shape, dtype) -> array``
        Of ``W_x`` and ``W_g``. Default: ``gaussian(1.0)``, variance of an entry 1 / its number of
        columns (LeCun's). ``b_g`` starts at zero.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_x": (n, inputs), "W_g": (2 n, n), "b_g": (2 n,), "Lambda": (n,)};
        ``step(params, state, x)`` -> state of shape (n,); ``x`` of shape (inputs,), or None for no
        input, which is the same as zeros;
        ``initial_state()`` -> zeros of shape (n,).

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range; from ``step``, if ``x`` has another shape than
        (inputs,).

    Notes
    -----
    The logs of the singular values of a product are the sums of log a_t, unit by unit. At the start
    sigmoid(Lambda)^8 ~ U(0.9, 0.999). The published model has W_g in diagonal blocks.

    References
    ----------
    De et al. (2024), eqs. (1)-(4) and section 2.4.

    Examples
    --------
    >>> import jax
    >>> cell = rg_lru(inputs=2, hidden=3)
    >>> cell.step(cell.init(jax.random.key(0)), cell.initial_state(), None).shape
    (3,)
    """
    inputs, n = _parts.sizes(inputs, hidden)
    draw_x = initializers.gaussian() if input is None else input
    draw_g = initializers.gaussian() if gate is None else gate

    def init(key):
        key_x, key_g, key_a = jax.random.split(key, 3)
        kind = _parts.default(dtype)
        log_a = jnp.log(jax.random.uniform(key_a, (n,), _parts.wide(kind), 0.9, 0.999)) / _POWER
        return {
            "W_x": draw_x(key_x, (n, inputs), kind),
            "W_g": draw_g(key_g, (2 * n, n), kind),
            "b_g": jnp.zeros(2 * n, kind),
            "Lambda": (log_a - jnp.log(-jnp.expm1(log_a))).astype(kind),
        }

    def step(params, state, x):
        u = _parts.embed(params["W_x"], x)
        a_r, a_i = _parts.blocks(params["W_g"] @ u + params["b_g"], n)
        log_a = -_POWER * sigmoid(a_r) * softplus(-params["Lambda"])
        # sqrt(1 - a^2) without the cancellation
        return jnp.exp(log_a) * state + jnp.sqrt(-jnp.expm1(2 * log_a)) * (sigmoid(a_i) * u)

    def initial_state():
        return jnp.zeros(n, _parts.default(dtype))

    return Cell(init, step, initial_state)
