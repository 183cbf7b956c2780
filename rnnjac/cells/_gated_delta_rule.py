"""A matrix that is written by the delta rule and forgets through a gate."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import initializers
from rnnjac.activations import sigmoid, silu, softplus
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell


def gated_delta_rule(
    inputs: int,
    hidden: int,
    *,
    input: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Gated delta rule: a matrix of values by keys, corrected at one key in each step.

    S_t = alpha_t S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T, with k of norm 1,

        k = silu(W_k x) / |silu(W_k x)|,    v = silu(W_v x),    beta = sigmoid(a_beta),
        alpha = exp(-exp(A_log) softplus(a_alpha)),    (a_beta, a_alpha) = W_g x + b_g.

    The singular values of the Jacobian are alpha (1 - beta), n times, and alpha, n (n - 1) times.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size n of keys and values; the flattened state has n^2 entries, row by row (a row of S for
        each entry of the value).
    input : initializer ``(key, shape, dtype) -> array``
        Of ``W_k``, ``W_v`` and ``W_g``. Default: U(-1/sqrt(inputs), 1/sqrt(inputs)).
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_k", "W_v": (n, inputs), "W_g": (2, inputs), "b_g": (2,), "A_log": ()};
        ``step(params, state, x)`` -> state of shape (n, n); ``x`` of shape (inputs,), or None for
        no input, which is the same as zeros: S is then multiplied by alpha and nothing is written;
        ``initial_state()`` -> zeros of shape (n, n).

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range; from ``step``, if ``x`` has another shape than
        (inputs,).

    Notes
    -----
    One head: heads are independent cells side by side. At the start exp(A_log) ~ U(0, 16), and the
    second entry of b_g gives log softplus uniform from log 0.001 to log 0.1. With A_log = -inf,
    alpha is 1, the plain delta rule. A key is right to eps, so 1 - beta below eps is rounding. The
    read-out S q, short convolutions and the output gate are left to the user.

    References
    ----------
    Yang, Kautz, Hatamizadeh (2025), eq. (10); alpha and the start of its parameters as in Mamba2
    (Dao, Gu 2024). Schlag, Irie, Schmidhuber (2021) for the delta rule.

    Examples
    --------
    >>> import jax
    >>> cell = gated_delta_rule(inputs=2, hidden=3)
    >>> cell.step(cell.init(jax.random.key(0)), cell.initial_state(), None).shape
    (3, 3)
    """
    inputs, n = _parts.sizes(inputs, hidden)
    draw = initializers.uniform() if input is None else input

    def init(key):
        key_k, key_v, key_g, key_b, key_A = jax.random.split(key, 5)
        kind = _parts.default(dtype)
        # a draw of 0 would give A_log = -inf, whose gradient is NaN
        rate = jax.random.uniform(key_A, (), _parts.wide(kind), 1e-4, 16)
        return {
            "W_k": draw(key_k, (n, inputs), kind),
            "W_v": draw(key_v, (n, inputs), kind),
            "W_g": draw(key_g, (2, inputs), kind),
            "b_g": jnp.zeros(2, kind).at[1].set(_parts.time_step_bias(key_b, (), kind)),
            "A_log": jnp.log(rate).astype(kind),
        }

    def step(params, state, x):
        key = silu(_parts.embed(params["W_k"], x))
        square = key @ key
        # no key, no correction; the root is not taken of 0, where it has no derivative
        key = key * jnp.where(square > 0, jax.lax.rsqrt(jnp.where(square > 0, square, 1)), 0)
        value = silu(_parts.embed(params["W_v"], x))
        a_beta, a_alpha = _parts.drive(params["W_g"], params["b_g"], x)
        alpha, beta = jnp.exp(-jnp.exp(params["A_log"]) * softplus(a_alpha)), sigmoid(a_beta)
        kept = state - jnp.outer(beta * (state @ key), key)
        return alpha * kept + jnp.outer(beta * value, key)

    def initial_state():
        return jnp.zeros((n, n), _parts.default(dtype))

    return Cell(init, step, initial_state)
