"""Rates of LSTMs and of plain networks: singular values, exponents, and what moves them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import rnnjac
from analyses.lstm_carousel.terms import FORGET_BIASES, with_biases
from rnnjac import initializers

SPAN = 100  # steps of the product whose singular values are shown, and of the exponents counted
CHRONO = 200.0
PLAIN = ("linear, orthogonal", "tanh, orthogonal", "tanh, Gaussian")
GATED = ((1.0, 0.0), (5.0, -5.0), (8.0, -8.0))  # biases of the forget and of the input gate
CELLS = ("tanh", "tanh, gain 2", "GRU", "LSTM", "chrono LSTM")
KEPT = (1 / (1 + np.exp(-1.0)), 0.95, 0.99, 1 / (1 + np.exp(-5.0)))
DRIVES = (0.0, 1.0)


def measure(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Every part; curves for the figures, numbers for the claims."""
    keys = jax.random.split(key, 3)
    arrays, facts = {}, {}
    for part in (
        spectra(settings.half, settings.seeds, keys[0]),
        exponents(settings, keys[1]),
        gains(settings, keys[2]),
    ):
        arrays |= part[0]
        facts |= part[1]
    return arrays, facts


def plain_step(params: dict[str, jax.Array], state: jax.Array, x: jax.Array) -> jax.Array:
    """W s + x, through tanh unless the network is linear: one compilation for both."""
    a = params["W"] @ state + x
    return jnp.where(params["linear"], a, rnnjac.activations.tanh(a))


def spectra(half: int, seeds: int, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """log σ of the product over SPAN steps: LSTMs whose f tends to 1 and plain networks.

    An LSTM of n/2 units has a state of n numbers, as a plain network of n units.
    """
    n = 2 * half
    cell = rnnjac.cells.lstm(half, half)
    key_p, key_x, key_w = jax.random.split(key, 3)
    x = jax.random.normal(key_x, (seeds, SPAN, n))

    params = jax.vmap(cell.init)(jax.random.split(key_p, seeds))
    gated = jax.vmap(lambda b: jax.vmap(lambda p: with_biases(p, *b))(params))(jnp.array(GATED))
    Q = jax.vmap(lambda k: initializers.orthogonal()(k, (n, n)))(jax.random.split(key_w, seeds))
    W = jax.vmap(lambda k: initializers.gaussian()(k, (n, n)))(jax.random.split(key_w, seeds))
    plain = {
        "W": jnp.stack([Q, Q, W]),
        "linear": jnp.broadcast_to(jnp.arange(3)[:, None] == 0, (3, seeds)),
    }
    runs = (
        (plain_step, plain, jnp.zeros(n), 0.5 * x),
        (cell.step, gated, cell.initial_state(), x[..., :half]),
    )
    logs = np.concatenate([_log_sigma(*run) for run in runs])
    near_one = np.mean(np.abs(logs) < 1, axis=(1, 3))  # within a factor e
    near_zero = np.mean(logs < np.log(1e-3), axis=(1, 3))
    facts: dict[str, Any] = {"spectra_state": n, "spectra_span": SPAN}
    names = ("linear", "orthogonal", "gaussian", *(f"lstm_{b:g}" for b, _ in GATED))
    for i, name in enumerate(names):
        facts |= {
            f"spectra_{name}_one": float(near_one[i, 1]),
            f"spectra_{name}_zero": float(near_zero[i, 1]),
            f"spectra_{name}_step_one": float(np.mean(np.abs(logs[i, :, 0]) < 0.1)),
            f"spectra_{name}_top": float(np.median(logs[i, :, 1, 0])),
            f"spectra_{name}_off": float(np.abs(logs[i, :, 1]).max()),
        }
    return {"spectra_logs": logs}, facts


def _log_sigma(step, params, start, inputs) -> np.ndarray:
    """log σ after one step and after SPAN; axes kind, seed, time, index.

    Through the Jacobians, so that both kinds of network share the program of the spectrum.
    """
    kinds = jax.tree.leaves(params)[0].shape[0]
    found = [
        rnnjac.product_spectrum(rnnjac.jacobians(step, p, start, x), at=(1, SPAN))
        for i in range(kinds)
        for j, x in enumerate(inputs)
        for p in [jax.tree.map(lambda a, at=(i, j): a[at], params)]
    ]
    logs = np.array([one.log_singular_values for one in found])
    return logs.reshape(kinds, len(inputs), *logs.shape[1:])


def leading(step, params, start, inputs) -> jax.Array:
    """Log growth of one tangent vector at every step; it turns into the leading direction."""
    flat, unravel = ravel_pytree(start)
    first = jnp.cos(jnp.arange(1.0, flat.size + 1))

    def one(carry, x):
        state, v = carry
        state, v = jax.jvp(lambda s: ravel_pytree(step(params, unravel(s), x))[0], (state,), (v,))
        size = jnp.linalg.norm(v)
        return (state, v / size), jnp.log(size)

    return jax.lax.scan(one, (flat, first / jnp.linalg.norm(first)), inputs)[1]


def exponents(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """All exponents and the growth per step of five kinds of network under the same noise."""
    n, seeds, warmup = settings.hidden, settings.seeds, settings.warmup
    key_p, key_x = jax.random.split(key)
    keys = jax.random.split(key_p, seeds)
    x = jax.random.normal(key_x, (seeds, warmup + settings.rate_steps, n))
    tanh, gru, lstm = rnnjac.cells.elman(n, n), rnnjac.cells.gru(n, n), rnnjac.cells.lstm(n, n)

    def over(cell, params):
        def one(at):
            p, xs = at
            all_of = rnnjac.lyapunov_exponents(
                cell.step, p, cell.initial_state(), xs, warmup=warmup
            )
            logs = leading(cell.step, p, cell.initial_state(), xs)[warmup:]
            return all_of.exponents, all_of.stderr[0], logs

        count = jax.tree.leaves(params)[0].shape[0] // seeds
        run = jax.jit(lambda ps, xs: jax.lax.map(one, (ps, xs)))
        found = run(params, jnp.concatenate([x] * count))
        return [np.asarray(a).reshape(count, seeds, *a.shape[1:]) for a in found]

    def both(a, b):
        return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), a, b)

    weak = jax.vmap(tanh.init)(keys)
    gated = jax.vmap(lstm.init)(keys)
    bias = jax.vmap(lambda k: initializers.chrono(CHRONO)(k, (4 * n,)))(keys)
    found = [
        over(tanh, both(weak, weak | {"W_s": 2 * weak["W_s"]})),
        over(gru, jax.vmap(gru.init)(keys)),
        over(lstm, both(gated, gated | {"b": bias})),
    ]
    values = [v for part in found for v in part[0]]
    top = np.array([v[:, 0] for v in values])
    error = np.concatenate([part[1] for part in found])
    logs = np.concatenate([part[2] for part in found])
    slow = np.array([[(np.abs(row) < 1 / SPAN).sum() for row in v] for v in values])
    sure = np.abs(top) > 3 * error
    facts: dict[str, Any] = {
        "rate_steps": settings.rate_steps,
        "rate_hidden": n,
        "rate_span": SPAN,
        "rate_runs": top.size,
        "rate_sure": int(sure.sum()),
        "rate_seeds": seeds,
    }
    for i, name in enumerate(CELLS):
        facts |= {
            f"rate_top_{name}": float(np.median(top[i])),
            f"rate_slow_{name}": float(np.mean(slow[i])),
            f"rate_state_{name}": values[i].shape[1],
            f"rate_above_{name}": float(np.mean(logs[i] > 0)),
            f"rate_turns_{name}": float(np.mean(np.diff(np.sign(logs[i]), axis=1) != 0)),
        }
    # shorter spectra end in NaN
    longest = max(v.shape[1] for v in values)
    full = [np.pad(v, ((0, 0), (0, longest - v.shape[1])), constant_values=np.nan) for v in values]
    return {"rate_values": np.array(full), "rate_logs": logs, "rate_error": error}, facts


def gains(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """λ₁ of LSTM and tanh network against the recurrent gain, and against the forget bias."""
    n, seeds, warmup = settings.gain_hidden, settings.gain_seeds, settings.warmup
    lstm, tanh = rnnjac.cells.lstm(n, n), rnnjac.cells.elman(n, n)
    grid = np.geomspace(0.5, 16, settings.gains)
    logits = [float(np.log(f / (1 - f))) for f in KEPT]
    rows = [(g, 1.0, 0.0, d) for d in DRIVES for g in grid]
    rows += [(1.0, b, s * b, 1.0) for s in (0.0, -1.0) for b in FORGET_BIASES]
    rows += [(0.0, b, 0.0, 0.0) for b in logits]  # closed form: log f
    keys = jax.random.split(key, seeds)
    steps = warmup + settings.gain_steps

    def drawn(cell, k):
        key_p, key_x, key_s = jax.random.split(k, 3)
        start = jax.tree.map(
            lambda s: 0.1 * jax.random.normal(key_s, s.shape), cell.initial_state()
        )
        return cell.init(key_p), start, jax.random.normal(key_x, (steps, n))

    def rate(step, p, start, x, drive):
        # scaled within the step, so that all rows share one copy of the noise
        return leading(lambda p, s, x: step(p, s, drive * x), p, start, x)[warmup:].mean()

    def gated(k, row):
        p, start, x = drawn(lstm, k)
        p = with_biases(p | {"W_h": row[0] * p["W_h"]}, row[1], row[2])
        return rate(lstm.step, p, start, x, row[3])

    def plain(k, row):
        p, start, x = drawn(tanh, k)
        return rate(tanh.step, p | {"W_s": row[0] * p["W_s"]}, start, x, row[3])

    def over(one):
        each = jax.vmap(jax.vmap(one, in_axes=(0, None)), in_axes=(None, 0))
        return lambda rs: np.asarray(jax.jit(each)(keys, jnp.array(rs)))

    top = over(gated)(rows)
    split = 2 * len(grid)
    of_lstm = top[:split].reshape(2, len(grid), seeds)
    of_tanh = over(plain)(rows[:split]).reshape(2, len(grid), seeds)
    raised = top[split : split + 2 * len(FORGET_BIASES)].reshape(2, len(FORGET_BIASES), seeds)
    alone = top[split + 2 * len(FORGET_BIASES) :]
    theory = np.log(KEPT)
    middle = {"lstm": np.median(of_lstm, axis=2), "tanh": np.median(of_tanh, axis=2)}
    facts: dict[str, Any] = {
        "gain_hidden": n,
        "gain_largest": float(grid[-1]),
        "gain_seeds": seeds,
        "gain_steps": settings.gain_steps,
        "horizon_gap": float(np.abs(alone / theory[:, None] - 1).max()),
    }
    for name, curves in middle.items():
        for i, drive in enumerate(("alone", "driven")):
            facts |= {
                # a finite run does not tell rates below 2/T from 0
                f"gain_cross_{name}_{drive}": crossing(grid, curves[i] - 2 / settings.gain_steps),
                f"gain_last_{name}_{drive}": float(curves[i, -1]),
                f"gain_least_{name}_{drive}": float(curves[i].min()),
            }
    for i, f in enumerate(KEPT):
        facts |= {f"horizon_{i}": float(-1 / np.median(alone[i])), f"horizon_kept_{i}": float(f)}
    for i, name in enumerate(("alone", "both")):
        facts |= {
            f"raised_rate_{name}_{b:g}": float(np.median(raised[i, int(b)])) for b in (1, 5, 8)
        }
    return {
        "gain_grid": grid,
        "gain_lstm": of_lstm,
        "gain_tanh": of_tanh,
        "raised_rates": raised,
    }, facts


def crossing(x: np.ndarray, y: np.ndarray) -> float:
    """Where y last turns positive on the way to its largest value; inf if that is not positive."""
    peak = int(np.argmax(y))
    below = np.flatnonzero(y[:peak] <= 0)
    if y[peak] <= 0:
        return float("inf")
    if not below.size:
        return float(x[0])
    i = below[-1]
    return float(np.exp(np.interp(0.0, y[i : i + 2], np.log(x[i : i + 2]))))
