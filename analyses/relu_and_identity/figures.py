"""Figures of the ReLU networks."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from analyses.common.pictures import WIDTH, save
from analyses.relu_and_identity import networks
from rnnjac import plot

DASHED = {"color": plot.INK, "ls": "--", "lw": 1.2}


def draw(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any], out: Path) -> None:
    """Write every figure."""
    parts = {"gain": _gain, "masks": _masks, "rank": _rank}
    save({f"relu_{name}.svg": partial(part, arrays, facts) for name, part in parts.items()}, out)


def _gain(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.0), sharey=True)
    grid, rates = a["gain_grid"], a["gain_rates"]
    names = ("ReLU, no input", "ReLU, noise", "tanh, noise")
    for i, (name, ls) in enumerate(zip(names, ("-", "-.", "--"), strict=True)):
        colour = plot.COLOURS[i]
        axes[0].plot(grid, np.median(rates[i], axis=1), ls=ls, color=colour, label=name)
    axes[0].plot(grid, rates[0], ls="", marker="o", ms=3, color=plot.COLOURS[0], alpha=0.5)
    axes[0].plot(grid, a["gain_theory"], label="ln(g/√2)", **DASHED)
    axes[0].plot(grid, np.log(grid), **{**DASHED, "ls": ":"}, label="ln g")
    axes[0].set_xscale("log")
    axes[0].set_xticks([0.7, 1, 1.4, 2, 2.8], "0.7 1 1.4 2 2.8".split())
    axes[0].minorticks_off()
    axes[0].set(xlabel="gain g", ylabel="$\\lambda_1$ (nat per step)")
    axes[0].legend(loc="lower right")
    x = np.log(a["gain_radii"])
    axes[1].fill_between([0, 2], -2, 0, color="#f3e3ea", lw=0, zorder=0, label="rule is wrong")
    axes[1].plot(x, rates[0], ls="", marker="o", ms=4, color=plot.COLOURS[0])
    axes[1].axline((0, 0), slope=1, label="λ₁ = ln ρ(W)", **{**DASHED, "ls": ":"})
    axes[1].axvline(0, color=plot.INK, lw=0.8)
    axes[1].set(xlabel="ln ρ(W)", xlim=(x.min() - 0.1, x.max() + 0.1))
    axes[1].legend(loc="upper left")
    low = min(rates[0].min(), rates[2].min())
    axes[0].set_ylim(low - 0.1, rates[0].max() + 0.25)
    for ax in axes:
        ax.axhline(0, color=plot.INK, lw=0.8)
    return figure


def _masks(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.9))
    t = np.arange(1, len(a["tilted_logs"]) + 1)
    power, logs = np.eye(2), []
    for _ in t:
        power = np.array(networks.TILTED) @ power
        logs.append(np.log(np.linalg.norm(power, 2)))
    axes[0].plot(t, a["tilted_logs"][:, 0], color=plot.COLOURS[1], label="product of Jacobians")
    axes[0].plot(t, logs, color=plot.COLOURS[0], ls="-.", label="Wᵗ")
    axes[0].plot(t, t * np.log(f["tilted_radius"]), label="ρ(W)ᵗ", **DASHED)
    axes[0].axhline(0, color=plot.INK, lw=0.8)
    axes[0].set(xlabel="time (steps)", ylabel="log of the norm (nat)")
    axes[0].legend(loc="upper left")
    counts = np.arange(f["mask_units"] + 1)
    radius, active = a["mask_radius"], a["mask_active"]
    curves = np.array(
        [np.quantile(radius[:, active == c], (0, 0.05, 0.5, 0.95, 1)) for c in counts]
    ).T
    colour = plot.COLOURS[0]
    axes[1].fill_between(counts, curves[0], curves[4], color=colour, alpha=0.12, lw=0, label="all")
    axes[1].fill_between(counts, curves[1], curves[3], color=colour, alpha=0.3, lw=0, label="90%")
    axes[1].plot(counts, curves[2], color=colour, marker="o", ms=4, label="median")
    axes[1].axhline(1, **DASHED)
    axes[1].set(xlabel="active units", ylabel="ρ(D W) / ρ(W)")
    axes[1].legend(loc="upper left")
    return figure


def _rank(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.8), sharey=True)
    for i, bias in enumerate(networks.THRESHOLDS):
        colour, name = plot.COLOURS[i], f"bias {bias:g}".replace("-", "−")
        times = a["rank_times"]
        axes[0].plot(times, a["rank_counts"][i].mean(axis=0), color=colour, label=name)
        dots = {"ls": "", "marker": "o", "ms": 5, "mfc": "none", "color": colour}
        axes[0].plot(times, a["rank_least_active"][i].mean(axis=0), **dots)
    axes[0].plot([], [], ls="", marker="o", mfc="none", color=plot.INK, label="least active")
    axes[0].set(xscale="log", xlabel="lag (steps)", ylabel="directions left")
    axes[0].legend(loc="upper right", ncols=2)
    t = np.arange(1, f["identity_steps"] + 1)
    for i, name in enumerate(("positive", "signed")):
        label = ("positive inputs", "inputs of both signs")[i]
        axes[1].plot(
            t, a[f"identity_{name}"], color=plot.COLOURS[i], ls=("-", "-.")[i], label=label
        )
    axes[1].set(xscale="log", xlabel="lag (steps)", title="W = I")
    axes[1].legend(loc="center right")
    axes[0].set_title(f"Gaussian W, {f['rank_units']} units")
    axes[0].set_ylim(0, f["rank_units"] + 2)
    return figure
