"""Rate networks in continuous time, taken in Euler steps."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import activations, initializers
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell


def leaky(
    inputs: int,
    hidden: int,
    activation: str | activations.Activation = "tanh",
    *,
    dt: float = 0.1,
    tau: float = 1.0,
    recurrent: initializers.Initializer | None = None,
    input: initializers.Initializer | None = None,
    bias: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Leaky rate network: one Euler step of a network in continuous time.

    tau dS/dt = -S + W_s phi(S) + W_x X + b, so that with a = dt / tau

        S_t = (1 - a) S_{t-1} + a (W_s phi(S_{t-1}) + W_x X_t + b),
        J_t = (1 - a) I + a W_s diag(phi'(S_{t-1})).

    The state S is what enters the units (a current or a membrane potential); the rates are phi(S).
    With dt = tau it is `elman` with ``form="preactivation"``.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size of the state.
    activation : name in ``rnnjac.activations.ACTIVATIONS``, or elementwise callable
    dt, tau : float > 0
        Time step and time constant, in the same unit. Only their ratio matters to a step; above 2
        it is unstable even without recurrent weights.
    recurrent, input, bias : initializers ``(key, shape, dtype) -> array``
        Of ``W_s``, ``W_x`` and ``b``. Default: ``gaussian(1.0)`` for both matrices (variance of an
        entry 1 / its number of columns), zeros for the bias.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with the parameters and the state of `elman`.

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range, ``activation`` is unknown, or ``dt`` or ``tau`` is
        not a number > 0; from ``step``, if ``x`` has another shape than (inputs,).

    Notes
    -----
    Exponents come out per step: divide by dt for exponents per unit of time.

    References
    ----------
    Sompolinsky, Crisanti, Sommers (1988).

    Examples
    --------
    >>> import jax
    >>> cell = leaky(inputs=0, hidden=1, dt=0.5, recurrent=initializers.zeros())
    >>> cell.step(cell.init(jax.random.key(0)), jnp.ones(1), None).tolist()
    [0.5]
    """
    inputs, hidden = _parts.sizes(inputs, hidden)
    phi = activations.get(activation)
    dt = _parts.number("dt", dt, "a number > 0", lambda value: value > 0)
    tau = _parts.number("tau", tau, "a number > 0", lambda value: value > 0)
    share = dt / tau
    draw_s = initializers.gaussian() if recurrent is None else recurrent
    draw_x = initializers.gaussian() if input is None else input
    draw_b = initializers.zeros() if bias is None else bias

    def init(key):
        key_s, key_x, key_b = jax.random.split(key, 3)
        kind = _parts.default(dtype)
        return {
            "W_x": draw_x(key_x, (hidden, inputs), kind),
            "W_s": draw_s(key_s, (hidden, hidden), kind),
            "b": draw_b(key_b, (hidden,), kind),
        }

    def step(params, state, x):
        target = params["W_s"] @ phi(state) + _parts.drive(params["W_x"], params["b"], x)
        return (1 - share) * state + share * target

    def initial_state():
        return jnp.zeros(hidden, _parts.default(dtype))

    return Cell(init, step, initial_state)
