"""The plain (Elman) recurrent network, in its two usual forms."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import activations, initializers
from rnnjac._support import checks
from rnnjac.cells._cell import Cell

FORMS = ("state", "preactivation")


def elman(
    inputs: int,
    hidden: int,
    activation: str | activations.Activation = "tanh",
    *,
    form: str = "state",
    recurrent: initializers.Initializer | None = None,
    input: initializers.Initializer | None = None,
    bias: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Elman cell: one recurrent matrix and an elementwise activation phi.

    The state is either what leaves the units (``form="state"``, numerator-layout Jacobian
    diag(phi'(a_t)) W_s with a_t the argument of phi),

        S_t = phi(W_x X_t + W_s S_{t-1} + b),

    or what enters them (``form="preactivation"``, Jacobian W_s diag(phi'(S_{t-1}))),

        S_t = W_s phi(S_{t-1}) + W_x X_t + b.

    Both have the same Lyapunov exponents; their finite products differ by one factor at each end.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size n of the state.
    activation : name in ``rnnjac.activations.ACTIVATIONS``, or elementwise callable
    form : "state" or "preactivation"
    recurrent, input, bias : initializers ``(key, shape, dtype) -> array``
        Of ``W_s``, ``W_x`` and ``b``. Default: ``gaussian(1.0)`` for both matrices (variance of an
        entry 1 / its number of columns), zeros for the bias.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_x": (hidden, inputs), "W_s": (hidden, hidden), "b": (hidden,)};
        ``step(params, state, x)`` -> state of shape (hidden,); ``x`` of shape (inputs,), or None
        for no input, which is the same as zeros;
        ``initial_state()`` -> zeros of shape (hidden,).

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range, or ``activation`` or ``form`` is unknown; from
        ``step``, if ``x`` has another shape than (inputs,).

    Notes
    -----
    A step costs O(hidden (hidden + inputs)). The precision of its products is the caller's
    (``jax.default_matmul_precision``).

    References
    ----------
    Elman (1990) for the first form; Pascanu, Mikolov, Bengio (2013), eq. (2), for the second.

    Examples
    --------
    >>> import jax
    >>> cell = elman(inputs=2, hidden=3)
    >>> cell.step(cell.init(jax.random.key(0)), cell.initial_state(), None).shape
    (3,)
    """
    inputs = checks.integer("inputs", inputs, 0)
    hidden = checks.integer("hidden", hidden, 1)
    checks.one_of("form", form, FORMS)
    phi = activations.get(activation)
    draw_s = initializers.gaussian() if recurrent is None else recurrent
    draw_x = initializers.gaussian() if input is None else input
    draw_b = initializers.zeros() if bias is None else bias

    def init(key):
        key_s, key_x, key_b = jax.random.split(key, 3)
        kind = jnp.result_type(float) if dtype is None else dtype
        return {
            "W_x": draw_x(key_x, (hidden, inputs), kind),
            "W_s": draw_s(key_s, (hidden, hidden), kind),
            "b": draw_b(key_b, (hidden,), kind),
        }

    def step(params, state, x):
        drive = params["b"] if x is None else params["W_x"] @ _vector(x, inputs) + params["b"]
        if form == "state":
            return phi(params["W_s"] @ state + drive)
        return params["W_s"] @ phi(state) + drive

    def initial_state():
        return jnp.zeros(hidden, jnp.result_type(float) if dtype is None else dtype)

    return Cell(init, step, initial_state)


def _vector(x: jax.Array, size: int) -> jax.Array:
    if jnp.shape(x) != (size,):
        raise checks.error("x", f"shape ({size},)", checks.describe(x))
    return x
