"""How steep is the cliff that descent of a recurrent unit falls off, and does clipping help?

The error surface of one unit over weight and bias (Pascanu et al. 2013, figure 6), the wall in it
in closed form and by automatic differentiation, descent with and without clipping, and the
bifurcations of its fixed points (figure 3).
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from analyses.cliff import folds, surface
from rnnjac._support.progress import progress_bar


class Settings(NamedTuple):
    """How much work is done."""

    points: int  # of the grid, along each side
    side: int  # starts of descents, along each side
    rates: int  # step sizes
    updates: int


PRESETS = {
    "quick": Settings(281, 15, 11, 1_000),
    "standard": Settings(561, 31, 21, 3_000),
    "paper": Settings(1121, 61, 31, 10_000),
}


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parts, in float64."""
    jax.config.update("jax_enable_x64", True)
    return measure(settings)


def measure(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parts, in the default precision; the fixed points always in float64."""
    arrays: dict[str, Any] = {}
    parts = {
        "wall": surface.on_the_wall,
        "surface": lambda: surface.surface(settings.points),
        "close-up": lambda: surface.close_up(settings.points),
        "beside": lambda: {"beside": surface.beside_the_wall()},
        "grid": lambda: {"reference_grid": surface.reference_grid()},
        "profiles": lambda: surface.profiles(_peaks(arrays)),
        "paths": lambda: surface.descend(settings.updates),
        "descent": lambda: surface.succeed(settings.side, settings.updates, settings.rates),
        "fixed points": _fixed_points,
    }
    progress = progress_bar(parts.items(), unit="part")
    for name, part in progress:
        progress.set_postfix_str(name)
        arrays |= part()
    return arrays, surface.descent_facts(arrays) | _accuracy(arrays)


def _accuracy(arrays: dict[str, Any]) -> dict[str, float]:
    """How far derivatives on the wall lie from the closed form, and floats from the wanted ones."""
    exact = surface.geometric(np.array(surface.WEIGHTS))

    def off(name: str) -> float:
        return float(np.abs(arrays[name][:, 1] / exact - 1).max())

    return {
        "wall_off": off("wall_last_gradient"),
        "rounded_off": off("wall_rounded_gradient"),
        "rounded_drift": float(arrays["wall_rounded_drift"].max()),
        "away": float(arrays["wall_away"].max()),
    }


def _peaks(arrays: dict[str, Any]) -> np.ndarray:
    rows = [surface.WEIGHTS.index(w) for w in surface.PROFILES]
    return arrays["wall_point"][rows]


def _fixed_points() -> dict[str, np.ndarray]:
    arrays = {}
    for name, unit in folds.UNITS.items():
        curve, turns = folds.continuation(name)
        slopes = [folds.WEIGHT * unit.slope(x) for x in curve[:, 0]]
        arrays[f"{name}_curve"] = np.column_stack([curve, slopes])
        arrays[f"{name}_turns"] = turns
        arrays[f"{name}_nodes"] = folds.saddle_nodes(name)
    return arrays
