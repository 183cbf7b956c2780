"""Largest Lyapunov exponent against the gain of the recurrent weights, with mean-field theory."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from analyses.common import meanfield
from analyses.eigenvalue_decay import networks

LINEAR, QUIET, NOISY, SYMMETRIC = "linear", "tanh", "tanh, driven", "tanh, symmetric"
KINDS = (LINEAR, QUIET, NOISY, SYMMETRIC)
NOISE = 2.0  # deviation of the drive
QUOTED = 2.0  # gain at which the driven network is quoted


def measure(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """λ₁(g) of W = g G, G Gaussian with entries of variance 1/n, or symmetric of radius 1."""
    n, seeds, length = settings.gain_size, settings.gain_seeds, settings.gain_steps
    gains = np.sort(np.append(np.geomspace(0.25, 10.0, settings.gains), QUOTED))
    draw, begin, drive = jax.random.split(key, 3)
    G = jax.random.normal(draw, (seeds, n, n)) / n**0.5
    symmetric = jnp.stack(
        [networks.matrix("symmetric", jax.random.fold_in(draw, s), n) for s in range(seeds)]
    )
    start = jax.random.normal(begin, (seeds, n))
    noise = NOISE * jax.random.normal(drive, (seeds, length, n))
    tanh, identity = (networks.ACTIVATIONS.index(name) for name in ("tanh", "identity"))
    quiet = jnp.zeros_like(noise)
    # a linear network has the Jacobian W wherever it is: at 0 its state does not overflow
    cases = {
        LINEAR: (G, identity, jnp.zeros_like(start), quiet),
        QUIET: (G, tanh, start, quiet),
        NOISY: (G, tanh, start, noise),
        SYMMETRIC: (symmetric, tanh, start, quiet),
    }

    def exponent(gain, W, kind, s, x):
        params = {"W": gain * W, "activation": kind}
        run = rnnjac.lyapunov_exponents(networks.step, params, s, x, top=1, warmup=length // 2)
        return run.exponents[0]

    over_seeds = jax.vmap(exponent, in_axes=(None, 0, None, 0, 0))
    over_gains = jax.jit(jax.vmap(over_seeds, in_axes=(0, None, None, None, None)))
    found = {
        name: np.asarray(over_gains(jnp.asarray(gains, G.dtype), W, jnp.asarray(kind), s, x))
        for name, (W, kind, s, x) in cases.items()
    }
    arrays = {
        "gains": gains,
        "gain_exponents": np.stack([found[name] for name in KINDS]),
        "gain_theory": np.array([_theory(g, 0.0) for g in gains]),
        "gain_theory_noise": np.array([_theory(g, NOISE) for g in gains]),
    }
    return arrays, _facts(gains, found, arrays)


def _theory(gain: float, noise: float) -> float:
    """Mean-field λ₁; without drive and below gain 1 the state 0 is stable, hence ln g."""
    return math.log(gain) if gain <= 1 and noise == 0 else meanfield.exponent(gain, noise)


def _facts(gains: np.ndarray, found: dict[str, np.ndarray], arrays: dict) -> dict[str, float]:
    mean = {name: values.mean(axis=1) for name, values in found.items()}
    large = gains > 3
    line = {name: np.polyfit(np.log(gains[large]), mean[name][large], 1)[0] for name in KINDS}
    # the radius of a Gaussian matrix is g only up to 1/√n, so linear is compared by its slope
    return {
        "gain_largest": float(gains[-1]),
        "gain_linear_slope": float(line[LINEAR]),
        "gain_tanh_slope": float(line[QUIET]),
        "gain_linear_last": float(mean[LINEAR][-1]),
        "gain_tanh_last": float(mean[QUIET][-1]),
        "gain_theory_last": float(arrays["gain_theory"][-1]),
        "gain_theory_gap": float(np.abs(mean[QUIET] - arrays["gain_theory"])[gains > 1.2].max()),
        "gain_noise_gap": float(np.abs(mean[NOISY] - arrays["gain_theory_noise"]).max()),
        "gain_noise_at_2": float(mean[NOISY][gains == QUOTED][0]),
        "gain_noise_at_2_theory": meanfield.exponent(QUOTED, NOISE),
        "gain_symmetric_max": float(found[SYMMETRIC][gains > 1.05].max()),
        "gain_symmetric_last": float(mean[SYMMETRIC][-1]),
        "gain_small_max": float(max(found[name][gains < 0.8].max() for name in KINDS)),
    }
