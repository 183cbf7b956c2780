"""Figures of flossing and of what it does for learning, from stored numbers alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from analyses.flossing_effect import verdict
from analyses.flossing_effect.training import BEFORE as BEFORE_ONLY
from analyses.flossing_effect.training import CONDITIONS, DURING
from rnnjac import plot

BEFORE, AFTER = "#cc6677", "#332288"
KINDS = (("#cc6677", "-"), ("#332288", "-"), ("#44aa99", "--"))  # of the conditions
ZERO = {"color": plot.INK, "lw": 0.8, "zorder": 0.5}
WIDTH = 4.2  # of a panel, in inches

Arrays = Mapping[str, np.ndarray]
Facts = Mapping[str, Any]


def draw(arrays: Arrays, facts: Facts, out: Path) -> None:
    """The figures that ``captions`` lists."""
    pictures = (_exponents, _gradients, _success, _during)
    with plot.style(), mpl.rc_context({"svg.hashsalt": "rnnjac", "svg.fonttype": "path"}):
        for picture, row in zip(pictures, captions(arrays, facts), strict=True):
            figure = picture(arrays, facts)
            figure.savefig(out / row["file"], metadata={"Date": None}, bbox_inches="tight")
            plt.close(figure)


def captions(arrays: Arrays, facts: Facts) -> list[dict[str, str]]:
    """File, caption and alternative text of each figure; every number in them is measured."""
    words = (_exponents_words, _gradients_words, _success_words, _during_words)
    names = ("exponents", "gradients", "success", "during")
    return [
        {"file": f"flossing_{name}.svg", "caption": caption, "alt": alt}
        for name, (caption, alt) in zip(names, (word(arrays, facts) for word in words), strict=True)
    ]


def _panels(rows: int, columns: int, height: float, **shared: Any) -> tuple[Any, np.ndarray]:
    size = (WIDTH * columns + 0.4, height * rows)
    return plt.subplots(rows, columns, figsize=size, squeeze=False, **shared)


# Exponents while they are flossed


def _exponents(arrays: Arrays, facts: Facts) -> Any:
    figure, axes = _panels(1, len(facts["starts"]), 3.6)
    for ax, start, stages in zip(axes[0], facts["starts"], facts["stages"], strict=True):
        track = arrays[f"track_{start['name']}"]
        updates = np.arange(track.shape[1]) * facts["piece"]
        ax.axhspan(-verdict.NEAR, verdict.NEAR, color="#e4e4f2", lw=0, zorder=0)
        colours = mpl.colormaps["viridis"](np.linspace(0, 0.85, track.shape[2]))
        for index, colour in enumerate(colours):
            ax.plot(updates, track[1:, :, index].T, color=colour, lw=0.6, alpha=0.4)
            ax.plot(updates, track[0, :, index], color=colour, lw=1.8)
        for end in np.cumsum([stage["updates"] for stage in stages])[:-1]:
            ax.axvline(end, ls=":", **ZERO)
        ax.axhline(0, **ZERO)
        ax.set_title(start["name"], fontsize=11)
        ax.set_xlabel("updates of flossing")
    axes[0, 0].set_ylabel("Lyapunov exponents (nat per step)")
    return figure


def _exponents_words(arrays: Arrays, facts: Facts) -> tuple[str, str]:
    ends = "; ".join(
        f"{start['name']}, λ₁ = {verdict._range(now[:, 0, 0])} before and "
        f"{verdict._range(now[:, 1, 0])} after"
        for start, now in zip(facts["starts"], arrays["floss_exponents"], strict=True)
    )
    caption = (
        f"The {facts['top']} leading exponents of networks of {facts['units']} units while they "
        f"are flossed, measured along {facts['steps']} steps of an input that flossing does not "
        "see: one network in bold, the others thin, the first exponent darkest. Shaded: "
        f"|λ| < {verdict.NEAR:g}. Dotted: where flossing goes on with longer trajectories. {ends}."
    )
    alt = (
        "One panel for each start, with a bundle of lines that move towards a narrow shaded band "
        "around 0 as flossing goes on."
    )
    return verdict._MINUS.sub("−", caption), alt


# Exact spectra, and gradients on their way back


def _gradients(arrays: Arrays, facts: Facts) -> Any:
    figure, axes = _panels(2, len(facts["starts"]), 3.1)
    for column, start in enumerate(facts["starts"]):
        for when, (label, colour) in enumerate((("before", BEFORE), ("after", AFTER))):
            rates = arrays["floss_logs"][column, :, when] / facts["span"]
            rates = np.where(np.isfinite(rates), rates, np.nan)
            index = np.arange(1, rates.shape[1] + 1)
            top = axes[0, column]
            top.plot(index, rates.T, color=colour, lw=0.7, alpha=0.5)
            top.plot(index, np.nanmean(rates, 0), color=colour, lw=1.8, label=label)
            below = axes[1, column]
            norms = arrays["floss_norms"][column, :, when]
            lags = np.arange(norms.shape[1])
            below.plot(lags, norms.T, color=colour, lw=0.7, alpha=0.5)
            below.plot(lags, norms.mean(0), color=colour, lw=1.8, label=label)
        for ax in axes[:, column]:
            ax.axhline(0, **ZERO)
        axes[0, column].set_title(start["name"], fontsize=11)
        axes[0, column].set_xlabel("index i")
        axes[1, column].set_xlabel("lag (steps back)")
    axes[0, 0].set_ylabel(f"log σᵢ / {facts['span']} (nat per step)")
    axes[1, 0].set_ylabel("log norm of the gradient (nat)")
    axes[0, 0].legend()
    return figure


def _gradients_words(arrays: Arrays, facts: Facts) -> tuple[str, str]:
    ends = arrays["floss_norms"][..., -1]
    told = "; ".join(
        f"{start['name']}, {verdict._range(ends[i, :, 0])} before and "
        f"{verdict._range(ends[i, :, 1])} after"
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
    return verdict._MINUS.sub("−", caption), alt


def _error(arrays: Arrays) -> str:
    """The largest error of a logarithm that is not lost in rounding."""
    errors = arrays["floss_logs_error"]
    return f"{errors[np.isfinite(errors)].max():.0e}"


# Learning


def _grid(arrays: Arrays, facts: Facts, name: str, x: np.ndarray, **shared: Any) -> tuple[Any, Any]:
    """Panels (delay, start) with ``arrays[name]`` (delay, start, condition, seed, len(x))."""
    delays = arrays["task_delays"]
    figure, axes = _panels(len(delays), len(facts["starts"]), 2.7, sharex=True, **shared)
    for (row, column), ax in np.ndenumerate(axes):
        for kind, (label, (colour, line)) in enumerate(zip(CONDITIONS, KINDS, strict=True)):
            values = arrays[name][row, column, kind]
            ax.plot(x, values.T, color=colour, ls=line, lw=0.7, alpha=0.5)
            ax.plot(x, values.mean(0), color=colour, ls=line, lw=1.8, label=label)
        for made in arrays["task_breaks"]:
            ax.axvline(made, ls=":", **ZERO)
        if row == 0:
            ax.set_title(facts["starts"][column]["name"], fontsize=11)
        if row == len(delays) - 1:
            ax.set_xlabel("updates of training")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure, axes


def _success(arrays: Arrays, facts: Facts) -> Any:
    figure, axes = _grid(arrays, facts, "task_errors", arrays["task_updates"], sharey=True)
    for ax, delay in zip(axes[:, 0], arrays["task_delays"], strict=True):
        ax.set_ylabel(f"wrong bits, delay {delay}")
        ax.set_ylim(-0.02, 0.56)
    return figure


def _success_words(arrays: Arrays, facts: Facts) -> tuple[str, str]:
    won = verdict.solved(arrays)
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
        f"{_after_breaks(arrays, BEFORE_ONLY):.0%} without (means). Networks of "
        f"{facts['seeds']} under {verdict.SOLVED:.0%} at the end ({', '.join(CONDITIONS)}): {told}."
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


def _during(arrays: Arrays, facts: Facts) -> Any:
    values = {"rms": _rms(arrays, facts)}
    at = [0, *arrays["task_breaks"], facts["updates"]]
    merged = {**arrays, **values}
    figure, axes = _grid(merged, facts, "rms", np.array(at), sharey=True)
    for ax, delay in zip(axes[:, 0], arrays["task_delays"], strict=True):
        ax.set_ylabel(f"rms of leading λ, delay {delay}")
        ax.set_yscale("log")
    return figure


def _rms(arrays: Arrays, facts: Facts) -> np.ndarray:
    """Root mean square of the leading exponents, axes (delay, start, condition, seed, time)."""
    values = arrays["task_leading"][..., : verdict.leading(facts), :]
    return np.sqrt((values**2).mean(-2))


def _during_words(arrays: Arrays, facts: Facts) -> tuple[str, str]:
    rms = _rms(arrays, facts).mean((0, 3))  # (start, condition, time)
    told = "; ".join(
        f"{start['name']}, flossed before: {rms[i, BEFORE_ONLY, 0]:.3f}, "
        f"{rms[i, BEFORE_ONLY, 1:-1].mean():.3f} and {rms[i, BEFORE_ONLY, -1]:.3f}; before and "
        f"during: {rms[i, DURING, 0]:.3f}, {rms[i, DURING, 1:-1].mean():.3f} and "
        f"{rms[i, DURING, -1]:.3f}"
        for i, start in enumerate(facts["starts"])
    )
    caption = (
        f"Root mean square of the {verdict.leading(facts)} leading exponents (nat per step) of the "
        "same networks, measured before training, at the breaks (for the last condition after the "
        "flossing there) and at the end. Means over networks and delays, before training, at the "
        f"breaks and at the end: {told}."
    )
    alt = (
        "A grid of line plots on a logarithmic axis, one row for each delay and one column for "
        "each start, with one bundle of lines for each condition."
    )
    return caption, alt
