"""Small networks with exact answers that contradict the eigenvalue rule, and the single unit."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac

TILTED = ((2.0, -4.0), (1.0, -1.75))  # eigenvalues (1 ± i √31)/8, of modulus √(1/2)
HELD = (0.0, 8.0)  # pre-activations at which the second unit is saturated
NILPOTENT_SIZE = 30
LATCH = 5.0  # weight of the bistable unit
LATCH_START = 0.3  # the start that is shifted
LATCH_NOISE = 0.3  # deviation of the input of the bistable unit


def measure(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Every example; curves for the figures, figures for the claims."""
    arrays, facts = {}, {}
    for part in (tilted(), nilpotent(), fixed_point(2.0), _scan(settings), _latch(settings, key)):
        arrays |= part[0]
        facts |= part[1]
    return arrays, facts


def held_step(W: jax.Array, state: jax.Array, target: jax.Array) -> jax.Array:
    """tanh(W s + x) under inputs x that hold the pre-activation at ``target``.

    The input is chosen from the state at each step, since an input fixed in advance lets rounding
    grow like 2^t; as an input it has no derivative.
    """
    drive = jax.lax.stop_gradient(target - W @ state)
    return rnnjac.activations.tanh(W @ state + drive)


def tilted(steps: int = 50) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """ρ(W) < 1, and yet the gradient explodes: one saturated unit leaves the eigenvalue 2."""
    W = jnp.array(TILTED)
    targets = jnp.broadcast_to(jnp.array(HELD), (steps, 2))
    jac = rnnjac.jacobians(held_step, W, rnnjac.activations.tanh(jnp.array(HELD)), targets)
    norms = _norms_of_products(np.asarray(jac))
    return {"tilted_held": norms, "tilted_alone": _norms_of_products(np.array([TILTED] * steps))}, {
        "tilted_radius": float(rnnjac.spectral_radius(W)),
        "tilted_norm": float(rnnjac.spectral_norm(W)),
        "tilted_log_norm": float(np.log(norms[-1])),
        "tilted_step_radius": float(rnnjac.spectral_radius(jac[-1])),
        "tilted_rate": float(np.log(norms[-1] / norms[-11]) / 10),
    }


def nilpotent() -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """All eigenvalues 0: the norm of W^k first grows ten-thousandfold, and W^30 = 0 exactly."""
    n = NILPOTENT_SIZE
    W = np.triu(np.full((n, n), 0.5), 1)
    norms = _norms_of_products(np.broadcast_to(W, (n, n, n)))
    return {"nilpotent": norms}, {
        "nilpotent_peak": float(norms.max()),
        "nilpotent_peak_at": int(norms.argmax()),
    }


def scalar_step(w: jax.Array, state: jax.Array, x: jax.Array | None) -> jax.Array:
    """tanh(w s + x)."""
    return rnnjac.activations.tanh(w * state if x is None else w * state + x)


def fixed_point(weight: float, steps: int = 200) -> tuple[dict[str, Any], dict[str, float]]:
    """s* = tanh(w s*) > 0 and its multiplier w (1 − s*²), by running to it."""
    w = jnp.full((), weight)
    states = rnnjac.trajectory(scalar_step, w, jnp.full(1, 0.5), length=steps)
    jac = rnnjac.jacobians(scalar_step, w, states[-1], length=1)
    path = np.asarray(rnnjac.jacobians(scalar_step, w, states[0], length=50))[:, 0, 0]
    curve = np.concatenate([[0.0], np.cumsum(np.log(path))])
    return {"unit_log_product": curve}, {
        "unit_weight": weight,
        "unit_fixed_point": float(states[-1, 0]),
        "unit_multiplier": float(jac[0, 0, 0]),
    }


def _scan(settings: Any) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Rate of the single unit against its weight: linear, tanh from four starts, tanh at 0."""
    weights = jnp.linspace(0.0, 8.0, settings.weights + 1)[1:]
    starts = jnp.array([0.0, 1e-3, 0.5, -1.0])
    length = 400

    def rate(w, s):
        run = rnnjac.lyapunov_exponents(scalar_step, w, s[None], length=length, warmup=length // 2)
        return run.exponents[0]

    over_weights = jax.vmap(rate, in_axes=(0, None))
    rates = np.asarray(jax.jit(jax.vmap(over_weights, in_axes=(None, 0)))(weights, starts))
    w = np.asarray(weights)
    theory = np.log(w * np.cosh(w * _stable_points(w)) ** -2)
    away = np.abs(w - 1) > 0.05  # at w = 1 the approach to 0 is not exponential
    return {"scan_weights": w, "scan_rates": rates, "scan_theory": theory}, {
        "scan_count": int(away.sum() * (len(starts) - 1)),
        "scan_growing": int((rates[1:, away] > 0).sum()),
        "scan_gap": float(np.abs(rates[1:, away] - theory[away]).max()),
        "scan_last": float(rates[2, -1]),
        "scan_last_at_0": float(rates[0, -1]),
        "scan_last_linear": float(np.log(w[-1])),
    }


def _stable_points(w: np.ndarray) -> np.ndarray:
    """s >= 0 with s = tanh(w s), stable: 0 for w <= 1; by Newton's method from above."""
    s = np.ones_like(w)
    for _ in range(200):
        value, slope = np.tanh(w * s), w * np.cosh(w * s) ** -2
        s = np.where(w > 1, s - (s - value) / np.where(w > 1, 1 - slope, 1), 0)
    return s


def _latch(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The bistable unit: its gradient vanishes, the sign of its start remains, noise or not."""
    length, count = 200, settings.latch_starts
    first, drive = jax.random.split(key)
    w = jnp.full((), LATCH)
    starts = jax.random.normal(first, (count, 1))
    noise = LATCH_NOISE * jax.random.normal(drive, (count, length, 1))

    @jax.jit
    @jax.vmap
    def run(s, x):
        states = rnnjac.trajectory(scalar_step, w, s, x)[:, 0]
        return states, jnp.log(rnnjac.jacobians(scalar_step, w, s, x)[:, 0, 0])

    quiet = _bits(run(starts, jnp.zeros_like(noise))[0])
    states, steps = run(starts, noise)
    noisy, positive = _bits(states), np.asarray(starts[:, 0]) > 0
    logs = np.concatenate([np.zeros((count, 1)), np.cumsum(steps, axis=1)], axis=1)
    shifts = jnp.geomspace(1e-4, 2.0, settings.shifts, dtype=w.dtype)
    begin = jnp.concatenate([jnp.full(1, LATCH_START, w.dtype), LATCH_START - shifts])
    ends = jax.vmap(lambda s: rnnjac.trajectory(scalar_step, w, s[None], length=length)[:, 0])
    paths = np.asarray(ends(begin))
    effect = np.abs(paths[1:] - paths[0])
    small = np.asarray(shifts) < LATCH_START / 2
    return {
        "latch_logs": np.median(logs, axis=0),
        "latch_quiet": quiet,
        "latch_noisy": noisy,
        "latch_shifts": np.asarray(shifts),
        "latch_effect": effect[:, [1, 2, 3, 4, length]],
        "latch_effect_at": np.array([1, 2, 3, 4, length]),
    }, {
        "latch_steps": length,
        "latch_starts": count,
        "latch_bits": float(quiet[-1]),
        "latch_noisy_bits": float(noisy[-1]),
        "latch_noisy_bits_first": float(noisy[1]),
        "latch_entropy": information(positive, positive),
        "latch_log_gradient": float(np.median(logs[:, -1])),
        "latch_small_effect": float(effect[small, -1].max()),
        "latch_large_effect": float(effect[np.asarray(shifts) > 1.1 * LATCH_START, -1].min()),
    }


def _bits(states: Any) -> np.ndarray:
    """Information of the sign at each time about the sign at time 0, by time."""
    positive = np.asarray(states) > 0
    return np.array([information(positive[:, 0], column) for column in positive.T])


def information(a: np.ndarray, b: np.ndarray) -> float:
    """Mutual information of two binary variables from their joint counts, in bits."""
    joint = np.histogram2d(a, b, bins=2, range=[[0, 1], [0, 1]])[0] / len(a)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    some = joint > 0
    return math.fsum(joint[some] * np.log2(joint[some] / apart[some]))


def _norms_of_products(factors: np.ndarray) -> np.ndarray:
    """Spectral norms of the products of the first 0, 1, 2, … factors."""
    product, norms = np.eye(factors.shape[-1]), [1.0]
    for factor in factors:
        product = factor @ product
        norms.append(np.linalg.norm(product, 2))
    return np.array(norms)
