"""A diagonal linear recurrence whose time step and input depend on the input, as in Mamba."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import initializers
from rnnjac._support import checks
from rnnjac.activations import softplus
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell


def selective_state_space(
    inputs: int,
    hidden: int,
    states: int = 16,
    *,
    input: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Selective diagonal state space: channels with several decays and a time step of their own.

    With u = W_x x_t, for channel d and state n of it,

        S_t[d, n] = exp(Delta_d A[d, n]) S_{t-1}[d, n] + Delta_d (W_B u)_n u_d
        Delta = softplus(W_delta W_low u + b_delta),    A = -exp(A_log)

    so the Jacobian is diag(exp(Delta_d A[d, n])), at every state.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Number of channels.
    states : int >= 1
        States per channel; the flattened state has hidden x states entries, channel by channel.
    input : initializer ``(key, shape, dtype) -> array``
        Of ``W_x``, ``W_low`` and ``W_B``. Default: U(-1/sqrt(n), 1/sqrt(n)), n the number of
        columns.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_x": (hidden, inputs), "W_low": (rank, hidden), "W_delta":
        (hidden, rank), "b_delta": (hidden,), "W_B": (states, hidden), "A_log": (hidden, states)},
        rank = hidden / 16, rounded up;
        ``step(params, state, x)`` -> state of shape (hidden, states); ``x`` of shape (inputs,), or
        None for no input, which is the same as zeros;
        ``initial_state()`` -> zeros of shape (hidden, states).

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range; from ``step``, if ``x`` has another shape than
        (inputs,).

    Notes
    -----
    The logs of the singular values of a product are A times the sum of Delta_t. At the start
    A[d, n] = -(n + 1) (S4D-Real), W_delta ~ U(-1/sqrt(rank), 1/sqrt(rank)), and b_delta gives log
    Delta uniform from log 0.001 to log 0.1. The layer's read-out C_t S_t, its convolution over
    four steps and its gate are no part of the recurrence and are left to the user.

    References
    ----------
    Gu, Dao (2023), algorithm 2, section 3.6 for the start, with B discretised to first order as
    its code has it.

    Examples
    --------
    >>> import jax
    >>> cell = selective_state_space(inputs=2, hidden=3, states=4)
    >>> cell.step(cell.init(jax.random.key(0)), cell.initial_state(), None).shape
    (3, 4)
    """
    inputs, hidden = _parts.sizes(inputs, hidden)
    states = checks.integer("states", states, 1)
    rank = -(-hidden // 16)
    draw = initializers.uniform() if input is None else input

    def init(key):
        key_x, key_low, key_delta, key_b, key_B = jax.random.split(key, 5)
        kind = _parts.default(dtype)
        decays = jnp.log(jnp.arange(1, states + 1, dtype=_parts.wide(kind))).astype(kind)
        return {
            "W_x": draw(key_x, (hidden, inputs), kind),
            "W_low": draw(key_low, (rank, hidden), kind),
            "W_delta": initializers.uniform()(key_delta, (hidden, rank), kind),
            "b_delta": _parts.time_step_bias(key_b, (hidden,), kind),
            "W_B": draw(key_B, (states, hidden), kind),
            "A_log": jnp.broadcast_to(decays, (hidden, states)),
        }

    def step(params, state, x):
        u = _parts.embed(params["W_x"], x)
        delta = softplus(params["W_delta"] @ (params["W_low"] @ u) + params["b_delta"])
        kept = jnp.exp(-delta[:, None] * jnp.exp(params["A_log"])) * state
        return kept + (delta * u)[:, None] * (params["W_B"] @ u)[None, :]

    def initial_state():
        return jnp.zeros((hidden, states), _parts.default(dtype))

    return Cell(init, step, initial_state)
