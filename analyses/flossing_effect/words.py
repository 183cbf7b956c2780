"""What the page says about flossing: exponents and gradients against 0, and who learns the task."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.common.checks import row
from analyses.common.words import Words
from analyses.flossing_effect import outcome
from analyses.flossing_effect.training import BEFORE, CONDITIONS, DURING, NEVER

Arrays = Mapping[str, np.ndarray]
Facts = Mapping[str, Any]


def words(arrays: Arrays, facts: Facts) -> Words:
    """Title, summary, captions and rows of the table of checks."""
    return Words(
        title="What flossing does",
        summary=_summary(arrays, facts),
        figures=_captions(arrays, facts),
        checks=_checks(arrays, facts),
        place=100,
    )


def _summary(arrays: Arrays, facts: Facts) -> str:
    """A paragraph for the top of the page."""
    count, seeds = outcome.leading(facts), facts["seeds"]
    exponents, growth = arrays["floss_exponents"], outcome.slopes(arrays["floss_norms"])
    parts = [
        f"Tanh networks of {facts['units']} units that read one random bit at a time. Flossing "
        "moves their weights so that the leading Lyapunov exponents go to 0."
    ]
    for number, start in enumerate(facts["starts"]):
        here = exponents[number]
        parts.append(
            f"From a {start['name']} start (gain {start['gain']:g}) λ₁ goes from "
            f"{_range(here[:, 0, 0])} to {_range(here[:, 1, 0])}, the farthest of the {count} "
            f"leading exponents ends at {outcome.farthest(here[:, 1, :count]):.3f}; a gradient "
            f"then changes by {_range(growth[number, :, 1])} nat per step back, before by "
            f"{_range(growth[number, :, 0])}."
        )
    won = outcome.solved(arrays)
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
            f"{outcome.SOLVED:.0%} wrong after {facts['updates']} updates: {told}."
        )
    return " ".join(parts)


def _checks(arrays: Arrays, facts: Facts) -> list[dict[str, Any]]:
    """Exponents and gradients after flossing against 0."""
    rows, count = [], outcome.leading(facts)
    before, after = (arrays["floss_exponents"][:, :, i, :count] for i in range(2))
    growth = outcome.slopes(arrays["floss_norms"])
    for number, start in enumerate(facts["starts"]):
        section = f"Flossing of {start['name']} networks"
        worst = outcome.farthest(after[number])
        why = f"brought near 0 from λ₁ = {_range(before[number][:, 0])}"
        what = f"farthest of the {count} leading exponents, {facts['seeds']} networks"
        rows.append(row(section, what, 0.0, worst, outcome.NEAR, why))
        worst = outcome.farthest(growth[number, :, 1])
        was = _range(growth[number, :, 0])
        why = f"growth of a gradient per step back, {was} before"
        what = f"slope of log norms over lags {facts['span'] // 2} to {facts['span']}"
        rows.append(row(section, what, 0.0, worst, outcome.NEAR, why))
    return rows


def _captions(arrays: Arrays, facts: Facts) -> list[dict[str, str]]:
    """File, caption and alternative text of each figure; every number in them is measured."""
    return [
        {"file": f"flossing_{name}.svg", "caption": caption, "alt": alt}
        for name, (caption, alt) in {
            "exponents": _exponents(arrays, facts),
            "gradients": _gradients(arrays, facts),
            "success": _success(arrays, facts),
            "during": _during(arrays, facts),
        }.items()
    ]


def _exponents(arrays: Arrays, facts: Facts) -> tuple[str, str]:
    ends = "; ".join(
        f"{start['name']}, λ₁ = {_range(now[:, 0, 0])} before and {_range(now[:, 1, 0])} after"
        for start, now in zip(facts["starts"], arrays["floss_exponents"], strict=True)
    )
    caption = (
        f"The {facts['top']} leading exponents of networks of {facts['units']} units while they "
        f"are flossed, measured along {facts['steps']} steps of an input that flossing does not "
        "see: one network in bold, the others thin, from the first exponent (violet) to the last "
        "(green). Shaded: "
        f"|λ| < {outcome.NEAR:g}. Dotted: where flossing goes on with longer trajectories. {ends}."
    )
    alt = (
        "One panel for each start, with a bundle of lines that move towards a narrow shaded band "
        "around 0 as flossing goes on."
    )
    return caption, alt


def _gradients(arrays: Arrays, facts: Facts) -> tuple[str, str]:
    ends = arrays["floss_norms"][..., -1]
    told = "; ".join(
        f"{start['name']}, {_range(ends[i, :, 0])} before and {_range(ends[i, :, 1])} after"
        for i, start in enumerate(facts["starts"])
    )
    caption = (
        f"Above: all singular values of the product of {facts['span']} Jacobians, as rates "
        f"log σᵢ / {facts['span']}. Below: log norm of a random gradient on its way back, mean of "
        f"{facts['gradients']}. Thin: each network; bold: their mean. At lag {facts['span']} the "
        f"log norm is: {told}. Estimated error of log σᵢ: {_error(arrays)} at most."
    )
    alt = (
        "One column for each start. Above, falling curves of singular values before and after "
        "flossing; below, the log norm of gradients against the lag, before and after."
    )
    return caption, alt


def _error(arrays: Arrays) -> str:
    """The largest error of a logarithm that is not lost in rounding."""
    errors = arrays["floss_logs_error"]
    return f"{errors[np.isfinite(errors)].max():.0e}"


def _success(arrays: Arrays, facts: Facts) -> tuple[str, str]:
    won = outcome.solved(arrays)
    told = "; ".join(
        f"delay {delay}, {start['name']}: " + ", ".join(str(count) for count in won[row, column])
        for row, delay in enumerate(arrays["task_delays"])
        for column, start in enumerate(facts["starts"])
    )
    caption = (
        "Share of wrong bits on fresh sequences while networks learn the exclusive or of the bits "
        f"one and two delays back (guessing: 0.5). Adam at {facts['rate']:g}, batches of "
        f"{facts['batch']} sequences {facts['stretch']} delays long, gradients clipped to norm "
        f"{facts['clip']:g}; thin: each network, bold: their mean. Dotted: "
        f"{facts['between']['updates']} updates of flossing for the last condition, right after "
        f"which {_after_breaks(arrays, DURING):.0%} of its bits are wrong, against "
        f"{_after_breaks(arrays, BEFORE):.0%} without (means). Networks of "
        f"{facts['seeds']} under {outcome.SOLVED:.0%} at the end ({', '.join(CONDITIONS)}): {told}."
    )
    alt = (
        "A grid of line plots, one row for each delay and one column for each start; lines that "
        "stay at one half have learned nothing, lines at 0 everything."
    )
    return caption, alt


def _after_breaks(arrays: Arrays, kind: int) -> float:
    """Mean share of wrong bits at the looks that follow a break, for one condition."""
    looks = np.isin(arrays["task_updates"], arrays["task_breaks"])
    return float(arrays["task_errors"][:, :, kind][..., looks].mean())


def _during(arrays: Arrays, facts: Facts) -> tuple[str, str]:
    rms = outcome.rms(arrays, facts).mean((0, 3))  # (start, condition, time)
    told = "; ".join(
        f"{start['name']}, flossed before: {rms[i, BEFORE, 0]:.3f}, "
        f"{rms[i, BEFORE, 1:-1].mean():.3f} and {rms[i, BEFORE, -1]:.3f}; before and "
        f"during: {rms[i, DURING, 0]:.3f}, {rms[i, DURING, 1:-1].mean():.3f} and "
        f"{rms[i, DURING, -1]:.3f}"
        for i, start in enumerate(facts["starts"])
    )
    caption = (
        f"Root mean square of the {outcome.leading(facts)} leading exponents (nat per step) of the "
        "same networks, measured before training, at the breaks (for the last condition after the "
        "flossing there) and at the end. Means over networks and delays, before training, at the "
        f"breaks and at the end: {told}."
    )
    alt = (
        "A grid of line plots on a logarithmic axis, one row for each delay and one column for "
        "each start, with one bundle of lines for each condition."
    )
    return caption, alt


def _range(values: np.ndarray) -> str:
    """The least and the largest value, as text."""
    low, high = (f"{value:.3f}" for value in (np.min(values), np.max(values)))
    return low if low == high else f"{low} … {high}"
