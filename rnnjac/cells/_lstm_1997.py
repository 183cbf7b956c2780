"""The memory cell of 1997: two gates, no forgetting."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import initializers
from rnnjac.activations import sigmoid, tanh
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell
from rnnjac.cells._lstm import LSTMState


def lstm_1997(
    inputs: int,
    hidden: int,
    *,
    truncated: bool = False,
    recurrent: initializers.Initializer | None = None,
    input: initializers.Initializer | None = None,
    bias: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Original LSTM cell: an input gate, an output gate and a sum that is never forgotten.

    With a_k = W_x^k x_t + W_h^k h_{t-1} + b^k for the blocks k = i, g, o, the paper's y^in, net_c
    and y^out, its s_c written c and its y^c written h,

        c_t = c_{t-1} + sigmoid(a_i) G(a_g),      G(a) = 4 sigmoid(a) - 2 = 2 tanh(a/2)
        h_t = sigmoid(a_o) H(c_t),                H(c) = 2 sigmoid(c) - 1 = tanh(c/2)

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size n of ``c`` and of ``h``; the flattened state has 2 n entries.
    truncated : bool
        Cut the derivative with respect to h_{t-1} in all three a_k, as the paper's learning rule
        does. Values do not change. d c_t / d c_k is then the identity, bit for bit, at every lag:
        a statement about this estimate, not about the network, whose exact derivative has more.
    recurrent, input, bias : initializers ``(key, shape, dtype) -> array``
        Of ``W_h``, ``W_x`` and ``b``. Default: ``gaussian(1.0)`` for both matrices (variance of an
        entry 1 / its number of columns), zeros for the bias. The paper starts the input gates with
        negative biases where the sum c drifts into the flat part of H.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_x": (3 n, inputs), "W_h": (3 n, n), "b": (3 n,)};
        ``step(params, state, x)`` -> `LSTMState`; ``x`` of shape (inputs,), or None for no input,
        which is the same as zeros;
        ``initial_state()`` -> `LSTMState` of zeros.

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range or ``truncated`` not a bool; from ``step``, if
        ``x`` has another shape than (inputs,).

    Notes
    -----
    |c_t| <= |c_0| + 2 t, and nothing in the cell makes it smaller again. A step costs
    O(hidden (hidden + inputs)).

    References
    ----------
    Hochreiter, Schmidhuber (1997), eqs. (3)-(5) for the three squashing functions, section 4.

    Examples
    --------
    >>> import jax
    >>> cell = lstm_1997(inputs=2, hidden=3)
    >>> cell.step(cell.init(jax.random.key(0)), cell.initial_state(), None).c.shape
    (3,)
    """
    inputs, n = _parts.sizes(inputs, hidden)
    truncated = _parts.flag("truncated", truncated)
    draw_h = initializers.gaussian() if recurrent is None else recurrent
    draw_x = initializers.gaussian() if input is None else input
    draw_b = initializers.zeros() if bias is None else bias

    def init(key):
        key_h, key_x, key_b = jax.random.split(key, 3)
        kind = _parts.default(dtype)
        return {
            "W_x": draw_x(key_x, (3 * n, inputs), kind),
            "W_h": draw_h(key_h, (3 * n, n), kind),
            "b": draw_b(key_b, (3 * n,), kind),
        }

    def step(params, state, x):
        h = jax.lax.stop_gradient(state.h) if truncated else state.h
        stacked = _parts.drive(params["W_x"], params["b"], x) + _parts.product(params["W_h"], h)
        a_i, a_g, a_o = _parts.blocks(stacked, n)
        # tanh(a/2) rather than 2 sigmoid(a) - 1, which cancels near 0
        c = state.c + sigmoid(a_i) * (2 * tanh(a_g / 2))
        return LSTMState(c, sigmoid(a_o) * tanh(c / 2))

    def initial_state():
        zeros = jnp.zeros(n, _parts.default(dtype))
        return LSTMState(zeros, zeros)

    return Cell(init, step, initial_state)
