"""An LSTM whose gates and candidate do not see the state."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import activations, initializers
from rnnjac.activations import sigmoid, softplus
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell


def min_lstm(
    inputs: int,
    hidden: int,
    activation: str | activations.Activation = "identity",
    *,
    input: initializers.Initializer | None = None,
    bias: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Minimal LSTM: a running mean with the shares of two gates that depend on the input alone.

    With a_k = W_x^k x_t + b^k for the blocks k = f, i, h, f = sigmoid(a_f) and i = sigmoid(a_i),

        h_t = f / (f + i) h_{t-1} + i / (f + i) phi(a_h),

    so the Jacobian is diag(f / (f + i)), at every state.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size of the state.
    activation : name in ``rnnjac.activations.ACTIVATIONS``, or elementwise callable
        phi of the candidate. The paper's variant for parallel scans in logs has x + 1/2 for x >= 0
        and sigmoid(x) elsewhere.
    input, bias : initializers ``(key, shape, dtype) -> array``
        Of ``W_x`` and ``b``. Default: U(-1/sqrt(inputs), 1/sqrt(inputs)) for both, as torch's
        linear layers have it.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_x": (3 hidden, inputs), "b": (3 hidden,)};
        ``step(params, state, x)`` -> state of shape (hidden,); ``x`` of shape (inputs,), or None
        for no input, which is the same as zeros;
        ``initial_state()`` -> zeros of shape (hidden,).

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range or ``activation`` is unknown; from ``step``, if
        ``x`` has another shape than (inputs,).

    Notes
    -----
    f / (f + i) is computed as sigmoid(log f - log i): right where both gates are shut.

    References
    ----------
    Feng et al. (2024), section 3.2, with the time-independent scale.

    Examples
    --------
    >>> import jax
    >>> cell = min_lstm(inputs=0, hidden=1, bias=initializers.zeros())
    >>> cell.step(cell.init(jax.random.key(0)), jnp.ones(1), None).tolist()
    [0.5]
    """
    inputs, n = _parts.sizes(inputs, hidden)
    phi = activations.get(activation)
    draw_x = initializers.uniform() if input is None else input
    draw_b = initializers.uniform(max(inputs, 1)) if bias is None else bias

    def init(key):
        key_x, key_b = jax.random.split(key)
        kind = _parts.default(dtype)
        return {"W_x": draw_x(key_x, (3 * n, inputs), kind), "b": draw_b(key_b, (3 * n,), kind)}

    def step(params, state, x):
        a_f, a_i, a_h = _parts.blocks(_parts.drive(params["W_x"], params["b"], x), n)
        ratio = softplus(-a_i) - softplus(-a_f)  # log(f / i)
        return sigmoid(ratio) * state + sigmoid(-ratio) * phi(a_h)

    def initial_state():
        return jnp.zeros(n, _parts.default(dtype))

    return Cell(init, step, initial_state)
