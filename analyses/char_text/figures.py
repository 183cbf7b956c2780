"""Figures of the character models."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from analyses.char_text.outcome import NAMES, shown_figures, thrown_off
from analyses.char_text.training import AHEAD, THRESHOLD
from analyses.common.pictures import WIDTH, save
from rnnjac import plot

COLOURS = tuple(plot.COLOURS[i] for i in (1, 0, 2, 3, 4))
STYLES = ("-", "-", "-", "--", "--")  # networks of one kind have one style
DASHED = {"color": plot.INK, "ls": "--", "lw": 1.0}


def draw(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any], out: Path) -> None:
    """Write the figures that `shown_figures` names."""
    parts = {
        "bits": _bits,
        "training": _training,
        "steps": _steps,
        "gradients": _gradients,
        "spectra": _spectra,
    }
    shown = shown_figures(facts)
    save({f"char_{name}.svg": partial(parts[name], arrays, facts) for name in shown}, out)


def _titled(axes: Any) -> None:
    for ax, ahead in zip(axes, AHEAD, strict=True):
        ax.set_title(f"{ahead} character{'s' * (ahead > 1)} ahead")


def _bits(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.9))
    for k, ax in enumerate(axes):
        for m in range(len(NAMES)):
            run = f["best"][m][k]
            look = {"ls": "", "marker": "o", "color": COLOURS[m], "ms": 7}
            held, seen = a["held_out"][run], a["seen"][run]
            ax.plot(np.full(seen.size, m - 0.14), seen, mfc="white", mew=1.4, **look)
            ax.plot(np.full(held.size, m + 0.14), held, **look)
        for value, text in ((f["alone"][k], "single characters"), (f["one_before"][k], "pairs")):
            ax.axhline(value, **DASHED)
            ax.annotate(text, (-0.45, value), (0, 3), textcoords="offset points")
        ax.set_xticks(range(len(NAMES)), [name.replace(", ", "\n") for name in NAMES])
        ax.margins(y=0.12)
        ax.set_xlim(-0.5, len(NAMES) - 0.5)
    ax = axes[0]
    ax.plot([], [], "o", color=plot.INK, label="held out")
    ax.plot([], [], "o", color=plot.INK, mfc="white", mew=1.4, label="trained on")
    ax.legend(loc="upper left", bbox_to_anchor=(0, 0.85))
    ax.set_ylabel("bits per character")
    _titled(axes)
    return figure


def _training(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.8), sharex=True, sharey="row")
    updates = a["updates"][1:]
    for k in range(len(AHEAD)):
        for m, name in enumerate(NAMES):
            run = f["best"][m][k]
            look = {"color": COLOURS[m], "ls": STYLES[m], "lw": 1.6}
            axes[0, k].plot(updates, a["loss"][run, :, 1:].mean(axis=0), label=name, **look)
            axes[1, k].plot(updates, a["norm"][run, :, 1:].mean(axis=0), **look)
            peaks = a["largest"][run, :, 1:].max(axis=0)
            axes[1, k].plot(updates, peaks, color=COLOURS[m], ls="", marker=".", ms=5)
        axes[1, k].axhline(THRESHOLD, **{**DASHED, "ls": ":"})
        axes[1, k].set(yscale="log", xlabel="update")
        axes[1, k].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes[1, k].yaxis.set_major_formatter("{x:g}")
        axes[1, k].yaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].set_ylabel("training loss (bits)")
    axes[1, 0].set_ylabel("gradient norm")
    axes[0, 1].legend(loc="lower left")
    _titled(axes[0])
    return figure


def _steps(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.7))
    every = sorted({run["rate"] for run in f["runs"]})
    for k, ahead in enumerate(AHEAD):
        for m, name in enumerate(NAMES):
            mine = [
                i for i, run in enumerate(f["runs"]) if (run["method"], run["ahead"]) == (m, ahead)
            ]
            x = np.array([f["runs"][i]["rate"] for i in mine]) * 1.04 ** (m - 2)  # side by side
            off = np.array([thrown_off(a, f, i) for i in mine])
            y = np.where(off, np.nan, a["held_out"][mine])
            mean = np.where(off.any(axis=1), np.nan, a["held_out"][mine].mean(axis=1))
            look = {"color": COLOURS[m], "ls": STYLES[m], "lw": 1.4}
            axes[k].plot(x, mean, label=name, **look)
            axes[k].plot(x, y, ls="", marker="o", ms=5, color=COLOURS[m])
            top = x[off.any(axis=1)]
            place = {"transform": axes[k].get_xaxis_transform(), "clip_on": False}
            lost = {"ls": "", "marker": "^", "ms": 8, "mfc": "white", "color": COLOURS[m]}
            for marks in axes[k].plot(top, np.full(top.size, 0.97), **lost, **place):
                marks.set_in_layout(False)
        axes[k].axhline(f["alone"][k], **DASHED)
        axes[k].set(xscale="log", xlabel="step size")
        axes[k].set_xticks(every, [f"{rate:g}" for rate in every])
        axes[k].minorticks_off()
        axes[k].set_xlim(every[0] / 1.5, every[-1] * 1.5)
        axes[k].margins(y=0.2)
    axes[0].set_ylabel("held-out bits per character")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside center right")
    _titled(axes)
    return figure


def _gradients(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.9), sharey=True)
    mean = a["lags"].mean(axis=3) / np.log(10)  # (method, ahead, look, lag)
    lag = np.arange(mean.shape[-1])
    for k in range(len(AHEAD)):
        for m, name in enumerate(NAMES):
            axes[k].plot(lag, mean[m, k, 0], color="#aaaaaa", ls=STYLES[m], lw=1)
            look = {"color": COLOURS[m], "ls": STYLES[m], "lw": 1.7}
            axes[k].plot(lag, mean[m, k, -1], label=name, **look)
        axes[k].plot([], [], color="#aaaaaa", lw=1, label="before training")
        axes[k].set_xlabel("lag (characters)")
    axes[0].set_ylabel("log₁₀ of the gradient norm")
    axes[0].legend(loc="lower left")
    _titled(axes)
    return figure


def _spectra(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.9))
    names = ("before", *("midway",) * (len(a["looks"]) - 2), "after training")
    for ax, (m, kind) in zip(axes, ((1, "tanh"), (4, "LSTM")), strict=True):
        rows = a[f"spectrum_{kind}"][m, 0]  # (look, seed, index)
        index = np.arange(1, rows.shape[-1] + 1)
        for look, name in enumerate(names):
            last = look == len(names) - 1
            colour = "#999999" if look == 0 else COLOURS[m]
            width = 1.9 if last else 1.0
            for seed, row in enumerate(rows[look]):
                shown = np.where(np.isfinite(row), row, np.nan)
                ax.plot(index, shown, color=colour, lw=width, label=None if seed else name)
        ax.axhline(0, color=plot.INK, lw=0.8)
        ax.set_title(NAMES[m])
        ax.set_xlabel("index")
        ax.legend(loc="lower left")
    axes[0].set_ylabel("log singular value per step (nat)")
    return figure
