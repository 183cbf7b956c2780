"""Long short-term memory with a forget gate, as deep-learning libraries have it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjac import initializers
from rnnjac.activations import sigmoid, tanh
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell


class LSTMState(NamedTuple):
    """Cell state ``c`` and output ``h``, both of shape (hidden,); flattened in this order."""

    c: jax.Array
    h: jax.Array


def lstm(
    inputs: int,
    hidden: int,
    *,
    peepholes: bool = False,
    coupled: bool = False,
    recurrent: initializers.Initializer | None = None,
    input: initializers.Initializer | None = None,
    bias: initializers.Initializer | None = None,
    peephole: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """LSTM cell with a forget gate.

    With a_k = W_x^k x_t + W_h^k h_{t-1} + b^k for the blocks k = i, f, g, o (torch's order),

        c_t = sigmoid(a_f) c_{t-1} + sigmoid(a_i) tanh(a_g)
        h_t = sigmoid(a_o) tanh(c_t)

    The state is the pair (c, h): the Jacobian of h alone leaves out the path that remembers.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size n of ``c`` and of ``h``; the flattened state has 2 n entries.
    peepholes : bool
        Add p_i c_{t-1}, p_f c_{t-1} and p_o c_t (elementwise; the output gate sees the new c).
    coupled : bool
        Tie the input gate to the forget gate, i = 1 - f. The blocks are then f, g, o.
    recurrent, input, bias, peephole : initializers ``(key, shape, dtype) -> array``
        Of ``W_h``, ``W_x``, ``b`` and each ``p``. Default: ``gaussian(1.0)`` for both matrices
        (variance of an entry 1 / its number of columns), ``forget_bias(1.0)`` for the bias (1 for
        the forget gate, else 0; torch draws it around 0), zeros for the peepholes.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_x": (4 n, inputs), "W_h": (4 n, n), "b": (4 n,)}, 3 n rows if coupled,
        and with peepholes "p_i" (unless coupled), "p_f", "p_o" of shape (n,);
        ``step(params, state, x)`` -> `LSTMState`; ``x`` of shape (inputs,), or None for no input,
        which is the same as zeros;
        ``initial_state()`` -> `LSTMState` of zeros.

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range or an option not a bool; from ``step``, if ``x``
        has another shape than (inputs,).

    Notes
    -----
    A step costs O(hidden (hidden + inputs)). Two biases per gate, as torch and the GRU here have
    them, would enter only as their sum, so there is one.

    References
    ----------
    Hochreiter, Schmidhuber (1997); Gers, Schmidhuber, Cummins (2000) for the forget gate; Gers,
    Schmidhuber (2000) for the peepholes; Greff et al. (2017) for the coupled gates.

    Examples
    --------
    >>> import jax
    >>> cell = lstm(inputs=2, hidden=3)
    >>> cell.step(cell.init(jax.random.key(0)), cell.initial_state(), None).c.shape
    (3,)
    """
    inputs, n = _parts.sizes(inputs, hidden)
    peepholes, coupled = _parts.flag("peepholes", peepholes), _parts.flag("coupled", coupled)
    layout = "fgo" if coupled else "ifgo"
    draw_h = initializers.gaussian() if recurrent is None else recurrent
    draw_x = initializers.gaussian() if input is None else input
    draw_b = initializers.forget_bias(layout=layout) if bias is None else bias
    draw_p = initializers.zeros() if peephole is None else peephole

    def init(key):
        key_h, key_x, key_b, key_p = jax.random.split(key, 4)
        kind, rows = _parts.default(dtype), len(layout) * n
        params = {
            "W_x": draw_x(key_x, (rows, inputs), kind),
            "W_h": draw_h(key_h, (rows, n), kind),
            "b": draw_b(key_b, (rows,), kind),
        }
        if peepholes:
            gates = [gate for gate in layout if gate != "g"]
            keys = jax.random.split(key_p, len(gates))
            for gate, key_gate in zip(gates, keys, strict=True):
                params[f"p_{gate}"] = draw_p(key_gate, (n,), kind)
        return params

    def step(params, state, x):
        drive = _parts.drive(params["W_x"], params["b"], x)
        stacked = drive + _parts.product(params["W_h"], state.h)
        a = dict(zip(layout, _parts.blocks(stacked, n), strict=True))
        if peepholes:
            a["f"] = a["f"] + params["p_f"] * state.c
            if not coupled:
                a["i"] = a["i"] + params["p_i"] * state.c
        # 1 - sigmoid(a) = sigmoid(-a), without the cancellation
        i = sigmoid(-a["f"]) if coupled else sigmoid(a["i"])
        c = sigmoid(a["f"]) * state.c + i * tanh(a["g"])
        if peepholes:
            a["o"] = a["o"] + params["p_o"] * c
        return LSTMState(c, sigmoid(a["o"]) * tanh(c))

    def initial_state():
        zeros = jnp.zeros(n, _parts.default(dtype))
        return LSTMState(zeros, zeros)

    return Cell(init, step, initial_state)
