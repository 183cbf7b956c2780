"""Figure of the reference checks: a strip of dots for each group."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from analyses.common.pictures import WIDTH, save

INSIDE, OUTSIDE, BEYOND = "#0b5a8a", "#8f1d4f", "#f3d9e4"
LEAST, MOST = 1e-6, 1e3  # of the ratios shown


def draw(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any], out: Path) -> None:
    """Write the figure."""
    save({"reference_checks.svg": lambda: _strips(ratios(arrays), facts["sections"])}, out)


def ratios(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Difference over tolerance; 0 for a difference of 0, whatever the tolerance."""
    difference = np.abs(arrays["measured"] - arrays["expected"])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(difference == 0, 0, difference / arrays["tolerance"])


def _strips(ratio: np.ndarray, names: list[str]) -> Any:
    sections = list(dict.fromkeys(names))
    place = np.array([sections.index(name) for name in names])
    ratio = np.clip(ratio, LEAST, MOST)
    # dots of one section side by side, so that equal ratios stay visible
    rank = np.array([np.sum(place[:i] == p) for i, p in enumerate(place)])
    count = np.bincount(place)[place]
    height = place + 0.5 * ((rank + 0.5) / count - 0.5)
    within = ratio <= 1
    figure, ax = plt.subplots(figsize=(WIDTH, 0.4 * len(sections) + 1.0))
    ax.axvspan(1, MOST, color=BEYOND, lw=0)
    ax.axvline(1, color=OUTSIDE, lw=1)
    ax.plot(ratio[within], height[within], "o", ms=4.5, mew=0, color=INSIDE, alpha=0.75)
    ax.plot(ratio[~within], height[~within], "X", ms=7, mew=0, color=OUTSIDE)
    ax.set(
        xscale="log", xlim=(6e-7, 20 if within.all() else 1.6e3), xlabel="difference / tolerance"
    )
    ax.set_ylim(len(sections) - 0.4, -0.6)
    ax.set_yticks(range(len(sections)), sections)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.spines["left"].set_visible(False)
    return figure
