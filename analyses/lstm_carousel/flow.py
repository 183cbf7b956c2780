"""The memory cell of 1997: what flows through its sum, what the truncation cuts, how it drifts."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from rnnjac import initializers

LAGS = 1000  # of the products that must be 1, or the identity, bit for bit
GAINS = (0.1, 0.5, 1.0, 2.0)  # of the recurrent weights where the truncation is judged
HIDDEN, INPUTS = 8, 2
GATE_BIASES = (0.0, -2.0, -4.0, -6.0)
DRIFT_STEPS = 200
CANDIDATE = 2 * np.tanh(0.5)  # what is offered to the cell at an argument of 1


def measure(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Every part; curves for the figures, numbers for the claims."""
    keys = jax.random.split(key, 4)
    arrays, facts = {}, {}
    for part in (
        unit(),
        structure(keys[0]),
        truncation(settings.flow_steps, settings.flow_seeds, keys[1]),
        drift(keys[2]),
    ):
        arrays |= part[0]
        facts |= part[1]
    return arrays, facts


def unit(lags: int = LAGS) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """A unit fed by itself, s' = φ(w s) + x: the product of its slopes over every lag.

    The carousel is φ = identity, w = 1. The input is 1 at each step, so that s counts.
    """
    weights = {"carousel": 1.0, "flip": -1.0, "leak": 0.99}
    cell = rnnjac.cells.elman(1, 1, "identity")
    x = jnp.ones((lags, 1))
    facts: dict[str, Any] = {"unit_lags": lags}
    for name, w in weights.items():
        params = {"W_x": jnp.ones((1, 1)), "W_s": jnp.full((1, 1), w), "b": jnp.zeros(1)}
        slopes = np.asarray(rnnjac.jacobians(cell.step, params, jnp.zeros(1), x))[:, 0, 0]
        products = np.cumprod(slopes)
        facts |= {
            f"unit_{name}_off": float(np.abs(np.abs(products) - 1).max()),
            f"unit_{name}_last": float(products[-1]),
            f"unit_{name}_count": float(
                rnnjac.trajectory(cell.step, params, jnp.zeros(1), x)[-1, 0]
            ),
        }
    return {}, facts


def structure(key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Gates of the cell of 1997, read from its parameters and its one-step Jacobian."""
    n, (key_p, key_s, key_x) = HIDDEN, jax.random.split(key, 3)
    x = jax.random.normal(key_x, (1, INPUTS))
    state = rnnjac.cells.LSTMState(*jax.random.normal(key_s, (2, n)))
    facts: dict[str, Any] = {"structure_units": n}
    cells = {
        "exact": rnnjac.cells.lstm_1997(INPUTS, n),
        "cut": rnnjac.cells.lstm_1997(INPUTS, n, truncated=True),
        "later": rnnjac.cells.lstm(INPUTS, n),
    }
    for name, cell in cells.items():
        params = cell.init(key_p)
        step = np.asarray(rnnjac.jacobians(cell.step, params, state, x))[0]
        to_carousel = step[:n, :n]  # dc/dc at constant h: the forget gate, where there is one
        facts |= {
            f"structure_{name}_blocks": params["W_h"].shape[0] // n,
            f"structure_{name}_kept": float(np.diag(to_carousel).max()),
            f"structure_{name}_off": float(np.abs(to_carousel - np.eye(n)).max()),
            f"structure_{name}_from_h": int(np.count_nonzero(step[:, n:])),
        }
    return {}, facts | {"sum_residual": _best_sum(50)}


def _best_sum(steps: int) -> float:
    """Smallest mean squared error of w Σ x for one marked x among ``steps`` independent ones.

    Without a gate one weight w must both store the marked value (w = 1) and ignore the others
    (w = 0): (w - 1)² + (T - 1) w² is least at w = 1/T, where it is 1 - 1/T of the variance.
    """
    w = 1 / steps
    return (w - 1) ** 2 + (steps - 1) * w**2


def truncation(
    steps: int, seeds: int, key: jax.Array
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Truncated against exact: dC_t/dC_k, and the gradient that each lag adds to the weights."""
    exact = rnnjac.cells.lstm_1997(INPUTS, HIDDEN).step
    cut = rnnjac.cells.lstm_1997(INPUTS, HIDDEN, truncated=True).step
    start = rnnjac.cells.lstm_1997(INPUTS, HIDDEN).initial_state()
    keys = jax.random.split(key, (len(GAINS), seeds))
    drawn = [
        jax.vmap(lambda k, gain=gain: _draw(k, gain, steps))(keys[i])
        for i, gain in enumerate(GAINS)
    ]
    params, inputs, readout = jax.tree.map(lambda *a: jnp.concatenate(a), *drawn)

    @jax.jit
    @jax.vmap
    def compare(p, x, v):
        a, b = (_contributions(step, p, start, x, v) for step in (cut, exact))
        pair = jax.vmap(_cosine_and_ratio)(a, b)
        return *pair, *_cosine_and_ratio(a.sum(axis=0), b.sum(axis=0))

    cosine, ratio, whole_cosine, whole_ratio = (
        np.asarray(a).reshape(len(GAINS), seeds, -1) for a in compare(params, inputs, readout)
    )
    # against the lag: the last step first
    cosine, ratio = cosine[..., ::-1], ratio[..., ::-1]
    off = _identity_off(cut, start, key, seeds)
    facts: dict[str, Any] = {
        "cut_steps": steps,
        "cut_seeds": seeds,
        "cut_products": seeds * LAGS,
        "cut_off": off,
    }
    for i, gain in enumerate(GAINS):
        facts |= {
            f"cut_cosine_{gain:g}": float(np.median(whole_cosine[i])),
            f"cut_ratio_{gain:g}": float(np.median(whole_ratio[i])),
            f"cut_cosine_last_{gain:g}": float(np.median(cosine[i, :, -1])),
            f"cut_ratio_last_{gain:g}": float(np.median(ratio[i, :, -1])),
        }
    return {"cut_cosine": cosine, "cut_ratio": ratio}, facts


def _draw(key: jax.Array, gain: float, steps: int):
    """Parameters with Gaussian recurrent weights, an input sequence and a readout."""
    cell = rnnjac.cells.lstm_1997(INPUTS, HIDDEN, recurrent=initializers.gaussian(gain))
    key_p, key_x, key_v = jax.random.split(key, 3)
    x = jax.random.normal(key_x, (steps, INPUTS))
    return cell.init(key_p), x, jax.random.normal(key_v, (HIDDEN,))


def _contributions(step, params, start, inputs, readout) -> jax.Array:
    """Gradient of v·h_T with respect to the parameters, one row for each step that uses them."""
    states = rnnjac.trajectory(step, params, start, inputs)
    before = jax.tree.map(lambda a: a[:-1], states)

    def back(adjoint, at):
        state, x = at
        _, pull = jax.vjp(lambda p, s: step(p, s, x), params, state)
        to_params, adjoint = pull(adjoint)
        return adjoint, jnp.concatenate([jnp.ravel(a) for a in jax.tree.leaves(to_params)])

    last = rnnjac.cells.LSTMState(jnp.zeros_like(readout), readout)
    return jax.lax.scan(back, last, (before, inputs), reverse=True)[1]


def _cosine_and_ratio(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Cosine of two vectors, and norm of the first over that of the second."""
    size_a, size_b = jnp.linalg.norm(a), jnp.linalg.norm(b)
    return a @ b / (size_a * size_b), size_a / size_b


def _identity_off(step, start, key: jax.Array, seeds: int) -> float:
    """Largest entry by which dC_t/dC_k of the truncated cell leaves the identity, lags to LAGS.

    The Jacobian is [[I, 0], [D, 0]]: the upper left block of each product is multiplied out.
    """
    n, worst = HIDDEN, 0.0
    for k in jax.random.split(key, seeds):
        params, x, _ = _draw(k, 1.0, LAGS)
        product = np.eye(2 * n)
        for factor in np.asarray(rnnjac.jacobians(step, params, start, x)):
            product = factor @ product
            worst = max(worst, float(np.abs(product[:n, :n] - np.eye(n)).max()))
    return worst


def drift(key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """A single cell under a constant input: its sum stays differentiable, its output does not.

    dh_t/dc_0 = o H'(c_t), and the sum c_t grows by σ(b_i) G(1) at each step.
    """
    cell = rnnjac.cells.lstm_1997(1, 1)
    start, steps = cell.initial_state(), DRIFT_STEPS
    constant = jnp.ones((steps, 1))
    noise = jax.random.normal(key, (steps, 1))
    runs = [(b, constant) for b in GATE_BIASES] + [(0.0, noise)]
    slopes, memory, sums = [], 0.0, []
    for bias, x in runs:
        params = {
            "W_x": jnp.array([[0.0], [1.0], [0.0]]),  # only the candidate sees the input
            "W_h": jnp.zeros((3, 1)),
            "b": jnp.array([bias, 0.0, 0.0]),
        }
        steps_taken = np.asarray(rnnjac.jacobians(cell.step, params, start, x))
        memory = max(memory, float(np.abs(np.cumprod(steps_taken[:, 0, 0]) - 1).max()))
        slopes.append(np.log(steps_taken[:, 1, 0]))
        sums.append(np.asarray(rnnjac.trajectory(cell.step, params, start, x).c)[:, 0])
    slopes, sums = np.array(slopes), np.array(sums)
    facts = {
        "drift_memory_off": memory,
        "drift_steps": steps,
        **{f"drift_slope_{b:g}": float(slopes[i, -1]) for i, b in enumerate(GATE_BIASES)},
        **{f"drift_sum_{b:g}": float(sums[i, -1]) for i, b in enumerate(GATE_BIASES)},
        "drift_slope_noise": float(slopes[-1].min()),
        "drift_rate": float(slopes[0, -1] - slopes[0, -2]),
        "drift_rate_theory": float(-CANDIDATE / 2),
        "half_life": float(np.log(0.5) / -np.log1p(np.exp(-1.0))),
    }
    return {"drift_slopes": slopes, "drift_sums": sums}, facts
