"""Do learned forget gates decide when a gradient vanishes? LSTMs on two tasks, before and after.

The temporal order task has two steps that matter and many that do not; handwritten digits have ink
and blank pixels. What do the gates do there, what becomes of the gradient there, and does the task
need it: is it still done when each unit's gate is held at its own mean, or learned when the gate
can never move?
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from analyses.common import record
from analyses.gates_learn import summary, training
from rnnjac._support.progress import progress_bar

SEED = 0


class Settings(NamedTuple):
    """How much work is done."""

    length: int  # of the sequences of the temporal order task
    tested: int  # sequences of it that are looked at
    seeds: int  # of the weights and the batches
    sequences: int  # with full spectra
    order: training.Recipe
    digits: training.Recipe


Recipe = training.Recipe
PRESETS = {
    "quick": Settings(30, 300, 4, 4, Recipe(32, 500, 32, 5e-3), Recipe(32, 600, 32, 5e-3)),
    "standard": Settings(
        100, 1_000, 5, 16, Recipe(32, 4_000, 32, 3e-3), Recipe(32, 3_000, 64, 3e-3)
    ),
    "paper": Settings(
        100, 4_000, 10, 32, Recipe(64, 20_000, 64, 2e-3), Recipe(64, 10_000, 64, 2e-3)
    ),
}


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train on both tasks and measure before and after; in JAX's default precision.

    Arrays named order_* and digits_* have leading axes (kind, seed, before or after), the losses
    (kind, seed, update).
    """
    keys = jax.random.split(jax.random.key(SEED), 3)
    order = training.temporal_order(settings.length, settings.tested, keys[0])
    watch = summary.markers(settings.length, settings.sequences)
    total = settings.order.updates + settings.digits.updates + 2 * 4 * settings.seeds
    with progress_bar(total=total, unit="update") as bar:
        one = _task(order, settings.order, settings.seeds, keys[1], watch, bar)
        reader = training.digit_reader(SEED)
        two = _task(reader, settings.digits, settings.seeds, keys[2], summary.ink, bar)
    arrays = {f"order_{name}": value for name, value in one.items()}
    arrays |= {f"digits_{name}": value for name, value in two.items()}
    for name, value in arrays.items():
        # averages are NaN where no sequence reaches, singular values may be lost
        if name.endswith(("losses", "errors", "frozen", "contrast")):
            record.require_finite(name, value)
    arrays |= summary.axes(settings.length)
    return arrays, {
        "length": settings.length,
        "seeds": settings.seeds,
        "order": settings.order._asdict(),
        "digits": settings.digits._asdict(),
    }


def _task(
    problem: training.Problem,
    recipe: training.Recipe,
    seeds: int,
    key: jax.Array,
    summarise: Callable,
    bar: tqdm,
) -> dict[str, np.ndarray]:
    """Train with every seed, with gates of both kinds, and measure every network twice."""
    cell, *weights, losses = training.train(problem, recipe, seeds, key, bar)
    measure = summary.measurement(cell, problem)
    rows = []
    for kind, seed, when in np.ndindex(2, seeds, 2):
        bar.set_postfix_str(f"{problem.name}, measuring")
        params = jax.tree.map(lambda a, at=(kind, seed): a[at], weights[when])
        rows.append(summarise(cell, params, problem, jax.device_get(measure(params))))
        bar.update()
    gathered = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    shaped = {name: v.reshape(2, seeds, 2, *v.shape[1:]) for name, v in gathered.items()}
    return {**shaped, "losses": losses}
