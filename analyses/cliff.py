"""How steep is the cliff that descent of a recurrent unit falls off, and does clipping help?

The error surface of one unit over weight and bias (Pascanu et al. 2013, figure 6), the wall in it
in closed form and by automatic differentiation, descent with and without clipping, and the
bifurcations of its fixed points (figure 3).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analyses import cli, cliff_figures, cliff_folds, cliff_surface, reference_checks
from analyses.progress import progress_bar


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

# E at b* - 0.05 and b* + 0.05, to four digits
SIDES = {4.0: (0.1502, 0.0002), 4.5: (0.2811, 0.0056), 5.0: (0.3528, 0.0172), 6.0: (0.4259, 0.0414)}
NODES = {"logistic": (-2.655610, -2.344390), "tanh": (-3.028500, 3.028500)}  # to six


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parts, in float64."""
    jax.config.update("jax_enable_x64", True)
    return measure(settings)


def measure(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parts, in the default precision; the fixed points always in float64."""
    arrays: dict[str, Any] = {}
    parts = {
        "wall": cliff_surface.on_the_wall,
        "surface": lambda: cliff_surface.surface(settings.points),
        "close-up": lambda: cliff_surface.close_up(settings.points),
        "beside": lambda: {"beside": cliff_surface.beside_the_wall()},
        "grid": lambda: {"reference_grid": cliff_surface.reference_grid()},
        "profiles": lambda: cliff_surface.profiles(_peaks(arrays)),
        "paths": lambda: cliff_surface.descend(settings.updates),
        "descent": lambda: cliff_surface.succeed(settings.side, settings.updates, settings.rates),
        "fixed points": _fixed_points,
    }
    progress = progress_bar(parts.items(), unit="part")
    for name, part in progress:
        progress.set_postfix_str(name)
        arrays |= part()
    facts = cliff_surface.descent_facts(arrays)
    return arrays, _meta(arrays, facts)


def _peaks(arrays: dict[str, Any]) -> np.ndarray:
    rows = [cliff_surface.WEIGHTS.index(w) for w in cliff_surface.PROFILES]
    return arrays["wall_point"][rows]


def _fixed_points() -> dict[str, np.ndarray]:
    arrays = {}
    for name, unit in cliff_folds.UNITS.items():
        curve, turns = cliff_folds.continuation(name)
        slopes = [cliff_folds.WEIGHT * unit.slope(x) for x in curve[:, 0]]
        arrays[f"{name}_curve"] = np.column_stack([curve, slopes])
        arrays[f"{name}_turns"] = turns
        arrays[f"{name}_nodes"] = cliff_folds.saddle_nodes(name)
    return arrays


def checks(arrays: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table of expected and measured values."""
    section = "Cliff of one logistic unit"
    rows = []
    for i, w in enumerate(cliff_surface.WEIGHTS):
        expected = cliff_surface.geometric(w)
        by_w, by_b = arrays["wall_last_gradient"][i]
        exact = "closed form; the promise is 1e-9 relative"
        rows += [
            (f"∂x₅₀/∂b on the wall, w = {w:g}", expected, by_b, 1e-9 * expected, exact),
            (
                *(f"∂x₅₀/∂w on the wall, w = {w:g}", cliff_surface.LEVEL * expected, by_w),
                *(1e-9 * cliff_surface.LEVEL * expected, exact),
            ),
        ]
        for side, (sign, value) in enumerate(zip("−+", SIDES[w], strict=True)):
            name = f"E at b* {sign} {cliff_surface.BESIDE:g}, w = {w:g}"
            rows.append((name, value, arrays["beside"][i, side], 5e-5, "figure has 4 decimals"))
    median, largest = arrays["reference_grid"]
    points = cliff_surface.REFERENCE[2]
    rows += [
        (f"median |∇E|, grid of {points}²", 0.039, median, 5e-4, "figure has 3 decimals"),
        (f"largest |∇E|, grid of {points}²", 440, largest, 0.5, "figure has no decimals"),
    ]
    rows = [reference_checks.row(section, *row) for row in rows]
    for name in cliff_folds.UNITS:
        both = zip(arrays[f"{name}_nodes"], arrays[f"{name}_turns"], NODES[name], strict=True)
        for side, (exact, found, printed) in zip(("lower", "upper"), both, strict=True):
            what = f"saddle-node of a {name} unit, w = {cliff_folds.WEIGHT:g}, {side} b"
            why = "closed form against continuation; the promise is 1e-6"
            rows.append(reference_checks.row(SADDLES, what, exact[1], found[1], 1e-6, why))
            why = "figure has 6 decimals"
            rows.append(
                reference_checks.row(SADDLES, f"{what}, as printed", printed, found[1], 1e-6, why)
            )
    return rows


SADDLES = "Saddle-nodes of one unit"


def _meta(arrays: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    rows = checks(arrays)
    exact = cliff_surface.geometric(np.array(cliff_surface.WEIGHTS))
    off = float(np.abs(arrays["wall_last_gradient"][:, 1] / exact - 1).max())
    rounded = float(np.abs(arrays["wall_rounded_gradient"][:, 1] / exact - 1).max())
    facts |= {"wall_off": off, "rounded_off": rounded}
    facts["rounded_drift"] = float(arrays["wall_rounded_drift"].max())
    facts["away"] = float(arrays["wall_away"].max())
    return {
        "title": "The cliff of one unit",
        "summary": f"One logistic unit that runs for {cliff_surface.STEPS} steps without input, "
        f"x_t = w σ(x_t−1) + b from x_0 = 1/2, has an error surface with an exponentially thin "
        f"wall: on it, in "
        f"closed form and to {off:.0e} by automatic differentiation, ∂x₅₀/∂b is {exact[0]:.3g} at "
        f"w = {cliff_surface.WEIGHTS[0]:g} and {exact[-1]:.3g} at w = "
        f"{cliff_surface.WEIGHTS[-1]:g}. To see that in rounded arithmetic the weight and bias "
        f"must be floats that keep x at 1/2 exactly (they lie within {facts['away']:.0e} of the "
        f"wanted ones); with the nearest floats instead, x drifts by up to "
        f"{facts['rounded_drift']:.0e} and the derivative is off by {facts['rounded_off']:.0e}. "
        f"Descent from {facts['descent_starts']} starts above the wall brings E below "
        f"{cliff_surface.SOLVED:g} from at most {facts['descent_best'][0]} of them with the "
        f"gradient as it is, whatever the step size, and from up to {facts['descent_best'][1]} "
        f"with its norm clipped at {cliff_surface.THRESHOLDS[1]:g}.",
        "seed": 0,
        "dtype": jnp.zeros(()).dtype.name,
        "facts": facts,
        "claims": [],
        "checks": rows,
        "figures": cliff_figures.captions(arrays, facts),
    }


def draw(arrays: dict[str, np.ndarray], meta: dict[str, Any], out: Any) -> None:
    cliff_figures.draw(arrays, meta["facts"], out)


if __name__ == "__main__":
    cli.main("cliff", compute, draw, PRESETS)
