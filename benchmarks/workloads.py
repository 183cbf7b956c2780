"""The systems that every package is timed on: step, parameters, start, tangent frame, length."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from rnnjac import cells, initializers
from rnnjac.linalg import lu

GAIN = 1.5  # chaotic, with a spectrum of moderate range
TIME_STEP = 0.01


class Problem(NamedTuple):
    """A system ``step(params, state, x) -> state`` (x is None) and the way its exponents are taken.

    ``params`` (an array, or a dict of them), ``start`` (n,) and ``frame`` (n, n), orthonormal, are
    NumPy arrays of one dtype; of several ``networks``, ``params`` and ``start`` are stacked. The
    frame is factorised after every ``interval`` of the ``length`` steps; exponents are per ``unit``
    of time, and a step takes 1. ``torch_step(params, state)`` is the same step on torch tensors.
    """

    step: Callable[[Any, Any, Any], Any]
    params: Any
    start: np.ndarray
    frame: np.ndarray
    length: int
    interval: int = 1
    unit: float = 1.0
    torch_step: Callable[[Any, Any], Any] | None = None
    networks: int | None = None


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


def tanh_nets(networks: int, n: int, length: int, dtype: Any) -> Problem:
    """Several random tanh networks, each with weights and a start of its own."""
    nets = [tanh_net(n, length, dtype, seed) for seed in range(networks)]
    params, start = (np.stack([getattr(net, name) for net in nets]) for name in ("params", "start"))
    return nets[0]._replace(params=params, start=start, networks=networks)


def gated_net(kind: str, n: int, length: int, dtype: Any) -> Problem:
    """Random LSTM (a state of 2 n) or GRU without input, recurrent gain GAIN."""
    cell = getattr(cells, kind)(0, n, recurrent=initializers.gaussian(GAIN), dtype=dtype)
    start, unravel = ravel_pytree(cell.initial_state())

    def step(params, flat, x):
        return ravel_pytree(cell.step(params, unravel(flat), None))[0]

    params = jax.tree.map(np.asarray, cell.init(jax.random.key(0)))
    state = jnp.asarray(np.tanh(np.random.default_rng(0).normal(size=start.size)).astype(dtype))
    for _ in range(20):
        state = step(params, state, None)
    other = {"lstm": _torch_lstm, "gru": _torch_gru}[kind]
    return Problem(
        step, params, np.asarray(state), _frame(start.size, dtype), length, torch_step=other
    )


def _torch_lstm(params, state):
    import torch

    c, h = state.chunk(2)
    i, f, g, o = (params["W_h"] @ h + params["b"]).chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.cat([c, torch.sigmoid(o) * torch.tanh(c)])


def _torch_gru(params, state):
    import torch

    r, z, n = (params["W_h"] @ state + params["b_h"]).chunk(3)
    x_r, x_z, x_n = params["b_x"].chunk(3)
    z = torch.sigmoid(x_z + z)
    return (1 - z) * torch.tanh(x_n + torch.sigmoid(x_r + r) * n) + z * state


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
    return np.linalg.qr(np.asarray(lu.generic(n, n, dtype), np.float64))[0].astype(dtype)
