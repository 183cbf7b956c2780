"""A linear recurrence with a complex diagonal."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import initializers
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell


def linear_recurrent_unit(
    inputs: int,
    hidden: int,
    *,
    r_min: float = 0.0,
    r_max: float = 1.0,
    max_phase: float = 2 * math.pi,
    input: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Linear recurrent unit (LRU): stable complex modes, driven by the input.

    z_t = lam z_{t-1} + gamma B x_t, elementwise in z of n complex entries, with

        lam = exp(-exp(nu) + i theta),    gamma = sqrt(1 - |lam|^2),    B = B_re + i B_im.

    |lam| < 1 for every nu, and gamma keeps the size of z in proportion to that of a white input.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Number n of complex modes; the flattened state has 2 n entries.
    r_min, r_max : float, 0 <= r_min <= r_max <= 1, r_min < 1
        Ring of the start: |lam|^2 ~ U(r_min^2, r_max^2).
    max_phase : float > 0
        theta ~ U(0, max_phase), in radians.
    input : initializer ``(key, shape, dtype) -> array``
        Of ``B_re`` and ``B_im``. Default: ``gaussian(1 / sqrt(2))``, so that |B_ij|^2 has the mean
        1 / inputs.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"nu": (n,), "theta": (n,), "B_re": (n, inputs), "B_im": (n, inputs)};
        ``step(params, state, x)`` -> real state of shape (2, n), Re z above Im z; ``x`` of shape
        (inputs,), or None for no input, which is the same as zeros;
        ``initial_state()`` -> zeros of shape (2, n).

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range, or ``r_min``, ``r_max`` or ``max_phase`` not a
        number in its range; from ``step``, if ``x`` has another shape than (inputs,).

    Notes
    -----
    A step costs O(hidden inputs). The Jacobian does not depend on the state: its singular values
    are |lam_i|, each twice, and those of a product of T are exp(-T exp(nu_i)), each twice.

    References
    ----------
    Orvieto et al. (2023), eqs. (5)-(7). Here theta, not its log, is the parameter; the layer's
    real read-out is left to the user.

    Examples
    --------
    >>> import jax
    >>> cell = linear_recurrent_unit(inputs=2, hidden=3)
    >>> cell.step(cell.init(jax.random.key(0)), cell.initial_state(), None).shape
    (2, 3)
    """
    inputs, n = _parts.sizes(inputs, hidden)
    r_min = _parts.number("r_min", r_min, "a number >= 0 and < 1", lambda r: 0 <= r < 1)
    r_max = _parts.number("r_max", r_max, "a number from r_min to 1", lambda r: r_min <= r <= 1)
    max_phase = _parts.number("max_phase", max_phase, "a number > 0", lambda phase: phase > 0)
    draw = initializers.gaussian(0.5**0.5) if input is None else input

    def init(key):
        key_r, key_theta, key_re, key_im = jax.random.split(key, 4)
        kind = _parts.default(dtype)
        wide = kind if jnp.finfo(kind).bits >= 32 else jnp.float32
        # |lam|^2 stays off 0 and 1, where nu is infinite; a draw may round to its upper end.
        low, high = float(jnp.finfo(wide).tiny), 1 - float(jnp.finfo(wide).epsneg)
        square = jax.random.uniform(key_r, (n,), wide, r_min**2, r_max**2).clip(low, high)
        return {
            "nu": jnp.log(-jnp.log(square) / 2).astype(kind),
            "theta": jax.random.uniform(key_theta, (n,), kind, 0, max_phase),
            "B_re": draw(key_re, (n, inputs), kind),
            "B_im": draw(key_im, (n, inputs), kind),
        }

    def step(params, state, x):
        decay, theta = jnp.exp(params["nu"]), params["theta"]
        radius = jnp.exp(-decay)
        re, im = radius * jnp.cos(theta), radius * jnp.sin(theta)
        turned = jnp.stack([re * state[0] - im * state[1], im * state[0] + re * state[1]])
        if x is None:
            return turned
        gamma = jnp.sqrt(-jnp.expm1(-2 * decay))  # sqrt(1 - radius^2), without the cancellation
        driven = [_parts.drive(params[B], jnp.zeros_like(gamma), x) for B in ("B_re", "B_im")]
        return turned + gamma[None, :] * jnp.stack(driven)

    def initial_state():
        return jnp.zeros((2, n), _parts.default(dtype))

    return Cell(init, step, initial_state)
