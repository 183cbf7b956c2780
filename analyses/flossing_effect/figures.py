"""Figures of flossing and of what it does for learning, from stored numbers alone."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from analyses.common.pictures import WIDTH, save
from analyses.flossing_effect.outcome import NEAR, rms
from analyses.flossing_effect.training import CONDITIONS
from rnnjac import plot

BEFORE, AFTER = "#cc6677", "#332288"
KINDS = (("#cc6677", "-"), ("#332288", "-"), ("#44aa99", "--"))  # of the conditions
ZERO = {"color": plot.INK, "lw": 0.8, "zorder": 0.5}

Arrays = Mapping[str, np.ndarray]
Facts = Mapping[str, Any]


def draw(arrays: Arrays, facts: Facts, out: Path) -> None:
    """Write every figure."""
    parts = {
        "exponents": _exponents,
        "gradients": _gradients,
        "success": _success,
        "during": _during,
    }
    save(
        {f"flossing_{name}.svg": partial(part, arrays, facts) for name, part in parts.items()}, out
    )


def _panels(rows: int, columns: int, height: float, **shared: Any) -> tuple[Any, np.ndarray]:
    size = (WIDTH, height * rows)
    return plt.subplots(rows, columns, figsize=size, squeeze=False, **shared)


# Exponents while they are flossed


def _exponents(arrays: Arrays, facts: Facts) -> Any:
    figure, axes = _panels(1, len(facts["starts"]), 3.6)
    for ax, start, stages in zip(axes[0], facts["starts"], facts["stages"], strict=True):
        track = arrays[f"track_{start['name']}"]
        updates = np.arange(track.shape[1]) * facts["piece"]
        ax.axhspan(-NEAR, NEAR, color="#e4e4f2", lw=0, zorder=0)
        colours = mpl.colormaps["viridis"](np.linspace(0, 0.85, track.shape[2]))
        for index, colour in enumerate(colours):
            ax.plot(updates, track[1:, :, index].T, color=colour, lw=0.6, alpha=0.4)
            ax.plot(updates, track[0, :, index], color=colour, lw=1.8)
        for end in np.cumsum([stage["updates"] for stage in stages])[:-1]:
            ax.axvline(end, ls=":", **ZERO)
        ax.axhline(0, **ZERO)
        ax.set_title(start["name"])
        ax.set_xlabel("updates of flossing")
    axes[0, 0].set_ylabel("Lyapunov exponents (nat per step)")
    return figure


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
        axes[0, column].set_title(start["name"])
        axes[0, column].set_xlabel("index i")
        axes[1, column].set_xlabel("lag (steps back)")
    axes[0, 0].set_ylabel(f"log σᵢ / {facts['span']} (nat per step)")
    axes[1, 0].set_ylabel("log norm of the gradient (nat)")
    axes[0, 0].legend()
    return figure


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
            ax.set_title(facts["starts"][column]["name"])
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


def _during(arrays: Arrays, facts: Facts) -> Any:
    at = [0, *arrays["task_breaks"], facts["updates"]]
    merged = {**arrays, "rms": rms(arrays, facts)}
    figure, axes = _grid(merged, facts, "rms", np.array(at), sharey=True)
    for ax, delay in zip(axes[:, 0], arrays["task_delays"], strict=True):
        ax.set_ylabel(f"rms of leading λ, delay {delay}")
        ax.set_yscale("log")
    return figure
