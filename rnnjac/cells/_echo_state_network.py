"""A reservoir: a leaky network whose recurrent weights are drawn once, at a given radius."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import activations, initializers
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell


def echo_state_network(
    inputs: int,
    hidden: int,
    activation: str | activations.Activation = "tanh",
    *,
    leak: float = 1.0,
    recurrent: initializers.Initializer | None = None,
    input: initializers.Initializer | None = None,
    bias: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Echo state network with leaky-integrator units, the leak outside of the activation.

    h_t = (1 - a) h_{t-1} + a phi(W_h h_{t-1} + W_x x_t + b), with the Jacobian

        (1 - a) I + a diag(phi') W_h.

    Its read-out W_o h + b_o is fitted by ridge regression on the states; `closed_loop` feeds it
    back as the next input.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size of the state.
    activation : name in ``rnnjac.activations.ACTIVATIONS``, or elementwise callable
    leak : float > 0 and <= 1
        a, the share of the state that is renewed in a step.
    recurrent, input, bias : initializers ``(key, shape, dtype) -> array``
        Of ``W_h``, ``W_x`` and ``b``. Default: ``sparse(10, 0.9)`` for ``W_h`` (10 connections per
        unit, fewer in a smaller network, and spectral radius 0.9); U(-1, 1) for ``W_x`` and ``b``.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_x": (hidden, inputs), "W_h": (hidden, hidden), "b": (hidden,)};
        ``step(params, state, x)`` -> state of shape (hidden,); ``x`` of shape (inputs,), or None
        for no input, which is the same as zeros;
        ``initial_state()`` -> zeros of shape (hidden,).

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range, ``activation`` is unknown, or ``leak`` not a
        number in its range; from ``step``, if ``x`` has another shape than (inputs,).

    Notes
    -----
    The radius that matters near h = 0 is that of (1 - a) I + a W_h, not of W_h; with input, neither
    decides whether states converge. The default start needs eigenvalues: CPU and GPU only.

    References
    ----------
    Jaeger (2001); Lukosevicius (2012), eqs. (2)-(4), without the direct path from the input.

    Examples
    --------
    >>> import jax
    >>> cell = echo_state_network(inputs=0, hidden=1, leak=0.25, bias=initializers.zeros())
    >>> quiet = cell.init(jax.random.key(0)) | {"W_h": jnp.zeros((1, 1))}
    >>> cell.step(quiet, jnp.ones(1), None).tolist()
    [0.75]
    """
    inputs, hidden = _parts.sizes(inputs, hidden)
    phi = activations.get(activation)
    leak = _parts.number("leak", leak, "a number > 0 and <= 1", lambda a: 0 < a <= 1)
    draw_h = initializers.sparse(min(10, hidden), 0.9) if recurrent is None else recurrent
    draw_x = initializers.uniform(1) if input is None else input
    draw_b = initializers.uniform(1) if bias is None else bias

    def init(key):
        key_h, key_x, key_b = jax.random.split(key, 3)
        kind = _parts.default(dtype)
        return {
            "W_x": draw_x(key_x, (hidden, inputs), kind),
            "W_h": draw_h(key_h, (hidden, hidden), kind),
            "b": draw_b(key_b, (hidden,), kind),
        }

    def step(params, state, x):
        target = phi(params["W_h"] @ state + _parts.drive(params["W_x"], params["b"], x))
        return (1 - leak) * state + leak * target

    def initial_state():
        return jnp.zeros(hidden, _parts.default(dtype))

    return Cell(init, step, initial_state)
