"""What is kept of the gates and gradients of one network: averages around the steps that matter."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from analyses.gates_learn import training
from analyses.gates_learn.measure import (
    after_marker,
    aligned,
    along,
    contrast,
    growth,
    mean_and_error,
    near_markers,
)

FEW = 5
INK = 0.5  # a pixel at least that dark is ink; blank ones are 0
KEPT = np.log(0.1)  # a direction that keeps more than a tenth of its length is kept

measurement = along


def axes(length: int) -> dict[str, np.ndarray]:
    """Where averages are taken, in steps; nothing reaches past the end of any sequence.

    "offsets" around each marker, the other one never among them; "ahead" and "span" count from the
    state that has just read the first marker.
    """
    tenth = length // 10
    last = length - 2 * tenth  # the marker stands at 2 tenth - 1 at the latest
    return {
        "offsets": np.arange(-2 * tenth, 2 * tenth + 1),
        "ahead": np.unique(np.linspace(1, last, 8).astype(int)),
        "span": np.arange(-tenth, last + 1),
    }


def markers(length: int, sequences: int) -> Callable[..., dict[str, Any]]:
    """Summary of a network for the temporal order task; spectra along the first ``sequences``."""
    where = axes(length)
    ahead = tuple(where["ahead"].tolist())
    compiled = None  # for the one cell there is

    def spectra(cell: Any, params: Any, test: training.Batch) -> tuple[np.ndarray, np.ndarray]:
        nonlocal compiled
        if compiled is None:
            one = lambda p, x, at: after_marker(cell, p, x, at, ahead)  # noqa: E731
            compiled = jax.jit(jax.vmap(one, (None, 0, 0)))
        found = compiled(params, test.inputs[:sequences], test.positions[:sequences, 0])
        return np.asarray(found[0]), np.asarray(found[1])

    def summarise(cell: Any, params: Any, problem: Any, found: Any) -> dict[str, Any]:
        positions = np.asarray(problem.test.positions)
        log_f, back = found["log_f"], growth(found["gradients"])
        marked, near = near_markers(positions, length)
        logs, errors = spectra(cell, params, problem.test)

        def around(values: np.ndarray) -> np.ndarray:
            return np.stack([aligned(values, p, where["offsets"]) for p in positions.T])

        swapped = found["swapped"][..., :2].mean(-1) - found["swapped"][..., 2:].mean(-1)
        return {
            **_common(found),
            "around_gates": around(log_f.mean(-1)),
            "around_units": around(log_f),
            "around_growth": around(back),
            "gradients": aligned(_relative(found), positions[:, 0] + 1, where["span"]),
            "contrast": mean_and_error(contrast(log_f.mean(-1), marked, near)),
            "unit_contrast": contrast(log_f, marked, near).mean(0),
            "growth_contrast": mean_and_error(contrast(back, marked, near)),
            "swapped": mean_and_error(swapped.mean(-1)),
            "spectra": np.median(logs, axis=0),
            "kept": (logs[:, -1] > KEPT).sum(-1).mean(),
            "spectra_error": errors[..., 0].max(),
        }

    return summarise


def ink(cell: Any, params: Any, problem: Any, found: Any) -> dict[str, Any]:
    """Summary of a digit reader: ink against blank, less what is common to a pixel's images."""
    grey = np.asarray(problem.test.inputs)[..., 0]
    dark, blank = grey >= INK, grey == 0
    log_f, back = found["log_f"], growth(found["gradients"])

    def beside(values: np.ndarray) -> np.ndarray:
        return contrast(values - values.mean(0), dark, blank)

    swapped = found["swapped"][..., 1] - found["swapped"][..., 0]
    return {
        **_common(found),
        "gates": log_f.mean((0, -1)),
        "dark_gates": _mean_where(log_f.mean(-1), dark),
        "blank_gates": _mean_where(log_f.mean(-1), blank),
        "growth": back.mean(0),
        "gradients": _relative(found).mean(0),
        "contrast": mean_and_error(beside(log_f.mean(-1))),
        "unit_contrast": beside(log_f).mean(0),
        "growth_contrast": mean_and_error(beside(back)),
        "swapped": mean_and_error(swapped.mean(-1)),
    }


def _common(found: dict[str, np.ndarray]) -> dict[str, Any]:
    # per unit: how far its gate moves from step to step, whatever moves it; exactly 0 if constant
    moves = (found["log_f"] - found["log_f"][:1, :1]).std((0, 1), dtype=float)
    return {
        "errors": found["errors"],
        "frozen": found["frozen"],
        "level": found["log_f"].mean(),
        "moves": moves.mean(),
    }


def _relative(found: dict[str, np.ndarray]) -> np.ndarray:
    return found["gradients"] - found["gradients"][:, -1:]


def _mean_where(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mean over the sequences chosen at each step; NaN where they are fewer than `FEW`."""
    hits = chosen.sum(0)
    return np.where(hits >= FEW, (values * chosen).sum(0) / np.maximum(hits, 1), np.nan)
