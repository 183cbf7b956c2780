"""What the flossing runs say, in numbers: checks against 0, success, and the summary."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.flossing_effect.training import BEFORE, CONDITIONS, DURING, NEVER
from analyses.reference_checks import compute as reference_checks

NEAR = 0.02  # nat per step: an exponent this close to 0 counts as brought there
SOLVED = 0.01  # share of wrong bits
_MINUS = re.compile(r"(?<!\w)-(?=\d)")  # a minus sign, not the hyphen of 1e-16

Arrays = Mapping[str, np.ndarray]
Facts = Mapping[str, Any]


def slopes(norms: np.ndarray) -> np.ndarray:
    """Growth of the mean log norm per step back, over the later half of the lags."""
    half = norms.shape[-1] // 2
    return (norms[..., -1] - norms[..., half]) / (norms.shape[-1] - 1 - half)


def leading(facts: Facts) -> int:
    """How many exponents count as leading: half of those that every start is flossed by."""
    return max(1, min(stage["top"] for stages in facts["stages"] for stage in stages) // 2)


def checks(arrays: Arrays, facts: Facts) -> list[dict[str, Any]]:
    """Exponents and gradients after flossing against 0."""
    rows, count = [], leading(facts)
    before, after = (arrays["floss_exponents"][:, :, i, :count] for i in range(2))
    growth = slopes(arrays["floss_norms"])
    for number, start in enumerate(facts["starts"]):
        section = f"Flossing of {start['name']} networks"
        worst = _farthest(after[number])
        why = _MINUS.sub("−", f"brought near 0 from λ₁ = {_range(before[number][:, 0])}")
        what = f"farthest of the {count} leading exponents, {facts['seeds']} networks"
        rows.append(reference_checks.row(section, what, 0.0, worst, NEAR, why))
        worst = _farthest(growth[number, :, 1])
        was = _range(growth[number, :, 0])
        why = _MINUS.sub("−", f"growth of a gradient per step back, {was} before")
        what = f"slope of log norms over lags {facts['span'] // 2} to {facts['span']}"
        rows.append(reference_checks.row(section, what, 0.0, worst, NEAR, why))
    return rows


def solved(arrays: Arrays) -> np.ndarray:
    """Networks that do the task at the end, axes (delay, start, condition)."""
    return (arrays["task_errors"][..., -1] < SOLVED).sum(-1)


def summary(arrays: Arrays, facts: Facts) -> str:
    """A paragraph for the top of the page."""
    count, seeds = leading(facts), facts["seeds"]
    exponents, growth = arrays["floss_exponents"], slopes(arrays["floss_norms"])
    parts = [
        f"Tanh networks of {facts['units']} units that read one random bit at a time. Flossing "
        "moves their weights so that the leading Lyapunov exponents go to 0."
    ]
    for number, start in enumerate(facts["starts"]):
        here = exponents[number]
        parts.append(
            f"From a {start['name']} start (gain {start['gain']:g}) λ₁ goes from "
            f"{_range(here[:, 0, 0])} to {_range(here[:, 1, 0])}, the farthest of the {count} "
            f"leading exponents ends at {_farthest(here[:, 1, :count]):.3f}; a gradient then "
            f"changes by {_range(growth[number, :, 1])} nat per step back, before by "
            f"{_range(growth[number, :, 0])}."
        )
    won = solved(arrays)
    for number, delay in enumerate(arrays["task_delays"]):
        told = "; ".join(
            f"{start['name']}: "
            + ", ".join(
                f"{won[number, i, c]} of {seeds} {CONDITIONS[c]}" for c in (NEVER, BEFORE, DURING)
            )
            for i, start in enumerate(facts["starts"])
        )
        parts.append(
            f"The exclusive or of the bits {delay} and {2 * delay} steps back, under "
            f"{SOLVED:.0%} wrong after {facts['updates']} updates: {told}."
        )
    return _MINUS.sub("−", " ".join(parts))


def _farthest(values: np.ndarray) -> float:
    """The value with the largest modulus."""
    flat = np.ravel(values)
    return float(flat[np.argmax(np.abs(flat))])


def _range(values: np.ndarray) -> str:
    """The least and the largest value, as text."""
    low, high = (f"{value:.3f}" for value in (np.min(values), np.max(values)))
    return low if low == high else f"{low} … {high}"
