"""What the page says about the cliff of one unit."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.cliff import folds, surface
from analyses.cliff.checks import checks
from analyses.common.words import Words


def words(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Words:
    """Title, summary, captions and rows of the table of checks."""
    return Words(
        title="The cliff of one unit",
        summary=_summary(facts),
        figures=_captions(arrays, facts),
        checks=checks(arrays),
        place=70,
    )


def _summary(facts: Mapping[str, Any]) -> str:
    exact = surface.geometric(np.array(surface.WEIGHTS))
    return (
        f"One logistic unit that runs for {surface.STEPS} steps without input, "
        f"x_t = w σ(x_t−1) + b from x_0 = 1/2, has an error surface with an exponentially thin "
        f"wall: on it, in closed form and to {facts['wall_off']:.0e} by automatic "
        f"differentiation, ∂x₅₀/∂b is {exact[0]:.3g} at w = {surface.WEIGHTS[0]:g} and "
        f"{exact[-1]:.3g} at w = {surface.WEIGHTS[-1]:g}. "
        f"To see that in rounded arithmetic the weight and bias must be floats that keep x at 1/2 "
        f"exactly (they lie within {facts['away']:.0e} of the wanted ones); with the nearest "
        f"floats instead, x drifts by up to {facts['rounded_drift']:.0e} and the derivative is off "
        f"by {facts['rounded_off']:.0e}. "
        f"Descent from {facts['descent_starts']} starts above the wall brings E below "
        f"{surface.SOLVED:g} from at most {facts['descent_best'][0]} of them with the "
        f"gradient as it is, whatever the step size, and from up to {facts['descent_best'][1]} "
        f"with its norm clipped at {surface.THRESHOLDS[1]:g}."
    )


def _captions(a: Mapping[str, Any], f: Mapping[str, Any]) -> list[dict[str, str]]:
    """Entry of the report of every figure."""
    steep = surface.steepness(np.array(surface.WEIGHTS))
    median, largest = a["reference_grid"]
    low, high = (a[f"{name}_nodes"][:, 1] for name in folds.UNITS)
    ends = a["path_error"][:, 0, -1]
    return [
        {
            "file": "cliff_surface.svg",
            "caption": f"Left: error E = (σ(x₅₀) − 0.7)² over weight and bias, and descent with "
            f"step {surface.RATE:g} from the circle; dashed, the wall b* = 1/2 − σ(1/2) w. "
            f"The unclipped path meets the wall, is thrown off and stands at E = {ends[0]:.2g} "
            f"at update {a['path_error'].shape[-1]} (cross); clipped paths (norm at most "
            f"{surface.THRESHOLDS[1]:g} and {surface.THRESHOLDS[2]:g}) slide along "
            f"the edge to E = {ends[1]:.1e} and {ends[2]:.1e}. Right: |∇E| close to the wall, "
            f"distances on a logarithmic scale: the larger the weight the steeper and the thinner.",
            "alt": "Left, a map cut by one straight falling line, the error high below it and low "
            "above it; one path is thrown far from the line, two follow it to smaller weights. "
            "Right, a dark wedge around the wall that narrows and darkens with the weight.",
        },
        {
            "file": "cliff_wall.svg",
            "caption": f"Left: |∇E| on the wall, (m⁵⁰ − 1)/(m − 1) in closed form (line) and by "
            f"automatic differentiation (dots; the derivatives agree to {f['wall_off']:.0e}): from "
            f"{steep[0]:.2g} at w = {surface.WEIGHTS[0]:g} to {steep[-1]:.2g} at w = "
            f"{surface.WEIGHTS[-1]:g}. A grid of {surface.REFERENCE[2]}² points sees "
            f"{largest:.0f} at most and {median:.3f} at the median, because it misses the wall. "
            f"Right: |∂E/∂b| at small distances from it; the wall is as thin as it is high.",
            "alt": "Left, a line that rises steeply from weight 4.3 on, dots on it, and far below "
            "a jagged line of what the grid sees. Right, three curves, flat near the wall and "
            "falling with distance, the higher the narrower.",
        },
        {
            "file": "cliff_descent.svg",
            "caption": f"Left: error along the three paths of the first figure (median and range "
            f"of neighbouring updates), with step {surface.RATE:g}; gradients up to "
            f"{f['descent_largest_slope'][0]:.0f} are met "
            f"without clipping, and {f['descent_largest_slope'][1]:.0f} with the norm clipped at "
            f"{surface.THRESHOLDS[1]:g}, which takes the path back to the wall again and "
            f"again. Right: of {f['descent_starts']} starts above the wall, how many come below E "
            f"= {surface.SOLVED:g} in {a['path_error'].shape[-1]} updates: at best "
            f"{f['descent_best'][0]} without clipping, {f['descent_best'][1]} and "
            f"{f['descent_best'][2]} with it.",
            "alt": "Left, the unclipped error jumps up at the wall and stays high, the clipped "
            "ones jump and come down again. Right, the share against the step size: clipped, it "
            "rises to all starts; unclipped, it stays low.",
        },
        {
            "file": "cliff_bifurcation.svg",
            "caption": f"Fixed points of x = {folds.WEIGHT:g} φ(x) + b against b, followed "
            f"by continuation: attracting (solid), repelling (dashed); dots, the saddle-nodes in "
            f"closed form, b = −{-low[0]:.6f} and −{-low[1]:.6f} for the logistic unit, ±"
            f"{abs(high[0]):.6f} for tanh. The cross is the wall of the error surface: there the "
            f"start x = 1/2 lies on the repelling branch, away from both bifurcations.",
            "alt": "Two S-shaped curves with a shaded range of b in which there are three fixed "
            "points; the middle branch is dashed.",
        },
    ]
