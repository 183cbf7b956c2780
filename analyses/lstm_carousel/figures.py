"""Figures of the carousel: truncation, drift, growth, the terms of its derivative and the gates."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

from analyses.common.pictures import WIDTH, save
from analyses.lstm_carousel import flow, panels
from analyses.lstm_carousel.terms import FORGET_BIASES
from rnnjac import plot

DASHED = {"color": plot.INK, "ls": "--", "lw": 1.2}
FLOOR = 1e-17  # drawn in place of an exact zero on a logarithmic axis


def draw(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any], out: Path) -> None:
    """Write every figure."""
    parts = {
        "lstm_carousel_truncation.svg": _truncation,
        "lstm_carousel_growth.svg": _growth,
        "lstm_carousel_terms.svg": _terms,
        "lstm_carousel_gates.svg": _gates,
        "lstm_carousel_structure.svg": _structure,
        **panels.FIGURES,
    }
    save({name: partial(part, arrays, facts) for name, part in parts.items()}, out)


def _truncation(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.6))
    lag = np.arange(a["cut_cosine"].shape[-1])
    for i, gain in enumerate(flow.GAINS):
        style = {"color": plot.COLOURS[i], "lw": 1.3}
        axes[0].plot(lag, np.median(a["cut_cosine"][i], axis=0), label=f"gain {gain:g}", **style)
        axes[1].plot(lag, np.median(a["cut_ratio"][i], axis=0), **style)
    axes[0].axhline(0, color=plot.INK, lw=0.8)
    axes[1].axhline(1, color=plot.INK, lw=0.8)
    axes[0].set(xlabel="lag (steps)", ylabel="cosine, truncated and exact")
    axes[1].set(xlabel="lag (steps)", ylabel="norm, truncated / exact", yscale="log")
    low, high = axes[1].get_ylim()
    axes[1].set_ylim(min(low, 0.09), max(high, 11))
    axes[0].set_ylim(bottom=-0.65)
    axes[0].legend(loc="lower left", ncols=2)
    names = [f"b = {b:g}".replace("-", "−") for b in flow.GATE_BIASES] + ["b = 0, noise"]
    for i, (name, row) in enumerate(zip(names, a["drift_slopes"], strict=True)):
        axes[2].plot(np.arange(1, row.size + 1), row, color=plot.COLOURS[i], lw=1.3, label=name)
    axes[2].axhline(0, ls="--", color=plot.INK, lw=1.2, label="sum, dc/dc")
    axes[2].set(xlabel="time (steps)", ylabel="ln dh/dc (nat)")
    axes[2].legend(loc="lower left", labelspacing=0.3)
    return figure


def _growth(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 4, figsize=(WIDTH, 3.3), sharey=True)
    titles = ("1997: bound 2t", "f = 1: bound t", "f = σ(1)", "f = σ(4)")
    t = np.arange(1, a["growth_size"].shape[-1] + 1)
    for ax, title, sizes, bound in zip(
        axes, titles, a["growth_size"], a["growth_bound"], strict=True
    ):
        for row, name, colour in zip(
            sizes, ("noise", "constant", "held"), plot.COLOURS, strict=False
        ):
            ax.loglog(t, row, color=colour, lw=1.4, label=name)
        ax.loglog(t, bound, label="bound", **DASHED)
        ax.set_title(title)
        ax.set_xlabel("time (steps)")
    axes[0].set_ylabel("largest |C|")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return figure


def _terms(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.0), sharey=True)
    lag = np.arange(1, a["term_four"].shape[-1])
    for name, label, colour in (
        ("term_forget", "product of f alone", plot.COLOURS[1]),
        ("term_four", "product of four-term G", plot.COLOURS[0]),
        ("term_no_output", "four-term, U_o = 0", plot.COLOURS[2]),
    ):
        low, middle, high = np.quantile(a[name][:, 1:], (0.05, 0.5, 0.95), axis=0)
        zero = middle == 0
        axes[0].fill_between(
            lag, np.maximum(low, FLOOR), np.maximum(high, FLOOR), color=colour, alpha=0.2, lw=0
        )
        axes[0].plot(
            lag, np.where(zero, FLOOR, middle), color=colour, marker="o", ms=3, label=label
        )
        if zero.any():
            axes[0].plot(
                lag[zero],
                np.full(zero.sum(), FLOOR),
                ls="",
                marker="v",
                mfc="white",
                ms=7,
                color=colour,
                clip_on=False,
                zorder=4,
            )
    lag = np.arange(1, a["wide_four"].shape[-1])
    for row, (name, style) in enumerate((("b_f = 1", "-"), ("b_f = −b_i = 5", ":"))):
        for key, label, colour in (
            ("wide_forget", "f alone", plot.COLOURS[1]),
            ("wide_four", "four-term", plot.COLOURS[0]),
        ):
            y = np.maximum(a[key][row, 1:], FLOOR)
            axes[1].plot(lag, y, color=colour, ls=style, label=f"{label}, {name}")
    for ax in axes:
        ax.set(yscale="log", xlabel="lag t − k (steps)", ylim=(FLOOR, 10))
        ax.set_yticks(10.0 ** np.arange(-16, 1, 4))
        ax.legend(loc="center right")
    axes[0].set_ylabel("relative error of dC/dC")
    return figure


def _gates(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.7))
    axes[0].loglog(a["path_gains"], a["path_ratio"], marker="o", ms=4, color=plot.COLOURS[0])
    axes[0].axhline(1, **DASHED)
    axes[0].set(xlabel="recurrent gain", ylabel="gate paths / forget gate")
    bias = np.array(FORGET_BIASES)
    kinds = (("b_i = 0", plot.COLOURS[1], "s"), ("b_i = −b_f", plot.COLOURS[0], "o"))
    for i, (name, colour, marker) in enumerate(kinds):
        line = {"color": colour, "marker": marker, "ms": 4, "label": name}
        axes[1].semilogy(bias, a["raised_distance"][i], **line)
        rate = np.median(a["raised_rates"][i], axis=-1)
        axes[2].semilogy(bias, 1 / np.abs(rate), color=colour, lw=1)
        for some, face in ((rate < 0, colour), (rate > 0, "white")):
            point = {"ls": "", "color": colour, "marker": marker, "ms": 5, "mfc": face}
            axes[2].semilogy(bias[some], 1 / np.abs(rate[some]), **point)
    axes[2].semilogy(bias, 1 / np.log1p(np.exp(-bias)), **DASHED)
    axes[1].set(xlabel="forget bias b_f", ylabel="‖G − I‖")
    axes[2].set(xlabel="forget bias b_f", ylabel="horizon 1/|λ₁| (steps)")
    axes[1].legend(loc="lower left")
    handles = [
        Line2D([], [], ls="", marker="o", color=plot.INK, label="λ₁ < 0"),
        Line2D([], [], ls="", marker="o", color=plot.INK, mfc="white", label="λ₁ > 0"),
        Line2D([], [], label="−1/ln σ(b_f)", **DASHED),
    ]
    axes[2].legend(handles=handles, loc="upper left")
    return figure


VERSIONS = ("1997, exact", "1997, truncated", "2000, forget gate")
UNITS = ("w = 1", "w = −1", "w = 0.99")


def _structure(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.9))
    kinds = ("exact", "cut", "later")
    units = ("carousel", "flip", "leak")
    columns = (
        (VERSIONS, [f[f"structure_{k}_blocks"] for k in kinds], "blocks of weights"),
        (VERSIONS, [f[f"structure_{k}_from_h"] for k in kinds], "derivatives by h not zero"),
        (UNITS, [f[f"unit_{u}_last"] for u in units], f"|product| over {f['unit_lags']} steps"),
    )
    for ax, (names, values, label) in zip(axes, columns, strict=True):
        bars = ax.barh(range(3), values, color=plot.COLOURS[0], height=0.55, lw=0)
        labels = [f"{value:.2g}" if value < 1 else f"{value:g}" for value in values]
        ax.bar_label(bars, labels, padding=4)
        ax.set_yticks(range(3), names)
        ax.set(xlabel=label, ylim=(2.6, -0.6), xlim=(0, 1.18 * max(values)))
        ax.grid(axis="y", visible=False)
    return figure
