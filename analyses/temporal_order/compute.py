"""How long a lag do plain gradient descent, clipping and Ω learn, and what do their gradients do?

The temporal order task of Pascanu, Mikolov and Bengio (2013), with their networks, starts and
settings: claims S9, S10 and S28, and what the networks that solve it make of longer sequences.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from analyses.common import record
from analyses.temporal_order import measure, networks, training
from analyses.temporal_order.measure import Effort
from analyses.temporal_order.training import CLIPPED, METHODS, PLAIN, Recipe

SEED = 0
CHECKPOINTS = record.ROOT / "build"


class Sweep(NamedTuple):
    """Step sizes tried at the first length, from the basic tanh start, without Ω."""

    rates: tuple[float, ...]
    thresholds: tuple[float, ...]  # of clipping; without it, too
    seeds: int
    updates: int
    every: int


class Settings(NamedTuple):
    """How much work is done."""

    lengths: tuple[tuple[int, int, int], ...]  # (steps, updates, updates between two looks)
    starts: tuple[str, ...]
    seeds: int
    effort: Effort
    sweep: Sweep
    folder: Path | None  # of the checkpoints
    recipe: Recipe = Recipe()


STARTS = tuple(networks.STARTS)
THRESHOLDS = (6.0, 1.0)
PRESETS = {
    "quick": Settings(
        *(((20, 3_000, 250),), STARTS[1:], 5, Effort(10_000, 16, 2)),
        *(Sweep((0.1,), THRESHOLDS[:1], 10, 2_000, 250), None),
    ),
    "standard": Settings(
        ((20, 10_000, 500), (30, 10_000, 500), (50, 20_000, 500)),
        *(STARTS, 5, Effort(10_000, 64, 4)),
        Sweep((0.01, 0.03, 0.1, 0.3), THRESHOLDS, 10, 5_000, 500),
        CHECKPOINTS / "standard" / "temporal_order",
    ),
    "paper": Settings(
        tuple((length, 5_000_000, 2_000) for length in (50, 100, 150, 200)),
        *(STARTS, 5, Effort(10_000, 64, 16)),
        Sweep((0.003, 0.01, 0.03, 0.1, 0.3), THRESHOLDS, 20, 100_000, 1_000),
        CHECKPOINTS / "paper" / "temporal_order",
    ),
}


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All cases in turn, in JAX's default precision."""
    arrays = _measured(settings)
    for name in ("reach_error", "history_error"):
        record.require_finite(name, arrays[name][..., 0])
    return arrays, settings.recipe._asdict() | {"tested": settings.effort.tested}


def _measured(settings: Settings) -> dict[str, Any]:
    """Arrays with leading axes (length, start, method, seed), those named start_* no method.

    What has one entry for each step or look is filled up with NaN.
    """
    shape = (len(settings.lengths), len(settings.starts), len(METHODS))
    longest = max(length for length, _, _ in settings.lengths)
    rows = max(updates // every for _, updates, every in settings.lengths) + 1
    first = {
        start: training.starts(start, settings.recipe, _key(), settings.seeds)
        for start in settings.starts
    }
    begun, ended = [], []
    for length, updates, every in settings.lengths:
        for start in settings.starts:
            look = (
                *(networks.STARTS[start].activation, settings.recipe.hidden),
                *(length, settings.effort, longest),
            )
            begun.append(measure.before(first[start], *look))
            for method in range(shape[2]):
                case = training.Case(start, method, length, updates, every)
                run = _train(case, settings, settings.recipe, settings.seeds)
                done = run.solved >= 0
                ended.append(
                    {
                        "solved": run.solved,
                        "diverged": run.diverged,
                        **_named("history", training.history(run, rows)),
                        **measure.after(run.params, done, *look),
                    }
                )
    arrays = training.stack(ended, shape)
    arrays |= _named("start", training.stack(begun, shape[:2]))
    arrays |= _named("sweep", _sweep(settings))
    return arrays | {
        "lengths": np.array([length for length, _, _ in settings.lengths]),
        "updates": np.array([updates for _, updates, _ in settings.lengths]),
        "every": np.array([every for _, _, every in settings.lengths]),
        "multiples": np.array(measure.MULTIPLES),
        "starts": np.array(settings.starts),
        "rates": np.array(settings.sweep.rates),
        "rate": np.array(settings.recipe.rate),
        "thresholds": np.array(settings.sweep.thresholds),
    }


def _train(case: training.Case, settings: Settings, recipe: Recipe, seeds: int) -> Any:
    what = f"{case.start}, {case.length} steps, {METHODS[case.method]}"
    print(f"{what}, step size {recipe.rate:g}", file=sys.stderr, flush=True)
    name = f"{case.start} {case.length} {case.method} {recipe.rate:g} {recipe.clip:g} {seeds}.npz"
    return training.train(
        case,
        recipe,
        key=_key(),
        seeds=seeds,
        tested=settings.effort.tested,
        watched=settings.effort.watched,
        checkpoint=settings.folder and settings.folder / name.replace(" ", "_"),
    )


def _sweep(settings: Settings) -> dict[str, np.ndarray]:
    """Updates until solved, (rate, none or one of the thresholds, seed)."""
    sweep, length = settings.sweep, settings.lengths[0][0]
    found = []
    for rate in sweep.rates:
        for threshold in (None, *sweep.thresholds):
            method = PLAIN if threshold is None else CLIPPED
            case = training.Case(networks.BASIC, method, length, sweep.updates, sweep.every)
            recipe = settings.recipe._replace(rate=rate, clip=threshold or 0.0)
            run = _train(case, settings, recipe, sweep.seeds)
            found.append({"solved": run.solved, "diverged": run.diverged})
    return training.stack(found, (len(sweep.rates), 1 + len(sweep.thresholds)))


def _named(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{prefix}_{name}": value for name, value in arrays.items()}


def _key() -> jax.Array:
    """One key for all: every method and length has the same starts."""
    return jax.random.key(SEED)
