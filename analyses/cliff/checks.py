"""The cliff against closed forms and printed figures."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.cliff import folds, surface
from analyses.common.checks import row

SADDLES = "Saddle-nodes of one unit"
# E at b* - 0.05 and b* + 0.05, to four digits
SIDES = {4.0: (0.1502, 0.0002), 4.5: (0.2811, 0.0056), 5.0: (0.3528, 0.0172), 6.0: (0.4259, 0.0414)}
NODES = {"logistic": (-2.655610, -2.344390), "tanh": (-3.028500, 3.028500)}  # to six


def checks(arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Rows of the table of expected and measured values."""
    section = "Cliff of one logistic unit"
    rows = []
    for i, w in enumerate(surface.WEIGHTS):
        expected = surface.geometric(w)
        by_w, by_b = arrays["wall_last_gradient"][i]
        exact = "closed form; the promise is 1e-9 relative"
        rows += [
            (f"∂x₅₀/∂b on the wall, w = {w:g}", expected, by_b, 1e-9 * expected, exact),
            (
                *(f"∂x₅₀/∂w on the wall, w = {w:g}", surface.LEVEL * expected, by_w),
                *(1e-9 * surface.LEVEL * expected, exact),
            ),
        ]
        for side, (sign, value) in enumerate(zip("−+", SIDES[w], strict=True)):
            name = f"E at b* {sign} {surface.BESIDE:g}, w = {w:g}"
            rows.append((name, value, arrays["beside"][i, side], 5e-5, "figure has 4 decimals"))
    median, largest = arrays["reference_grid"]
    points = surface.REFERENCE[2]
    rows += [
        (f"median |∇E|, grid of {points}²", 0.039, median, 5e-4, "figure has 3 decimals"),
        (f"largest |∇E|, grid of {points}²", 440, largest, 0.5, "figure has no decimals"),
    ]
    rows = [row(section, *entry) for entry in rows]
    for name in folds.UNITS:
        both = zip(arrays[f"{name}_nodes"], arrays[f"{name}_turns"], NODES[name], strict=True)
        for side, (exact, found, printed) in zip(("lower", "upper"), both, strict=True):
            what = f"saddle-node of a {name} unit, w = {folds.WEIGHT:g}, {side} b"
            why = "closed form against continuation; the promise is 1e-6"
            rows.append(row(SADDLES, what, exact[1], found[1], 1e-6, why))
            why = "figure has 6 decimals"
            rows.append(row(SADDLES, f"{what}, as printed", printed, found[1], 1e-6, why))
    return rows
