"""Does gradient flossing bring the exponents to 0, and gradients and learning with them?

Networks that start contracting or chaotic are flossed: a few leading Lyapunov exponents are driven
to 0 by gradient descent on the weights. Then all learn a task with a long lag, flossed or not.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from analyses.common import record, resume
from analyses.flossing_effect import networks, training
from rnnjac._support.progress import progress_bar

SEED = 0
FOLDER = record.ROOT / "build"
Effort, Stage, Start = networks.Effort, networks.Stage, networks.Start
Recipe = training.Recipe


class Settings(NamedTuple):
    """How much work is done."""

    starts: tuple[tuple[Start, tuple[Stage, ...]], ...]
    seeds: int
    effort: Effort
    recipe: Recipe
    folder: Path | None = None  # of the checkpoints


# In chaos the gradient of a penalty grows with the steps it goes through, and so does its noise:
# few steps and many trajectories, until the leading exponents are small.
FEW = Stage(top=8, steps=5, warmup=2, batch=32, updates=3000, rate=0.01)
SOME = Stage(top=8, steps=12, warmup=6, batch=16, updates=600, rate=3e-3)
MORE = Stage(top=8, steps=30, warmup=15, batch=4, updates=600, rate=5e-3)
LAST = Stage(top=8, steps=60, warmup=30, batch=4, updates=300, rate=2e-3)
STARTS = (
    (Start("contracting", 0.6, 0.5), (MORE, LAST)),
    (Start("chaotic", 3.2, 0.5), (FEW, SOME, LAST)),
)
# The settings that Engelken (2023) gives: 75 exponents of 80 units, over 55 steps less the first 16
ALL = Stage(top=75, steps=55, warmup=16, batch=16, updates=500, rate=1e-3, run_in=0)
BETWEEN = MORE._replace(updates=100, rate=1e-3)

PRESETS = {
    "quick": Settings(
        STARTS,
        2,
        Effort(units=32, top=8, steps=1000, span=100, gradients=32),
        Recipe((5, 10), 8, 1800, 150, (600, 1200), BETWEEN),
    ),
    "standard": Settings(
        STARTS,
        10,
        Effort(units=32, top=8, steps=3000, span=200, gradients=64),
        Recipe((5, 10, 15), 8, 6000, 250, (2000, 4000), BETWEEN),
        FOLDER / "standard" / "flossing_effect",
    ),
    "paper": Settings(
        (
            (Start("gain 1", 1.0, 1.0), (ALL,)),
            (Start("contracting", 0.6, 1.0), (ALL,)),
        ),
        10,
        Effort(units=80, top=75, steps=3000, span=200, gradients=64),
        Recipe((10,), 30, 3000, 100, (100, 200), ALL, rate=1e-3, clip=0.03),
        FOLDER / "paper" / "flossing_effect",
    ),
}


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Floss, train and measure, in float64."""
    jax.config.update("jax_enable_x64", True)
    return measure(settings)


def measure(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Floss, train and measure, in the default precision.

    Arrays: "floss_*" have axes (start, seed, before or after, ...) and "track_<start>" (seed,
    updates / 100 + 1, top); "task_*" have axes (delay, start, condition, seed, ...).
    """
    key_start, key_task = jax.random.split(jax.random.key(SEED))
    tasks = len(settings.recipe.delays)
    total = tasks * settings.recipe.updates + settings.seeds * sum(
        stage.updates for _, stages in settings.starts for stage in stages
    )
    with progress_bar(total=total, unit="update") as bar:
        arrays, before, after = _flossed(settings, key_start, bar)
        # condition is the axis after the start
        kinds = (before, after, after)
        cells = jax.tree.map(lambda *a: jnp.stack(a, 1), *kinds)
        found = []
        for delay in settings.recipe.delays:
            key = jax.random.fold_in(key_task, delay)
            path = settings.folder and settings.folder / f"delay_{delay}.npz"
            args = (cells, delay, settings.recipe, settings.effort, key, bar, path)
            found.append(training.train(*args))
    for name in found[0]:
        arrays[f"task_{name}"] = np.stack([row[name] for row in found])
    arrays["task_delays"] = np.array(settings.recipe.delays)
    arrays["task_updates"] = np.arange(arrays["task_errors"].shape[-1]) * settings.recipe.every
    arrays["task_breaks"] = np.array(settings.recipe.breaks)
    for name in ("floss_exponents", "floss_norms", "task_losses", "task_leading"):
        record.require_finite(name, arrays[name])
    return arrays, _facts(settings)


def _flossed(settings: Settings, key: jax.Array, bar: tqdm) -> tuple[dict, Any, Any]:
    """Measurements, and the weights before and after with axes (start, seed)."""
    arrays, weights, rows = {}, [], []
    for number, (start, stages) in enumerate(settings.starts):
        tracks = []
        for seed in range(settings.seeds):
            bar.set_postfix_str(f"flossing, {start.name}")
            own = jax.random.fold_in(jax.random.fold_in(key, number), seed)
            path = settings.folder and settings.folder / f"{start.name}_{seed}.npz"
            pair, track, looks = _one(start, stages, settings.effort, own, path)
            tracks.append(track)
            weights.append(pair)
            rows.append(looks)
            bar.update(sum(stage.updates for stage in stages))
        arrays[f"track_{start.name}"] = np.array(tracks)
    shape = (len(settings.starts), settings.seeds)

    def shaped(*leaves: Any) -> Any:
        return jnp.stack(leaves).reshape(*shape, *leaves[0].shape)

    before, after = (jax.tree.map(shaped, *(pair[i] for pair in weights)) for i in range(2))
    for name in rows[0][0]:
        values = np.array([[look[name] for look in looks] for looks in rows])
        arrays[f"floss_{name}"] = values.reshape(*shape, 2, *values.shape[2:])
    return arrays, before, after


def _one(
    start: Start, stages: tuple[Stage, ...], effort: Effort, key: jax.Array, path: Path | None
) -> tuple[tuple[Any, Any], np.ndarray, list[dict]]:
    """Weights before and after, the track of the exponents, what they look like at both ends."""
    key_start, key_floss = jax.random.split(key)
    before = networks.begin(start, effort.units, key_start)
    settings = start, stages, effort, jax.random.key_data(key).tolist(), jax.__version__
    facts = repr((*settings, resume.code("flossing_effect")))
    if path is not None and path.exists():
        kept, meta = record.load(path)
        if meta["facts"] == facts:
            track = kept.pop("track")
            after = {name: jnp.asarray(value) for name, value in kept.items()}
            return (before, after), track, [networks.look(p, effort) for p in (before, after)]
    after, track = networks.floss_all(before, stages, effort, key_floss)
    if path is not None:
        record.save(path, {**after, "track": track}, {"facts": facts})
    return (before, after), track, [networks.look(p, effort) for p in (before, after)]


def _facts(settings: Settings) -> dict[str, Any]:
    recipe, effort = settings.recipe, settings.effort
    return {
        "starts": [start._asdict() for start, _ in settings.starts],
        "stages": [[stage._asdict() for stage in stages] for _, stages in settings.starts],
        "between": recipe.stage._asdict(),
        "seeds": settings.seeds,
        "units": effort.units,
        "top": effort.top,
        "steps": effort.steps,
        "span": effort.span,
        "gradients": effort.gradients,
        "stretch": recipe.stretch,
        "updates": recipe.updates,
        "batch": recipe.batch,
        "rate": recipe.rate,
        "clip": recipe.clip,
        "tested": recipe.tested,
        "piece": networks.PIECE,
    }
