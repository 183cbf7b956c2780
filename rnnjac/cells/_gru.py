"""Gated recurrent units."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import initializers
from rnnjac._support import checks
from rnnjac.activations import sigmoid, tanh
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell

RESETS = ("after", "before")


def gru(
    inputs: int,
    hidden: int,
    *,
    reset: str = "after",
    recurrent: initializers.Initializer | None = None,
    input: initializers.Initializer | None = None,
    bias: initializers.Initializer | None = None,
    recurrent_bias: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Gated recurrent unit.

    With the blocks r, z, n of the parameters (torch's order),

        r = sigmoid(W_x^r x_t + b_x^r + W_h^r h + b_h^r)             h = h_{t-1}
        z = sigmoid(W_x^z x_t + b_x^z + W_h^z h + b_h^z)
        n = tanh(W_x^n x_t + b_x^n + r (W_h^n h + b_h^n))            reset = "after"
        n = tanh(W_x^n x_t + b_x^n + W_h^n (r h) + b_h^n)            reset = "before"
        h_t = (1 - z) n + z h_{t-1}

    z is the share that is kept; some papers write 1 - z for it.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size of the state.
    reset : "after" or "before"
        Whether the reset gate acts after the recurrent product, as in torch, or before it, as in
        the paper.
    recurrent, input, bias, recurrent_bias : initializers ``(key, shape, dtype) -> array``
        Of ``W_h``, ``W_x``, ``b_x`` and ``b_h``. Default: ``gaussian(1.0)`` for both matrices
        (variance of an entry 1 / its number of columns), zeros for both biases. Gate biases, such
        as ``chrono(100, layout="rzn")``, belong into one of the two.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_x": (3 hidden, inputs), "W_h": (3 hidden, hidden), "b_x", "b_h":
        (3 hidden,)};
        ``step(params, state, x)`` -> state of shape (hidden,); ``x`` of shape (inputs,), or None
        for no input, which is the same as zeros;
        ``initial_state()`` -> zeros of shape (hidden,).

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range or ``reset`` is unknown; from ``step``, if ``x``
        has another shape than (inputs,).

    Notes
    -----
    A step costs O(hidden (hidden + inputs)). The state stays in [-1, 1] once it is there.

    References
    ----------
    Cho et al. (2014), eqs. (5)-(8), for "before".

    Examples
    --------
    >>> import jax
    >>> cell = gru(inputs=2, hidden=3)
    >>> cell.step(cell.init(jax.random.key(0)), cell.initial_state(), None).shape
    (3,)
    """
    inputs, size = _parts.sizes(inputs, hidden)
    checks.one_of("reset", reset, RESETS)
    draw_h = initializers.gaussian() if recurrent is None else recurrent
    draw_x = initializers.gaussian() if input is None else input
    draw_bx = initializers.zeros() if bias is None else bias
    draw_bh = initializers.zeros() if recurrent_bias is None else recurrent_bias

    def init(key):
        key_h, key_x, key_bx, key_bh = jax.random.split(key, 4)
        kind = _parts.default(dtype)
        return {
            "W_x": draw_x(key_x, (3 * size, inputs), kind),
            "W_h": draw_h(key_h, (3 * size, size), kind),
            "b_x": draw_bx(key_bx, (3 * size,), kind),
            "b_h": draw_bh(key_bh, (3 * size,), kind),
        }

    def step(params, state, x):
        x_r, x_z, x_n = _parts.blocks(_parts.drive(params["W_x"], params["b_x"], x), size)
        W, b = params["W_h"], params["b_h"]
        if reset == "after":  # one product for all gates
            h_r, h_z, h_n = _parts.blocks(_parts.product(W, state) + b, size)
            n = tanh(x_n + sigmoid(x_r + h_r) * h_n)
        else:
            h_r, h_z = _parts.blocks(_parts.product(W[: 2 * size], state) + b[: 2 * size], size)
            h_n = _parts.product(W[2 * size :], sigmoid(x_r + h_r) * state)
            n = tanh(x_n + h_n + b[2 * size :])
        a_z = x_z + h_z
        # sigmoid(-a) is 1 - z without the cancellation
        return sigmoid(-a_z) * n + sigmoid(a_z) * state

    def initial_state():
        return jnp.zeros(size, _parts.default(dtype))

    return Cell(init, step, initial_state)
