"""ReLU networks: the Euler identity, masks, the critical gain and what dead units take away."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from rnnjac import initializers

CRITICAL = 2**0.5  # gain at which a Gaussian ReLU network keeps norms, since E mask = 1/2
TILTED = ((2.0, -4.0), (1.0, -1.75))  # ρ = √(1/2); with the mask (1, 0) the eigenvalue is 2
RESTING = (-1.0, -2.0)  # bias under which (1, 0) is at rest, with the second unit inactive
TILTED_STEPS = 50
RADII = (0.9, 1.2)
MASKED_UNITS = 8  # 2⁸ masks are tried one by one
SWAMPED = 1e5  # norm of a state beside which noise of deviation 1 does not count
THRESHOLDS = (-0.5, 0.0, 0.5)  # biases of the networks whose rank is counted
IDENTITY_STEPS = 1000

relu = rnnjac.activations.relu


def step(params: dict[str, jax.Array], state: jax.Array, x: jax.Array) -> jax.Array:
    """relu(W s + x)."""
    return relu(params["W"] @ state + x)


def measure(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Every part; curves for the figures, numbers for the claims."""
    keys = jax.random.split(key, 5)
    arrays, facts = {}, {}
    for part in (
        euler(settings.units, settings.euler_steps, settings.seeds, keys[0]),
        critical_gain(settings, keys[1]),
        tilted(),
        masks(settings.matrices, keys[2]),
        rank(settings, keys[3]),
        identity(settings.units, keys[4]),
    ):
        arrays |= part[0]
        facts |= part[1]
    return arrays, facts


def euler(
    n: int, steps: int, seeds: int, key: jax.Array
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """S_t = J_{t,0} S_0 for zero input and bias: a ReLU network is homogeneous of degree 1."""
    gains = np.array([0.5, 1.0, CRITICAL, 2.0, 4.0])
    key_w, key_s = jax.random.split(key)
    starts = jax.random.normal(key_s, (seeds, n))
    draw = initializers.gaussian()
    unit = jax.vmap(lambda k: draw(k, (n, n)))(jax.random.split(key_w, seeds))

    def one(W, s):
        nothing = jnp.zeros((steps, n))
        states = rnnjac.trajectory(step, {"W": W}, s, nothing)
        factors = rnnjac.jacobians(step, {"W": W}, s, nothing)

        def carry_along(carry, at):
            product, size = carry
            state, factor = at
            # J_t,0 |S_0| / |S_t|: in units of the state, no gain under- or overflows
            next_size = jnp.linalg.norm(state)
            product = factor @ product * (size / next_size)
            gap = jnp.linalg.norm(product @ (s / first_size) - state / next_size)
            grown = jnp.linalg.norm(product)  # by which rounding outgrows the state
            return (product, next_size), (gap, gap / grown, jnp.mean(state > 0))

        first_size = jnp.linalg.norm(s)
        first = (jnp.eye(n), first_size)
        _, found = jax.lax.scan(carry_along, first, (states[1:], factors))
        return *found, jnp.log(jnp.linalg.norm(states[-1]) / first_size) / steps

    W = (jnp.array(gains)[:, None, None, None] * unit[None]).reshape(-1, n, n)
    over = jax.jit(lambda ws, ss: jax.lax.map(lambda at: one(*at), (ws, ss)))
    of_state, gaps, active, rates = (
        np.asarray(a).reshape(len(gains), seeds, *a.shape[1:])
        for a in over(W, jnp.concatenate([starts] * len(gains)))
    )
    alive = np.isfinite(gaps)  # a state that has died is 0 on both sides, and has no direction
    return (
        {"euler_gaps": np.where(alive, gaps, np.nan)},
        {
            "euler_steps": steps,
            "euler_networks": gaps.shape[0] * seeds,
            "euler_gap": float(gaps[alive].max()),  # relative to |J_t,0| |S_0|
            "euler_gap_of_state": float(of_state[alive].max()),
            "euler_gap_median": float(np.median(of_state[alive])),
            "euler_dead": int((~alive[..., -1]).sum()),
            "euler_active": float(active[..., 1:].mean()),
            "euler_rate_critical": float(np.median(rates[2])),
        },
    )


def critical_gain(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """λ₁ of Gaussian networks against the gain: ReLU without and with noise, tanh, theory.

    With half of the units active ‖D W v‖² is g²/2 ‖v‖² on average, so that λ₁ = ln(g/√2).
    """
    n, steps, warmup = settings.gain_units, settings.gain_steps, settings.warmup
    gains = np.geomspace(0.7, 2.8, settings.gains)
    key_w, key_x = jax.random.split(key)
    keys = jax.random.split(key_w, settings.seeds)
    draw = initializers.gaussian()
    unit = jax.vmap(lambda k: draw(k, (n, n)))(keys)
    x = jax.random.normal(key_x, (settings.seeds, steps + warmup, n))
    start = jnp.ones(n)

    def run(W, x, tanh, drive):
        """One tangent vector and the state, both renormalised where the network is homogeneous."""

        def one(carry, x):
            state, v = carry
            a, av = W @ state + drive * x, W @ v
            slope = jnp.where(
                tanh,
                jax.jvp(rnnjac.activations.tanh, (a,), (jnp.ones_like(a),))[1],
                jnp.where(a > 0, 1.0, 0.0),
            )
            state = jnp.where(tanh, rnnjac.activations.tanh(a), relu(a))
            v = slope * av
            size, norm = jnp.linalg.norm(v), jnp.linalg.norm(state)
            # a ReLU state without input, or so large that the noise is lost in it, only scales
            free = (drive == 0) & ~tanh & (norm > 0)
            scale = jnp.where(free, norm, jnp.where(norm > SWAMPED, norm / SWAMPED, 1.0))
            state = state / scale
            return (state, v / size), (jnp.log(size), jnp.mean(jnp.where(a > 0, 1.0, 0.0)))

        first = jnp.ones(n) / n**0.5
        _, (logs, active) = jax.lax.scan(one, (start * first, first), x)
        return logs[warmup:].mean(), active[warmup:].mean()

    kinds = ((False, 0.0), (False, 1.0), (True, 1.0))
    each = jax.vmap(run, in_axes=(0, 0, None, None))
    over = jax.jit(
        jax.vmap(jax.vmap(each, in_axes=(0, None, None, None)), in_axes=(None, None, 0, 0))
    )
    W = jnp.array(gains)[:, None, None, None] * unit[None]
    flags, drives = (jnp.array(column) for column in zip(*kinds, strict=True))
    rates, active = (np.asarray(a) for a in over(W, x, flags, drives))
    radius = np.abs(np.linalg.eigvals(np.asarray(unit))).max(axis=-1)
    radii = gains[:, None] * radius[None]
    free, theory = rates[0], np.log(gains / CRITICAL)
    sure = 2 / steps
    above = radii > 1
    crossings = np.exp(-np.mean(free - np.log(gains)[:, None], axis=0))
    return {
        "gain_grid": gains,
        "gain_rates": rates,
        "gain_radii": radii,
        "gain_theory": theory,
        "gain_active": active,
    }, {
        "gain_units": n,
        "gain_steps": steps,
        "gain_critical": float(np.median(crossings)),
        "gain_critical_spread": float(np.std(crossings)),
        "gain_gap": float(np.abs(np.median(free, axis=1) - theory).max()),
        "gain_active": float(active[0].mean()),
        "gain_active_spread": float(active[0].std()),
        "gain_above": int(above.sum()),
        "gain_above_vanish": int((above & (free < -sure)).sum()),
        "gain_networks": int(above.size),
        "gain_tanh_critical": float(np.median(rates[2], axis=1)[np.argmin(np.abs(theory))]),
        "gain_relu_critical": float(np.median(free, axis=1)[np.argmin(np.abs(theory))]),
        "gain_relu_noise": float(np.median(rates[1], axis=1)[np.argmin(np.abs(theory))]),
        "gain_critical_noise": float(
            np.exp(np.interp(0.0, np.median(rates[1], axis=1), np.log(gains)))
        ),
        "gain_nearest": float(gains[np.argmin(np.abs(theory))]),
        "gain_radius_gap": float(np.median(np.log(radii) - free)),
    }


def tilted(steps: int = TILTED_STEPS) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """ρ(W) < 1 and an exploding product: the second unit never fires, which leaves [[2, −4]].

    All numbers are small multiples of 1/4, so that every step is exact.
    """
    W = jnp.array(TILTED)
    x = jnp.broadcast_to(jnp.array(RESTING), (steps, 2))
    start = jnp.array([1.0, 0.0])
    found = rnnjac.spectrum(step, {"W": W}, start, x, at=tuple(range(1, steps + 1)))
    last = rnnjac.trajectory(step, {"W": W}, start, x)[-1]
    power = np.linalg.matrix_power(np.asarray(W), steps)
    logs = np.asarray(found.log_singular_values)
    return {"tilted_logs": logs}, {
        "tilted_radius": float(rnnjac.spectral_radius(W)),
        "tilted_steps": steps,
        "tilted_rate": float((logs[-1, 0] - logs[0, 0]) / (steps - 1)),
        "tilted_log10": float(logs[-1, 0] / np.log(10)),
        "tilted_power": float(np.linalg.norm(power, 2)),
        "tilted_moved": float(jnp.abs(last - start).max()),
    }


def masks(matrices: int, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Spectral radius of D W for every mask D, Gaussian W of radius 0.9 and of radius 1.2."""
    n = MASKED_UNITS
    W = np.asarray(jax.random.normal(key, (matrices, n, n)), np.float64)
    W = W / np.abs(np.linalg.eigvals(W)).max(axis=-1)[:, None, None]
    D = np.array(list(itertools.product((0.0, 1.0), repeat=n)))
    radius = np.abs(np.linalg.eigvals(D[None, :, :, None] * W[:, None])).max(axis=-1)
    small, large = (r * radius for r in RADII)
    return {"mask_radius": radius, "mask_active": D.sum(axis=1)}, {
        "mask_units": n,
        "mask_matrices": matrices,
        "mask_some_above": float((small > 1).any(axis=1).mean()),
        "mask_share_below": float((large < 1).mean()),
        "mask_worst": float(small.max()),
    }


def rank(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Directions left after each lag, counted as finite log σ, in networks driven by noise.

    For weights in general position rank J_{t,k} is the least number of active units on the way.
    """
    n, steps, seeds = settings.units, settings.rank_steps, settings.seeds
    key_w, key_x = jax.random.split(key)
    draw = initializers.gaussian(CRITICAL)
    W = jax.vmap(lambda k: draw(k, (n, n)))(jax.random.split(key_w, seeds))
    noise = jax.random.normal(key_x, (seeds, steps, n))
    times = tuple(sorted({int(t) for t in np.geomspace(1, steps, 16)}))

    def one(at):
        W, x = at
        found = rnnjac.spectrum(step, {"W": W}, jnp.ones(n), x, at=times)
        states = rnnjac.trajectory(step, {"W": W}, jnp.ones(n), x)[1:]
        return found.log_singular_values, jnp.sum(states > 0, axis=1)

    inputs = jnp.concatenate([noise + b for b in THRESHOLDS])
    run = jax.jit(lambda ws, xs: jax.lax.map(one, (ws, xs)))
    logs, active = (np.asarray(a) for a in run(jnp.concatenate([W] * len(THRESHOLDS)), inputs))
    counted = np.isfinite(logs).sum(axis=-1).reshape(len(THRESHOLDS), seeds, -1)
    least = np.minimum.accumulate(active, axis=1)[:, np.array(times) - 1]
    last = counted[..., -1].mean(axis=1)
    middle = THRESHOLDS.index(0.0)
    return {
        "rank_times": np.array(times),
        "rank_counts": counted,
        "rank_least_active": least.reshape(counted.shape),
    }, {
        "rank_units": n,
        "rank_steps": steps,
        "rank_off": int(np.abs(counted - least.reshape(counted.shape)).max()),
        "rank_first": float(counted[middle, :, 0].mean()),
        **{f"rank_last_{b:g}": float(r) for b, r in zip(THRESHOLDS, last, strict=True)},
    }


def identity(n: int, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The IRNN: W = I. Positive inputs keep all units active, inputs of both signs do not."""
    steps = IDENTITY_STEPS
    cell = rnnjac.cells.irnn(n, n, input=initializers.identity())
    params, start = cell.init(key), cell.initial_state()
    noise = jax.random.normal(key, (steps, n))
    products, off = {}, 0.0
    for name, x in (("positive", jnp.abs(noise)), ("signed", noise)):
        product, counts = np.eye(n), []
        for factor in np.asarray(rnnjac.jacobians(cell.step, params, start, x)):
            product = factor @ product
            counts.append(np.count_nonzero(np.diag(product)))
            if name == "positive":
                off = max(off, float(np.abs(product - np.eye(n)).max()))
        products[name] = np.array(counts)
    gone = np.flatnonzero(products["signed"] == 0)
    return {f"identity_{name}": counts for name, counts in products.items()}, {
        "identity_steps": steps,
        "identity_off": off,
        "identity_left_100": float(products["signed"][99] / n),
        "identity_gone": int(gone[0] + 1) if gone.size else steps,
        "identity_first": float(products["signed"][0] / n),
    }
