"""Figures of the temporal order task."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, PercentFormatter

from analyses.common.pictures import WIDTH, save
from analyses.temporal_order import panels
from analyses.temporal_order.counts import shown_figures, shown_start
from analyses.temporal_order.networks import SOLVED
from analyses.temporal_order.training import METHODS, OMEGA
from rnnjac import plot

METHOD_COLOURS = ("#cc6677", "#44aa99", "#332288")
THRESHOLD_COLOURS = ("#44aa99", "#999933")
METHOD_MARKERS = ("s", "o", "D")
START_MARKERS = ("^", "o", "s")
FLOOR = 1e-4  # a share of errors below it is drawn on the bottom edge: one of 10 000

# what is followed during training: title, and the level that it is to reach
HISTORIES = {
    "error": ("errors on fresh sequences", SOLVED),
    "gradient": ("log gradient at marker 1,\nless that at the end (nat)", 0),
    "radius": ("spectral radius ρ(W)", 1),
}


def draw(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any], out: Path) -> None:
    """Write the figures that `shown_figures` names."""
    parts = {
        "success": _success,
        "training": _training,
        "spectra": panels.spectra,
        "generalisation": _generalisation,
        "rates": _rates,
    }
    shown = shown_figures(arrays)
    save({f"temporal_order_{name}.svg": partial(parts[name], arrays) for name in shown}, out)


def _success(a: Mapping[str, np.ndarray]) -> Any:
    share = (a["solved"] >= 0).mean(-1)  # (length, start, method)
    lengths, starts = a["lengths"], a["starts"]
    figure, axes = plt.subplots(1, len(starts), figsize=(WIDTH, 3.6), sharey=True, squeeze=False)
    for i, (ax, name) in enumerate(zip(axes[0], starts, strict=True)):
        place = np.arange(len(lengths))
        for method, label in enumerate(METHODS):
            # side by side, so that equal shares stay visible
            x = place + 0.09 * (method - 1)
            look = {"color": METHOD_COLOURS[method], "marker": METHOD_MARKERS[method], "ms": 6}
            ax.plot(x, share[:, i, method], label=label, lw=1.4, clip_on=False, **look)
        ax.set_title(str(name))
        ax.set_xticks(place, [str(n) for n in lengths])
        ax.set_xlim(-0.4, len(lengths) - 0.6)
        ax.set_xlabel("length (steps)")
        ax.set_ylim(-0.02, 1.02)
        ax.yaxis.set_major_formatter(PercentFormatter(1))
    axes[0, 0].set_ylabel("seeds that solve the task")
    _legend(figure, axes[0, 0])
    return figure


def _training(a: Mapping[str, np.ndarray]) -> Any:
    lengths, start = a["lengths"], shown_start(a)
    figure, axes = plt.subplots(
        *(len(lengths), 3), figsize=(WIDTH, 2.7 * len(lengths) + 0.7), sharey="col", squeeze=False
    )
    for i, (row, every) in enumerate(zip(axes, a["every"], strict=True)):
        for ax, (name, (label, line)) in zip(row, HISTORIES.items(), strict=True):
            values = a[f"history_{name}"][i, start]  # (method, seed, look)
            x = every * np.arange(values.shape[-1]) / 1000
            for method, runs in enumerate(values):
                _runs(ax, x, runs, a["solved"][i, start, method], every, method)
            look = {"ls": ":"} if name == "error" else {}
            ax.axhline(line, color=plot.INK, lw=0.8, zorder=0.5, **look)
            if i == 0:
                ax.set_title(label)
            if i == len(lengths) - 1:
                ax.set_xlabel("thousand updates")
        row[0].set_ylabel(f"{lengths[i]} steps")
        row[0].yaxis.set_major_formatter(PercentFormatter(1))
    handles = [
        Line2D([], [], color=METHOD_COLOURS[m], marker=METHOD_MARKERS[m], ms=5, label=label)
        for m, label in enumerate(METHODS)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _runs(
    ax: Axes, x: np.ndarray, runs: np.ndarray, solved: np.ndarray, every: int, method: int
) -> None:
    """One line for each seed, with a mark where it solved the task."""
    colour = METHOD_COLOURS[method]
    for run, when in zip(runs, solved, strict=True):
        ax.plot(x, run, color=colour, lw=0.9, alpha=0.75, zorder=2 + method)
        if when >= 0:
            look = int(when) // int(every)
            mark = {"color": colour, "marker": METHOD_MARKERS[method], "ms": 4.5}
            ax.plot(x[look], run[look], zorder=5 + method, **mark)


def _generalisation(a: Mapping[str, np.ndarray]) -> Any:
    good = a["solved"] >= 0
    shown = [i for i in range(len(a["lengths"])) if good[i].any()]
    figure, axes = plt.subplots(
        1, max(1, len(shown)), figsize=(WIDTH, 3.8), sharey=True, squeeze=False
    )
    for ax, i in zip(axes[0], shown, strict=False):
        x = a["lengths"][i] * a["multiples"]
        for start, method in np.ndindex(good.shape[1:3]):
            for seed in np.flatnonzero(good[i, start, method]):
                rates = np.maximum(a["reach_error"][i, start, method, seed], FLOOR)
                look = {"color": METHOD_COLOURS[method], "marker": START_MARKERS[start]}
                ax.plot(x, rates, lw=0.9, alpha=0.7, ms=4.5, mfc="white", clip_on=False, **look)
        ax.axhline(SOLVED, color=plot.INK, lw=0.8, ls=":", zorder=0.5)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_ylim(FLOOR, 1)
        ax.set_xticks(x, [str(n) for n in x])
        ax.minorticks_off()
        ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g}%"))
        ax.set_title(f"solved at {a['lengths'][i]}")
        ax.set_xlabel("length tested (steps)")
    axes[0, 0].set_ylabel("errors on fresh sequences")
    used = sorted({int(m) for m in np.argwhere(good)[:, 2]}) or [OMEGA]
    handles = [Line2D([], [], color=METHOD_COLOURS[m], label=METHODS[m]) for m in used]
    handles += [
        Line2D([], [], color=plot.INK, ls="", marker=START_MARKERS[s], mfc="white", label=str(name))
        for s, name in enumerate(a["starts"])
        if good[:, s].any()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _rates(a: Mapping[str, np.ndarray]) -> Any:
    share = (a["sweep_solved"] >= 0).mean(-1)  # (rate, none or a threshold)
    names = ["no clipping", *(f"clipped at {threshold:g}" for threshold in a["thresholds"])]
    figure, ax = plt.subplots(figsize=(WIDTH, 3.6))
    place = np.arange(len(a["rates"]))
    for i, (values, name) in enumerate(zip(share.T, names, strict=True)):
        colour = METHOD_COLOURS[0] if i == 0 else THRESHOLD_COLOURS[i - 1]
        x = place + 0.06 * (i - 1)
        look = {"color": colour, "marker": METHOD_MARKERS[i], "ms": 6, "clip_on": False}
        ax.plot(x, values, label=name, lw=1.4, **look)
    ax.set_xticks(place, [f"{rate:g}" for rate in a["rates"]])
    ax.set_xlim(-0.4, len(place) - 0.6)
    ax.set_ylim(-0.02, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_xlabel("step size")
    ax.set_ylabel("seeds that solve the task")
    _legend(figure, ax)
    return figure


def _legend(figure: Any, ax: Axes) -> None:
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3)
