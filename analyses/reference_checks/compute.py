"""Closed forms and published figures, computed anew through the library's public functions."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from analyses.common import command as cli
from analyses.common.progress import progress_bar
from analyses.reference_checks import networks, products

SEED = 0


class Settings(NamedTuple):
    """How much work is done."""

    steps: int  # factors of the long Gaussian products
    chains: int  # independent short products
    net_size: int
    net_steps: int
    map_steps: int


PRESETS = {
    "quick": Settings(20_000, 400, 500, 2_000, 50_000),
    "standard": Settings(100_000, 1_000, 800, 5_000, 200_000),
    "paper": Settings(400_000, 4_000, 2_000, 20_000, 1_000_000),
}

CHECKS = {
    "Products of Gaussian matrices": products.gaussian_products,
    "Gaussian products, orthonormalised at every step": products.orthonormalised_gaussians,
    "Fuss–Catalan laws": products.fuss_catalan,
    "Orthogonal, normal and defective matrices": products.known_spectra,
    "Fixed point of a tanh network": networks.fixed_point,
    "Mean field of random tanh networks": networks.mean_field,
    "Critical line of tanh networks": networks.critical_line,
    "Small maps and flows": networks.small_maps,
    "Exact identities": networks.identities,
    "Cells in closed form": networks.gated_closed_forms,
}


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every row of every check, in float64."""
    jax.config.update("jax_enable_x64", True)
    rows = []
    progress = progress_bar(CHECKS.items(), unit="check")
    for number, (section, check) in enumerate(progress):
        progress.set_postfix_str(section)
        key = jax.random.fold_in(jax.random.key(SEED), number)
        rows += [row(section, *entry) for entry in check(settings, key)]
    for bad in (entry for entry in rows if entry["verdict"] != "agrees"):
        print(f"differs   {bad['section']}: {bad['name']}: {bad['expected']}, {bad['measured']}")
    agreeing = sum(entry["verdict"] == "agrees" for entry in rows)
    meta = {
        "title": "How close the checks come",
        "summary": "Every closed form and published figure of the table above, as one picture: how "
        "much of its tolerance each difference uses up.",
        "seed": SEED,
        "dtype": "float64",
        "checks": rows,
        "figures": [
            {
                "file": "reference_checks.svg",
                "caption": f"Difference from the expected value in units of the tolerance, for "
                f"{len(rows)} checks; {agreeing} lie within it (left of the line). Differences "
                f"below 1e-6 of the tolerance, zero included, stand at the left edge.",
                "alt": f"Dots in {len(CHECKS)} rows, one for each group of checks, on a "
                f"logarithmic axis; {agreeing} of {len(rows)} lie left of the line at 1.",
            }
        ],
    }
    return {"ratio": np.array([_ratio(entry) for entry in rows])}, meta


def row(
    section: str, name: str, expected: Any, measured: Any, tolerance: float, reason: str
) -> dict[str, Any]:
    """One row of the table; it agrees when |measured − expected| <= tolerance, never with NaN."""
    expected, measured, tolerance = float(expected), float(measured), float(tolerance)
    difference = abs(measured - expected)
    return {
        "section": section,
        "name": name,
        "expected": expected,
        "measured": measured,
        "difference": difference,
        "tolerance": tolerance,
        "reason": reason,
        "verdict": "agrees" if difference <= tolerance else "differs",
    }


def _ratio(entry: dict[str, Any]) -> float:
    """Difference over tolerance; 0 for a difference of 0, whatever the tolerance."""
    if entry["difference"] == 0:
        return 0.0
    return entry["difference"] / entry["tolerance"] if entry["tolerance"] else math.inf


def draw(arrays: dict[str, np.ndarray], meta: dict[str, Any], out: Path) -> None:
    """One strip of dots for each section."""
    import matplotlib.pyplot as plt

    sections = list(dict.fromkeys(entry["section"] for entry in meta["checks"]))
    place = np.array([sections.index(entry["section"]) for entry in meta["checks"]])
    ratio = np.clip(arrays["ratio"], 1e-6, 1e3)
    # dots of one section side by side, so that equal ratios stay visible
    rank = np.array([np.sum(place[:i] == p) for i, p in enumerate(place)])
    count = np.bincount(place)[place]
    height = place + 0.5 * ((rank + 0.5) / count - 0.5)
    with plt.rc_context({"svg.hashsalt": "rnnjac", "svg.fonttype": "path", "font.size": 9}):
        figure, axes = plt.subplots(figsize=(7.6, 0.4 * len(sections) + 1.0), layout="constrained")
        axes.axvspan(1, 1e3, color="#f3d9e4", lw=0)
        axes.axvline(1, color="#8f1d4f", lw=1)
        within = ratio <= 1
        axes.plot(ratio[within], height[within], "o", ms=4.5, mew=0, color="#0b5a8a", alpha=0.75)
        axes.plot(ratio[~within], height[~within], "X", ms=7, mew=0, color="#8f1d4f")
        axes.set_xscale("log")
        axes.set_xlim(6e-7, 20 if within.all() else 1.6e3)
        axes.set_ylim(len(sections) - 0.4, -0.6)
        axes.set_yticks(range(len(sections)), sections)
        axes.set_xlabel("difference / tolerance")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#e4e6ea", lw=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        figure.savefig(out / "reference_checks.svg", metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    cli.main("reference_checks", compute, draw, PRESETS)
