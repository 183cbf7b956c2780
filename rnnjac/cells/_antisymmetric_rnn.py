"""An Euler step of a network whose linear part turns and does not stretch."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import initializers
from rnnjac.activations import sigmoid, tanh
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell


def antisymmetric_rnn(
    inputs: int,
    hidden: int,
    *,
    step_size: float = 0.01,
    diffusion: float = 0.01,
    gated: bool = False,
    recurrent: initializers.Initializer | None = None,
    input: initializers.Initializer | None = None,
    bias: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Antisymmetric network: one Euler step of a differential equation close to a rotation.

    With A = W_h - W_h^T - gamma I,

        h_t = h_{t-1} + eps tanh(A h_{t-1} + W_x x_t + b),

    or, gated, with sigmoid(A h_{t-1} + W_z x_t + b_z) as a factor of the tanh. The Jacobian is
    I + eps diag(1 - tanh^2) A: all eigenvalues of A have the real part -gamma.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size n of the state.
    step_size : float > 0
        eps.
    diffusion : float >= 0
        gamma; it makes up for the growth of order eps^2 that an Euler step adds.
    gated : bool
    recurrent, input, bias : initializers ``(key, shape, dtype) -> array``
        Of ``W_h``, both input matrices and both biases. Default: ``gaussian(1.0)`` for the matrices
        (variance of an entry 1 / its number of columns), zeros for the biases.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_x": (n, inputs), "W_h": (n, n), "b": (n,)}, and "W_z", "b_z" of the
        shapes of "W_x" and "b" if gated;
        ``step(params, state, x)`` -> state of shape (n,); ``x`` of shape (inputs,), or None for no
        input, which is the same as zeros;
        ``initial_state()`` -> zeros of shape (n,).

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range, ``step_size`` or ``diffusion`` not a number in its
        range or ``gated`` not a bool; from ``step``, if ``x`` has another shape than (inputs,).

    Notes
    -----
    Exponents come out per step: divide by eps for exponents per unit of time.

    References
    ----------
    Chang, Chen, Haber, Chi (2019), section 3.

    Examples
    --------
    >>> import jax
    >>> cell = antisymmetric_rnn(inputs=2, hidden=3)
    >>> cell.step(cell.init(jax.random.key(0)), cell.initial_state(), None).shape
    (3,)
    """
    inputs, n = _parts.sizes(inputs, hidden)
    eps = _parts.number("step_size", step_size, "a number > 0", lambda value: value > 0)
    gamma = _parts.number("diffusion", diffusion, "a number >= 0", lambda value: value >= 0)
    gated = _parts.flag("gated", gated)
    draw_h = initializers.gaussian() if recurrent is None else recurrent
    draw_x = initializers.gaussian() if input is None else input
    draw_b = initializers.zeros() if bias is None else bias

    def init(key):
        key_h, key_x, key_b, key_z, key_bz = jax.random.split(key, 5)
        kind = _parts.default(dtype)
        params = {
            "W_x": draw_x(key_x, (n, inputs), kind),
            "W_h": draw_h(key_h, (n, n), kind),
            "b": draw_b(key_b, (n,), kind),
        }
        if gated:
            params["W_z"] = draw_x(key_z, (n, inputs), kind)
            params["b_z"] = draw_b(key_bz, (n,), kind)
        return params

    def step(params, state, x):
        turned = (params["W_h"] - params["W_h"].T) @ state - gamma * state
        change = tanh(turned + _parts.drive(params["W_x"], params["b"], x))
        if gated:
            change = sigmoid(turned + _parts.drive(params["W_z"], params["b_z"], x)) * change
        return state + eps * change

    def initial_state():
        return jnp.zeros(n, _parts.default(dtype))

    return Cell(init, step, initial_state)
