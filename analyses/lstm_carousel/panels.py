"""Figures of rates: singular values, exponents, the gain and the ablation."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from analyses.common.pictures import WIDTH
from analyses.lstm_carousel import ablation, rates
from rnnjac import plot

LOGS = (
    "orthogonal, linear",
    "orthogonal, tanh",
    "Gaussian, tanh",
    "LSTM, b_f = 1, b_i = 0",
    "LSTM, b_f = −b_i = 5",
    "LSTM, b_f = −b_i = 8",
)
DASHES = ("-", "--", "-.", "-", "--", ":")


def _spectra(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.0), width_ratios=(1.1, 1))
    logs = a["spectra_logs"][:, :, 1]
    edges = ((1, np.inf), (-1, 1), (np.log(1e-3), -1), (-np.inf, np.log(1e-3)))
    names = ("above e", "within a factor e of 1", "1/e to 1e-3", "below 1e-3")
    colours = ("#cc6677", "#332288", "#88ccee", "#dddddd")
    left = np.zeros(len(LOGS))
    rows = np.arange(len(LOGS))[::-1]
    for (low, high), name, colour in zip(edges, names, colours, strict=True):
        share = np.mean((logs > low) & (logs <= high), axis=(1, 2))
        axes[0].barh(rows, share, left=left, color=colour, label=name, height=0.7)
        left = left + share
    axes[0].set_yticks(rows, LOGS)
    axes[0].set(xlabel="share of singular values", xlim=(0, 1))
    axes[0].grid(False)
    axes[0].legend(ncols=2, loc="lower center", bbox_to_anchor=(0.4, 1.0))
    index = np.arange(1, logs.shape[-1] + 1)
    for i, name in enumerate(LOGS):
        style = {"color": plot.COLOURS[i], "ls": DASHES[i], "lw": 1.6, "label": name}
        axes[1].plot(index, np.median(logs[i], axis=0), **style)
    axes[1].set_yscale("symlog", linthresh=1, linscale=1)
    axes[1].set_ylim(1.5 * logs[np.isfinite(logs)].min(), 10)
    axes[1].set_yticks([1, 0, -1, -10, -100, -1000], "1 0 −1 −10 −100 −1000".split())
    axes[1].minorticks_off()
    axes[1].set(xlabel="index of the singular value", ylabel="log σ (nat)")
    axes[1].legend(ncols=2, loc="lower center", bbox_to_anchor=(0.45, 1.0))
    return figure


def _exponents(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.9))
    values = a["rate_values"].mean(axis=1)
    span = 1 / f["rate_span"]
    axes[0].axhspan(-span, span, color=plot.FAINT, zorder=0)
    low, high = np.quantile(a["rate_logs"], (0.002, 0.998))
    edges = np.linspace(low, high, 70)
    for i, name in enumerate(rates.CELLS):
        style = {"color": plot.COLOURS[i], "lw": 1.5}
        shown = np.isfinite(values[i])
        axes[0].plot(np.arange(1, shown.sum() + 1), values[i][shown], label=name, **style)
        axes[1].hist(a["rate_logs"][i].ravel(), edges, density=True, histtype="step", **style)
    axes[0].set_yscale("symlog", linthresh=0.1, linscale=0.7)
    axes[0].set_yticks([0.1, 0, -0.1, -1, -10], "0.1 0 −0.1 −1 −10".split())
    axes[0].minorticks_off()
    axes[0].set_ylim(1.2 * np.nanmin(values), 0.3)
    axes[0].set(xlabel="index", ylabel="λ (nat per step)")
    axes[1].axvline(0, color=plot.INK, lw=0.8)
    axes[1].set(xlabel="growth in one step (nat)", ylabel="density", yscale="log")
    axes[0].legend(loc="center right", bbox_to_anchor=(1.0, 0.5))
    return figure


def _gain(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.6), sharey=True)
    for i, (ax, title) in enumerate(zip(axes, ("without input", "under noise"), strict=True)):
        for key, name, colour, marker in (
            ("gain_lstm", "LSTM", plot.COLOURS[0], "o"),
            ("gain_tanh", "tanh", plot.COLOURS[1], "s"),
        ):
            dots = {"color": colour, "ls": "", "marker": marker, "ms": 3.5, "alpha": 0.6}
            ax.plot(a["gain_grid"], a[key][i], **dots)
            ax.plot(a["gain_grid"], np.median(a[key][i], axis=-1), color=colour, label=name)
        ax.axhline(0, color=plot.INK, lw=0.8)
        ax.set_xscale("log")
        ax.set_xticks([0.5, 1, 2, 4, 8, 16], "0.5 1 2 4 8 16".split())
        ax.minorticks_off()
        ax.set_title(title)
        ax.set_xlabel("recurrent gain")
    axes[0].set_ylabel("$\\lambda_1$ (nat per step)")
    axes[0].legend(loc="upper left")
    return figure


def _ablation(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.9))
    width = max(1, a["task_curves"].shape[-1] // 30)
    mean = np.ones(width) / width
    for i, name in enumerate(ablation.VARIANTS):
        style = {"color": plot.COLOURS[i], "ls": DASHES[i % 3], "lw": 1.5}
        curve = np.convolve(np.median(a["task_curves"][i], axis=0), mean, "valid")
        axes[0].semilogy(np.arange(width, width + curve.size), curve, label=name, **style)
        axes[1].plot(np.median(a["task_logs"][i], axis=0), **style)
        axes[2].plot(np.median(a["task_sizes"][i], axis=0), **style)
    axes[0].set(xlabel="update", ylabel="mean squared error")
    axes[1].set(xlabel="time (steps)", ylabel="log growth (nat)")
    axes[2].set(xlabel="time (steps)", ylabel="largest |c|")
    axes[1].set_yscale("symlog", linthresh=10)
    axes[1].set_yticks([0, -10, -100], "0 −10 −100".split())
    axes[1].minorticks_off()
    axes[2].set_yscale("symlog", linthresh=1)
    axes[2].set_yticks([0, 1, 10, 100], "0 1 10 100".split())
    axes[2].minorticks_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=6)
    return figure


FIGURES = {
    "lstm_carousel_spectra.svg": _spectra,
    "lstm_carousel_exponents.svg": _exponents,
    "lstm_carousel_gain.svg": _gain,
    "lstm_carousel_ablation.svg": _ablation,
}
