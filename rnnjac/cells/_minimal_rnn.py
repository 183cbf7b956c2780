"""A network with one gate and nothing recurrent besides."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import activations, initializers
from rnnjac.activations import sigmoid
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell


def minimal_rnn(
    inputs: int,
    hidden: int,
    activation: str | activations.Activation = "tanh",
    *,
    recurrent: initializers.Initializer | None = None,
    gate_input: initializers.Initializer | None = None,
    input: initializers.Initializer | None = None,
    bias: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Minimal gated cell: a running mean of the embedded input, with one gate.

        v_t = phi(W_x x_t + b_x)
        u_t = sigmoid(U_h h_{t-1} + U_x v_t + b)
        h_t = u_t h_{t-1} + (1 - u_t) v_t

    with the Jacobian diag(u) + diag((h_{t-1} - v) u (1 - u)) U_h.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size of the state and of the embedded input v.
    activation : name in ``rnnjac.activations.ACTIVATIONS``, or elementwise callable
        phi of the embedding.
    recurrent, gate_input, input, bias : initializers ``(key, shape, dtype) -> array``
        Of ``U_h``, ``U_x``, ``W_x`` and ``b``. Default: ``gaussian(1.0)`` for the matrices
        (variance of an entry 1 / its number of columns), zeros for ``b``; ``b_x`` always starts at
        zero.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_x": (hidden, inputs), "b_x": (hidden,), "U_h", "U_x": (hidden, hidden),
        "b": (hidden,)};
        ``step(params, state, x)`` -> state of shape (hidden,); ``x`` of shape (inputs,), or None
        for no input, which is the same as zeros;
        ``initial_state()`` -> zeros of shape (hidden,).

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range or ``activation`` is unknown; from ``step``, if
        ``x`` has another shape than (inputs,).

    References
    ----------
    Chen, Pennington, Schoenholz (2018).

    Examples
    --------
    >>> import jax
    >>> cell = minimal_rnn(inputs=2, hidden=3)
    >>> cell.step(cell.init(jax.random.key(0)), cell.initial_state(), None).shape
    (3,)
    """
    inputs, hidden = _parts.sizes(inputs, hidden)
    phi = activations.get(activation)
    draw_h = initializers.gaussian() if recurrent is None else recurrent
    draw_v = initializers.gaussian() if gate_input is None else gate_input
    draw_x = initializers.gaussian() if input is None else input
    draw_b = initializers.zeros() if bias is None else bias

    def init(key):
        key_h, key_v, key_x, key_b = jax.random.split(key, 4)
        kind = _parts.default(dtype)
        return {
            "W_x": draw_x(key_x, (hidden, inputs), kind),
            "b_x": jnp.zeros(hidden, kind),
            "U_h": draw_h(key_h, (hidden, hidden), kind),
            "U_x": draw_v(key_v, (hidden, hidden), kind),
            "b": draw_b(key_b, (hidden,), kind),
        }

    def step(params, state, x):
        v = phi(_parts.drive(params["W_x"], params["b_x"], x))
        a = params["U_h"] @ state + params["U_x"] @ v + params["b"]
        # sigmoid(-a) is 1 - u without the cancellation
        return sigmoid(a) * state + sigmoid(-a) * v

    def initial_state():
        return jnp.zeros(hidden, _parts.default(dtype))

    return Cell(init, step, initial_state)
