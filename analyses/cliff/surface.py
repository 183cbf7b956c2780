"""One logistic unit run for 50 steps: its error over weight and bias, the wall, and descent.

    x_t = w sigma(x_{t-1}) + b,    x_0 = 1/2,    E = (sigma(x_50) - 0.7)^2

On the line b = 1/2 - sigma(1/2) w the start is a fixed point of multiplier m = w sigma'(1/2), so

    dx_50/db = 1 + m + ... + m^49 = (m^50 - 1) / (m - 1),    dx_50/dw = sigma(1/2) dx_50/db.
"""

import functools
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rnnjac
from rnnjac import activations, clipping

STEPS, START, TARGET = 50, 0.5, 0.7
LEVEL = 1 / (1 + math.exp(-START))  # sigma(1/2)
SLOPE = LEVEL * (1 - LEVEL)  # sigma'(1/2)
ALWAYS_STABLE = 1 / SLOPE  # below this weight the wall's fixed point attracts

WEIGHTS = (4.0, 4.5, 5.0, 6.0)  # where the wall is looked at
NEIGHBOURS = 64  # floats next to a weight that are tried
PROFILES = (4.5, 5.0, 6.0)
BESIDE = 0.05  # distance in b at which the two sides are compared
REFERENCE = ((4.0, 7.0), (-4.5, -1.5), 301)  # the grid of the published figures: w, b, points

NEAREST = 13  # distances from the wall start at 10^-13
RATE = 0.1
THRESHOLDS = (math.inf, 1.0, 0.1)
SHOWN = ((6.5, -3.2), (6.0, -3.0), (5.5, -2.5))  # starts; the paths from the first are drawn
SOLVED = 1e-3

_cell = rnnjac.cells.elman(0, 1, "sigmoid", form="preactivation")


def error(point: jax.Array) -> tuple[jax.Array, jax.Array]:
    """E at ``point`` = (w, b), and the states x_0, ..., x_50."""
    kind = point.dtype
    params = {"W_x": jnp.zeros((1, 0), kind), "W_s": point[0][None, None], "b": point[1][None]}
    start = jnp.full(1, START, kind)
    states = rnnjac.trajectory(_cell.step, params, start, length=STEPS)[:, 0]
    return jnp.square(activations.sigmoid(states[-1]) - TARGET), states


def _slopes(point: jax.Array) -> dict[str, jax.Array]:
    value, pull, states = jax.vjp(error, point, has_aux=True)
    last, pull_last = jax.vjp(lambda p: error(p)[1][-1], point)
    one = jnp.ones((), point.dtype)
    drift = jnp.max(jnp.abs(states - START))
    return {
        "error": value,
        "gradient": pull(one)[0],
        "last": last,
        "last_gradient": pull_last(one)[0],
        "drift": drift,
    }


slopes = jax.jit(jax.vmap(_slopes))  # of rows (w, b)
values = jax.jit(jax.vmap(jax.value_and_grad(error, has_aux=True)))


def wall(weight: Any) -> Any:
    """Bias on the wall at a weight."""
    return START - LEVEL * weight


def geometric(weight: Any) -> Any:
    """dx_50/db on the wall: 1 + m + ... + m^49."""
    m = SLOPE * weight
    return (m**STEPS - 1) / (m - 1)


def steepness(weight: Any) -> Any:
    """|grad E| on the wall, over (w, b)."""
    return 2 * (TARGET - LEVEL) * SLOPE * geometric(weight) * math.hypot(1, LEVEL)


def on_the_wall(weights: tuple[float, ...] = WEIGHTS) -> dict[str, np.ndarray]:
    """Autodiff on the wall: at floats (w, b) next to the wanted ones that keep x at 1/2 exactly.

    Rounding takes x off an unstable fixed point by m^t ulp, 1e-8 after 50 steps at w = 6, and the
    derivative with it. Which pair of floats has w sigma(1/2) + b = 1/2 once rounded depends on how
    the compiler evaluates it (fused or not), so pairs around the wanted one are run, all in one
    program, and the nearest that never leaves 1/2 is taken; it is a few ulp away.
    """
    rows = [_nearest(slopes, weight) for weight in weights]
    return {f"wall_{name}": np.array([row[name] for row in rows]) for name in rows[0]}


def _nearest(run: Any, weight: float) -> dict[str, np.ndarray]:
    kind = jnp.zeros(()).dtype.type
    middle = kind(weight)
    w = middle + np.arange(-NEIGHBOURS, NEIGHBOURS + 1).astype(kind) * np.spacing(middle)
    b = (START - LEVEL * w.astype(np.float64)).astype(kind)
    near = [b + shift * np.spacing(b) for shift in (-1, 0, 1)]
    points = np.stack([np.tile(w, 3), np.concatenate(near)], axis=1).astype(kind)
    found = jax.device_get(run(points))
    on = np.flatnonzero(found["drift"] == 0)
    if not on.size:
        raise ValueError(f"no float near w = {weight} keeps the state at 1/2")
    best = on[np.argmin(np.abs(points[on, 0] - weight))]
    plain = points.shape[0] // 2  # the wanted pair, rounded
    away = float(np.abs(points[best].astype(np.float64) - (weight, wall(weight))).max())
    return {
        **{name: value[best] for name, value in found.items()},
        "point": points[best],
        "away": np.array(away),
        "rounded_drift": found["drift"][plain],
        "rounded_gradient": found["last_gradient"][plain],
    }


def surface(points: int) -> dict[str, np.ndarray]:
    """E and |grad E| on the grid of the figures, rows b, columns w."""
    w, b = np.linspace(3.5, 7, points), np.linspace(-4.5, -1.0, points)
    value, slope = _grid(w, b)
    return {"grid_w": w, "grid_b": b, "grid_error": value, "grid_slope": slope}


def close_up(points: int) -> dict[str, np.ndarray]:
    """|grad E| over the weight and the distance in b from the wall, below and above it."""
    kind = jnp.zeros(()).dtype
    w = np.linspace(3.5, 7, points).astype(kind)
    distance = np.logspace(-NEAREST, 0, points // 2)
    b = wall(w.astype(np.float64)) + np.stack([-distance, distance])[..., None]
    rows = np.stack([np.broadcast_to(w, b.shape), b], axis=-1).astype(kind)
    _, slope = values(rows.reshape(-1, 2))
    slope = np.hypot(*np.asarray(slope).T).reshape(b.shape)
    return {"close_distance": distance, "close_slope": slope}


def reference_grid() -> np.ndarray:
    """Median and maximum of |grad E| on the grid that the published figures are from."""
    ends_w, ends_b, points = REFERENCE
    slope = _grid(np.linspace(*ends_w, points), np.linspace(*ends_b, points))[1]
    return np.array([np.median(slope), slope.max()])


def _grid(w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points = np.stack(np.meshgrid(w, b), axis=-1).astype(jnp.zeros(()).dtype)
    (value, _), slope = jax.device_get(values(points.reshape(-1, 2)))
    return value.reshape(points.shape[:2]), np.hypot(*slope.T).reshape(points.shape[:2])


def beside_the_wall() -> np.ndarray:
    """E at a distance below and above the wall; shape (weights, 2)."""
    points = [(w, wall(w) + side * BESIDE) for w in WEIGHTS for side in (-1, 1)]
    (value, _), _ = values(jnp.array(points))
    return np.asarray(value).reshape(-1, 2)


def profiles(at: np.ndarray, decades: int = 15, each: int = 12) -> dict[str, np.ndarray]:
    """|dE/db| at distances in b from the points ``at`` on the wall, below and above it."""
    distance = np.logspace(-decades, -1, (decades - 1) * each + 1)
    signed = np.stack([-distance, distance])
    b = at[:, 1, None, None] + signed.astype(at.dtype)
    w = np.broadcast_to(at[:, 0, None, None], b.shape)
    _, slope = values(np.stack([w, b], axis=-1).reshape(-1, 2))
    slope = np.abs(np.asarray(slope)[:, 1]).reshape(b.shape)
    moved = b - at[:, 1, None, None]  # what is left of the distance after rounding
    return {"profile_distance": np.abs(moved), "profile_slope": slope}


def descend(updates: int) -> dict[str, np.ndarray]:
    """Descent from each start that is drawn; axes threshold, start, update."""
    points, rate = np.array(SHOWN, jnp.zeros(()).dtype), jnp.array(RATE)
    every = [jax.device_get(_descent(limit, updates)(points, rate)[1]) for limit in THRESHOLDS]
    names = ("path", "path_error", "path_slope")
    return {name: np.stack([run[i] for run in every]) for i, name in enumerate(names)}


def succeed(side: int, updates: int, rates: int) -> dict[str, np.ndarray]:
    """Error that descent from a grid of starts ends with; axes threshold, step size, start."""
    points = starts(side)
    sizes = np.logspace(-2.5, 0, rates).astype(points.dtype)
    sizes[np.argmin(np.abs(np.log(sizes / RATE)))] = RATE
    every = []
    for limit in THRESHOLDS:
        run = _descent(limit, updates)
        ends = jax.jit(jax.vmap(lambda rate, run=run: run(points, rate)[0]))
        every.append(np.asarray(ends(sizes)))
    return {"rates": sizes, "ends": np.stack(every)}


def _descent(threshold: float, updates: int) -> Any:
    """``run(starts, rate)``: the errors at the end, and points, errors, slopes on the way."""
    clip = optax.identity() if math.isinf(threshold) else clipping.clip_at_threshold(threshold)

    def update(carry, _, rule):
        point, memory = carry
        (value, _), gradient = jax.value_and_grad(error, has_aux=True)(point)
        change, memory = rule.update(gradient, memory, point)
        seen = (point, value, jnp.sqrt(jnp.sum(jnp.square(gradient))))
        return (optax.apply_updates(point, change), memory), seen

    def run(point, rate):
        rule = optax.chain(clip, optax.sgd(rate))
        steps = functools.partial(update, rule=rule)
        last, seen = jax.lax.scan(steps, (point, rule.init(point)), None, length=updates)
        return error(last[0])[0], seen

    return jax.jit(jax.vmap(run, in_axes=(0, None)))


def starts(side: int) -> np.ndarray:
    """A grid of side^2 starts above the wall."""
    w, up = np.linspace(4.5, 6.5, side), np.linspace(0.1, 0.8, side)
    return np.array([(a, wall(a) + c) for a in w for c in up], jnp.zeros(()).dtype)


def descent_facts(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """How many starts came to a small error: at the step size drawn, and at the best one."""
    solved = (arrays["ends"] < SOLVED).sum(axis=-1)  # NaN is not
    at = int(np.argmin(np.abs(np.log(arrays["rates"] / RATE))))
    best = solved.argmax(axis=1)
    return {
        "descent_starts": arrays["ends"].shape[-1],
        "descent_solved": [int(n) for n in solved[:, at]],
        "descent_best": [int(n) for n in solved.max(axis=1)],
        "descent_best_rate": [float(arrays["rates"][k]) for k in best],
        "descent_largest_slope": [float(v) for v in np.nanmax(arrays["path_slope"], axis=(1, 2))],
    }
