"""Clipping and Ω on real text: networks that predict the Python documentation, letter by letter.

The comparison of Pascanu, Mikolov and Bengio (2013), table 1, in kind: characters one and five
steps ahead, gradient descent as it is, clipped (C), clipped and with Ω (CR).
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from analyses.char_text import data, measure, training
from analyses.char_text.training import AHEAD, METHODS, Recipe
from analyses.common import record
from rnnjac._support.progress import progress_bar

SEED = 0


class Settings(NamedTuple):
    """How much work is done."""

    recipe: Recipe
    sequences: int  # that gradients are averaged over
    lags: int
    probe: int  # characters that the spectra are along
    folder: Path | None  # of the checkpoints


def _folder(preset: str) -> Path:
    return record.ROOT / "build" / preset / "char_text"


PRESETS = {
    "quick": Settings(Recipe(64, 50, 16, 400, 40, 2, (0.5, 2.0), (2.0, 8.0)), 64, 100, 50, None),
    "standard": Settings(
        Recipe(100, 100, 16, 3_000, 200, 2, (0.5, 2.0, 5.0), (2.0, 8.0)),
        *(256, 200, 100),
        _folder("standard"),
    ),
    "paper": Settings(
        Recipe(500, 200, 20, 200_000, 5_000, 1, (0.2, 2.0, 10.0), (0.2, 2.0, 10.0)),
        *(1_000, 400, 200),
        _folder("paper"),
    ),
}


class Run(NamedTuple):
    """One training of all seeds."""

    method: int
    ahead: int
    rate: float


def runs(recipe: Recipe) -> list[Run]:
    """Everything that is trained."""
    return [
        Run(m, ahead, rate)
        for ahead in AHEAD
        for m, method in enumerate(METHODS)
        for rate in recipe.rates(method)
    ]


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All networks in turn, in JAX's default precision."""
    text = data.load()
    size = len(text.alphabet) + 1
    every, found = runs(settings.recipe), []
    bar = progress_bar(every, unit="run")
    for run in bar:
        bar.set_postfix_str(f"{METHODS[run.method].name}, {run.ahead} ahead, step {run.rate:g}")
        found.append(_train(run, settings, text.train, size))
    best = choose(every, found)
    kinds = {m.kind: measure.tools(m.kind, size, settings.recipe.hidden) for m in METHODS}
    arrays = {
        **_histories(found),
        **_bits(every, found, text, kinds),
        **_flows(settings, found, best, text, kinds),
    }
    for name in ("held_out", "seen"):
        record.require_finite(name, arrays[name][list(best.values())])
    return arrays, _facts(settings, every, best, text)


def _train(run: Run, settings: Settings, rows: np.ndarray, size: int) -> Any:
    method = METHODS[run.method]
    name = f"{method.name}_{run.ahead}_{run.rate:g}.npz".replace(", ", "_").replace(" + ", "_")
    # one key: every method meets the same starts and the same sequences
    key = jax.random.fold_in(jax.random.key(SEED), run.ahead)
    checkpoint = settings.folder and settings.folder / name
    return training.train(method, run.ahead, run.rate, settings.recipe, rows, size, key, checkpoint)


def choose(every: list[Run], found: list[Any]) -> dict[tuple[int, int], int]:
    """The run with the least training loss at the end, for each (method, ahead)."""
    last = [float(np.mean(one.metrics["loss"][:, -1])) for one in found]
    last = [np.inf if np.isnan(value) else value for value in last]
    best = {}
    for ahead in AHEAD:
        for m in range(len(METHODS)):
            mine = [i for i, run in enumerate(every) if (run.method, run.ahead) == (m, ahead)]
            best[m, ahead] = min(mine, key=last.__getitem__)
    return best


def _histories(found: list[Any]) -> dict[str, np.ndarray]:
    """Axes run, seed, look; NaN after the end of a run of which all seeds diverged."""
    updates = longest(found)

    def filled(rows: np.ndarray) -> np.ndarray:
        space = [(0, 0), (0, updates.size - rows.shape[1])]
        return np.pad(rows, space, constant_values=np.nan)

    names = {"loss": "loss", "gradient_norm": "norm", "largest_norm": "largest"}
    arrays = {
        new: np.stack([filled(one.metrics[old]) for one in found]) for old, new in names.items()
    }
    arrays["loss"] /= np.log(2)
    arrays["updates"] = updates
    arrays["diverged"] = np.stack([one.diverged for one in found])
    return arrays


def longest(found: list[Any]) -> np.ndarray:
    """Updates made at every look of the run that went furthest."""
    return max((one.at for one in found), key=len)


def _bits(
    every: list[Run], found: list[Any], text: data.Text, kinds: dict[str, measure.Tools]
) -> dict[str, np.ndarray]:
    """Bits per character of every run and seed at the end, axes run, seed."""
    shorter = text.train[:, : text.held_out.shape[1]]
    bits = np.zeros((2, len(every), found[0].diverged.size))
    for i, run in enumerate(progress_bar(every, unit="run", desc="bits")):
        use = kinds[METHODS[run.method].kind]
        for seed in range(bits.shape[-1]):
            params = training.weights(found[i], seed, -1)
            for j, rows in enumerate((text.held_out, shorter)):
                bits[j, i, seed] = use.bits(params, rows, run.ahead)
    return {"held_out": bits[0], "seen": bits[1]}


def _flows(
    settings: Settings,
    found: list[Any],
    best: dict[tuple[int, int], int],
    text: data.Text,
    kinds: dict[str, measure.Tools],
) -> dict[str, np.ndarray]:
    """Gradients and spectra of the best runs, before, midway and after.

    Axes method, ahead, time of looking, seed, then lag or index.
    """
    most = max(AHEAD)
    cuts = measure.pieces(text.held_out, settings.sequences, settings.lags + most)
    probe = text.held_out[0, : settings.probe]
    at_looks = longest(found)
    seeds, looks = settings.recipe.seeds, stops(at_looks)
    shape = (len(METHODS), len(AHEAD), len(looks), seeds)
    lags = np.zeros((*shape, settings.lags + 1))
    radius = np.full(shape, np.nan)
    spectra: dict[str, dict] = {kind: {} for kind in kinds}
    for at in progress_bar(list(np.ndindex(*shape)), unit="network", desc="gradients"):
        m, a, look, seed = at
        method = METHODS[m]
        use, run = kinds[method.kind], found[best[m, AHEAD[a]]]
        params = training.weights(run, seed, min(looks[look], run.at.size - 1))
        lags[at] = np.mean(use.lags(params, cuts, AHEAD[a]), axis=0)
        radius[at] = use.radius(params)
        spectra[method.kind][at] = np.asarray(use.spectrum(params, probe))
    arrays = {"lags": lags, "radius": radius, "looks": at_looks[looks]}
    for kind, rows in spectra.items():
        full = np.full((*shape, len(next(iter(rows.values())))), np.nan)
        for at, row in rows.items():
            full[at] = row
        arrays[f"spectrum_{kind}"] = full / settings.probe
    return arrays


def stops(at: np.ndarray) -> list[int]:
    """Looks before, midway and after training."""
    return sorted({0, len(at) // 2, len(at) - 1})


def _facts(
    settings: Settings, every: list[Run], best: dict[tuple[int, int], int], text: data.Text
) -> dict[str, Any]:
    return {
        "text": text.facts,
        "alphabet": len(text.alphabet) + 1,
        "train_characters": text.train.size,
        "held_out_characters": text.held_out.size,
        "recipe": settings.recipe._asdict(),
        "sequences": settings.sequences,
        "probe": settings.probe,
        "runs": [run._asdict() for run in every],
        "best": [[best[m, a] for a in AHEAD] for m in range(len(METHODS))],
        "alone": [data.baseline(text, a, False) for a in AHEAD],
        "one_before": [data.baseline(text, a, True) for a in AHEAD],
    }
