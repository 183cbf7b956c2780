"""A tanh network learns to read handwritten digits pixel by pixel: its gradients before and after.

Three starts that differ in one number only, the gain of an orthogonal recurrent matrix, are trained
by the same recipe. At every stop: spectra of the Jacobian products, the gradient of the true loss
at every lag, the slopes of tanh, and how well the network does.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from analyses.common import digits, record
from analyses.trained_digits import measure
from rnnjac import initializers
from rnnjac._support.progress import progress_bar

SEED = 0
GAINS = (0.3, 1.0, 3.0)


class Settings(NamedTuple):
    """How much work is done."""

    recipe: digits.Recipe
    intervals: int  # between measurements during training
    seeds: int  # of the weights and the batches
    sequences: int  # test images with full spectra
    images: int  # test images with gradients and slopes
    stride: int  # pixels from row to row of the reach map


PRESETS = {
    "quick": Settings(digits.Recipe(64, 1_500), 10, 1, 6, 128, 2),
    "standard": Settings(digits.Recipe(64, 4_000), 20, 3, 8, 359, 1),
    "paper": Settings(digits.Recipe(128, 10_000), 40, 5, 16, 359, 1),
}


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train every start with every seed and measure at every stop, in float64."""
    jax.config.update("jax_enable_x64", True)
    train, test = digits.load(SEED)
    recipe = settings.recipe
    stops = [round(recipe.updates * i / settings.intervals) for i in range(settings.intervals + 1)]
    # one cell for all starts, since compiled code is kept for each step function
    cell, _ = digits.network(recipe.hidden, initializers.orthogonal(), jax.random.key(SEED))
    learn = digits.trainer(cell.step, train, recipe)
    look = measure.measurement(cell.step, test, settings.sequences, settings.images)
    reach_map = measure.reach_map(cell.step, test.images[0], settings.stride)
    runs, ends = [], []
    total = len(GAINS) * (settings.seeds * len(stops) + 2)
    with progress_bar(total=total, unit="stop") as bar:
        for gain in GAINS:
            for seed in range(settings.seeds):
                bar.set_postfix_str(f"gain {gain}, seed {seed}")
                key_init, key_train = jax.random.split(jax.random.key(seed + 1))
                draw_weights = initializers.orthogonal(gain)
                _, params = digits.network(recipe.hidden, draw_weights, key_init)
                run = []
                for at in learn(params, stops, key_train):
                    run.append((jax.device_get(look(at.params)), at))
                    bar.update()
                runs.append(run)
                if seed == 0:
                    ends.append((run[0][1].params, run[-1][1].params))
        bar.set_postfix_str("reach maps")
        maps = []
        for pair in ends:
            for params in pair:
                maps.append(reach_map(params["cell"]))
                bar.update()
    arrays = _gather(runs, settings, stops)
    arrays["reach"] = np.array(maps).reshape(len(GAINS), 2, *maps[0].shape)
    for name, value in arrays.items():
        if name not in ("reach", "spectra", "gradients"):
            record.require_finite(name, value)
    terms = digits.weight_terms(cell.step, ends[1][1], test.images[0], test.labels[0])
    arrays["weight_terms"] = terms.pop("norms")
    facts = recipe._asdict() | {"tested": test.labels.size, "near_one": measure.NEAR_ONE}
    return arrays, facts | {f"terms_{name}": value for name, value in terms.items()}


def _gather(runs: list, settings: Settings, stops: list[int]) -> dict[str, np.ndarray]:
    """Arrays with leading axes (gain, seed, stop), losses and norms (gain, seed, update)."""

    def shape(rows: list) -> np.ndarray:
        rows = np.array(rows)
        return rows.reshape(len(GAINS), settings.seeds, *rows.shape[1:])

    names = runs[0][0][0]
    arrays = {name: shape([[stop[0][name] for stop in run] for run in runs]) for name in names}
    arrays["errors"] = arrays["errors"].max((-3, -2, -1))
    arrays["losses"] = shape([np.concatenate([stop[1].losses for stop in run]) for run in runs])
    arrays["clipped"] = shape([np.concatenate([stop[1].norms for stop in run]) for run in runs])
    return {
        **arrays,
        "stops": np.array(stops),
        "gains": np.array(GAINS),
        "times": np.array(measure.TIMES),
    }
