"""The systems that every package is timed on: step, parameters, start, tangent frame, length."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnjac import frame

GAIN = 1.5  # chaotic, with a spectrum of moderate range
TIME_STEP = 0.01


class Problem(NamedTuple):
    """A system ``step(params, state, x) -> state`` (x is None) and the way its exponents are taken.

    ``params``, ``start`` (n,) and ``frame`` (n, n), orthonormal, are NumPy arrays of one dtype. The
    frame is factorised after every ``interval`` of the ``length`` steps; exponents are per ``unit``
    of time, and a step takes 1.
    """

    step: Callable[[Any, Any, Any], Any]
    params: np.ndarray
    start: np.ndarray
    frame: np.ndarray
    length: int
    interval: int = 1
    unit: float = 1.0


def tanh_step(weights, state, x):
    """One step of an autonomous tanh network; each package gets this same function."""
    return jnp.tanh(weights @ state)


def tanh_net(n: int, length: int, dtype: Any, seed: int = 0) -> Problem:
    """Random tanh network, entries of W normal with variance GAIN^2 / n."""
    draw = np.random.default_rng(seed)
    weights = GAIN * draw.normal(size=(n, n)) / np.sqrt(n)
    start = np.tanh(draw.normal(size=n))
    for _ in range(100):  # onto the attractor
        start = np.tanh(weights @ start)
    return Problem(tanh_step, weights.astype(dtype), start.astype(dtype), _frame(n, dtype), length)


def lorenz_flow(params, state):
    """Time derivative of the Lorenz (1963) system."""
    sigma, rho, beta = params[0], params[1], params[2]
    x, y, z = state[0], state[1], state[2]
    return jnp.stack([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def lorenz_step(params, state, x):
    """One step of the classical Runge-Kutta rule of fourth order."""
    h = TIME_STEP
    first = lorenz_flow(params, state)
    second = lorenz_flow(params, state + 0.5 * h * first)
    third = lorenz_flow(params, state + 0.5 * h * second)
    fourth = lorenz_flow(params, state + h * third)
    return state + h / 6 * (first + 2 * second + 2 * third + fourth)


def lorenz(length: int, dtype: Any) -> Problem:
    """Lorenz system at the usual parameters, factorised after every 10 steps."""
    params, start = np.array([10.0, 28.0, 8 / 3], dtype), np.array([-5.8, -5.7, 24.3], dtype)
    return Problem(lorenz_step, params, start, _frame(3, dtype), length, 10, 1 / TIME_STEP)


def _frame(n: int, dtype: Any) -> np.ndarray:
    """Orthonormal frame with the leading spans of the one that rnnjac starts from.

    Exponents at finite T depend on the frame at the start, by its leading spans only; with this one
    all packages find the same numbers.
    """
    return np.linalg.qr(np.asarray(frame.generic(n, n, dtype), np.float64))[0].astype(dtype)
