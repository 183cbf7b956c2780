"""Figures of the eigenvalue rule: the sweep through ρ(W) = 1 and the spectra behind it."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analyses.common.pictures import WIDTH, save
from analyses.eigenvalue_decay import networks, panels
from analyses.eigenvalue_decay.panels import TITLES, WRONG
from rnnjac import plot

MARKERS = ("s", "o", "^", "D")


def draw(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any], out: Path) -> None:
    """Write every figure."""
    parts = {
        "eigenvalue_decay.png": _sweep,
        "eigenvalue_decay_gradient.png": _gradient,
        "eigenvalue_decay_spectra.svg": _spectra,
        **panels.FIGURES,
    }
    save({name: partial(part, arrays, facts) for name, part in parts.items()}, out)


def _sweep(a: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(2, 4, figsize=(WIDTH, 6.2), sharex="row", sharey=True)
    alive = a["net_exponent"][np.isfinite(a["net_exponent"])]
    low, high = alive.min() - 0.15, alive.max() + 0.25
    a = {**a, "net_exponent": np.maximum(a["net_exponent"], low)}
    for row, x in zip(axes, ("net_log_radius", "net_bound"), strict=True):
        left, right = a[x].min() - 0.12, a[x].max() + 0.12
        for kind, ax in enumerate(row):
            ax.plot([-4, 4], [-4, 4], ls="--", color=plot.INK, lw=1, zorder=1)
            ax.axhline(0, color=plot.INK, lw=0.8, zorder=1)
            ax.set(xlim=(left, right), ylim=(low, high))
            _dots(ax, a, x, "net_exponent", a["net_activation"] == kind)
    for ax, title in zip(axes[0], TITLES, strict=True):
        ax.set_title(title)
        ax.axvline(0, color=plot.INK, lw=0.8, zorder=1)
        ax.fill_between([0, 4], -4, 0, color=WRONG, lw=0, zorder=0)
        ax.fill_between([-4, 0], 0, 4, color=WRONG, lw=0, zorder=0)
    trained = np.log(a["train_radius"][:, -1]).ravel(), a["train_gradient"][:, -1].ravel()
    axes[0, 1].plot(*trained, "x", color="black", ms=4.5, mew=1, zorder=3)
    most = max(np.abs(trained[0]).max(), np.abs(a["net_log_radius"]).max()) + 0.1
    axes[0, 0].set_xlim(-most, most)
    axes[0, 0].set_ylabel("$\\lambda_1$ (nat per step)")
    axes[1, 0].set_ylabel("$\\lambda_1$ (nat per step)")
    for ax in axes[0]:
        ax.set_xlabel("ln ρ(W)")
    for ax in axes[1]:
        ax.set_xlabel("bound ln(γ $\\sigma_{\\max}$)")
    extra = [
        Line2D([], [], color="black", ls="", marker="x", ms=5, label="trained (tanh)"),
        Line2D([], [], color=plot.INK, ls="--", lw=1, label="identity line"),
        Patch(color=WRONG, label="rule has the wrong sign"),
    ]
    figure.legend(handles=[*_keys(), *extra], loc="outside upper center", ncols=5)
    return figure


def _dots(ax: Axes, a: Mapping[str, np.ndarray], x: str, y: str, where: np.ndarray) -> None:
    """One marker for each family; hollow without input, filled with."""
    for family, marker in enumerate(MARKERS):
        colour = plot.COLOURS[family]
        for drive, face in enumerate(("none", colour)):
            some = where & (a["net_family"] == family) & (a["net_drive"] == drive)
            style = {"color": colour, "mfc": face, "ms": 3.6, "mew": 0.8, "alpha": 0.8}
            ax.plot(a[x][some], a[y][some], ls="", marker=marker, **style)


def _keys() -> list[Line2D]:
    families = [
        Line2D([], [], color=c, ls="", marker=m, ms=5, label=name)
        for name, m, c in zip(networks.FAMILIES, MARKERS, plot.COLOURS, strict=False)
    ]
    drives = [
        Line2D([], [], color=plot.INK, mfc=face, ls="", marker="o", ms=5, label=name)
        for name, face in (("no input (hollow)", "none"), ("driven (filled)", plot.INK))
    ]
    return families + drives


def _gradient(a: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.4))
    every = np.isfinite(a["net_exponent"]) & np.isfinite(a["net_gradient"])
    for ax, x, y in (
        (axes[0], "net_exponent", "net_gradient"),
        (axes[1], "net_log_mean_radius", "net_exponent"),
    ):
        where = every & np.isfinite(a[x])
        ax.axline((0, 0), slope=1, ls="--", color=plot.INK, lw=1, zorder=1)
        _dots(ax, a, x, y, where)
    axes[0].set_xlabel("$\\lambda_1$ (nat per step)")
    axes[0].set_ylabel("rate of the gradient (nat per step)")
    axes[1].set_xlabel("ln ρ of the average Jacobian")
    axes[1].set_ylabel("$\\lambda_1$ (nat per step)")
    line = Line2D([], [], color=plot.INK, ls="--", lw=1, label="identity line")
    figure.legend(handles=[*_keys(), line], loc="outside upper center", ncols=4)
    return figure


def _spectra(a: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 4, figsize=(WIDTH, 3.6), sharey=True)
    chosen, rates = a["full_net"], a["full_rates"]
    radius = a["net_radius"][chosen]
    tanh = a["net_activation"][chosen] == networks.ACTIVATIONS.index("tanh")
    ends = ((radius.min(), plot.COLOURS[0]), (radius.max(), plot.COLOURS[1]))
    index = np.arange(1, rates.shape[-1] + 1)
    for family, ax in enumerate(axes):
        for value, colour in ends:
            some = tanh & (a["net_family"][chosen] == family) & (radius == value)
            for curve, alpha in zip(rates[some][0], (0.35, 0.6, 1.0), strict=True):
                ax.plot(
                    index, np.where(np.isfinite(curve), curve, np.nan), color=colour, alpha=alpha
                )
            ax.axhline(np.log(value), color=colour, ls="--", lw=1.2)
        ax.axhline(0, color=plot.INK, lw=0.8)
        ax.set_yscale("symlog", linthresh=2, linscale=2)
        ax.set_ylim(1.2 * rates[np.isfinite(rates) & tanh[:, None, None]].min(), 1.5)
        ax.set_yticks([1, 0, -1, -2, -5, -10, -20, -50], "1 0 −1 −2 −5 −10 −20 −50".split())
        ax.minorticks_off()
        ax.set_title(networks.FAMILIES[family])
        ax.set_xlabel("index of the singular value")
    axes[0].set_ylabel("log σ per step (nat)")
    handles = [
        handle
        for value, colour in ends
        for handle in (
            Line2D([], [], color=colour, label=f"measured, ρ = {value:g}"),
            Line2D([], [], color=colour, ls="--", lw=1.2, label=f"ln ρ(W), ρ = {value:g}"),
        )
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure
