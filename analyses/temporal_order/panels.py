"""Gradients and spectra of networks that solved the temporal order task and of others."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from analyses.common.pictures import WIDTH
from analyses.temporal_order.counts import shown_length
from rnnjac import plot

# label, colour, line, layer
GROUPS = (
    ("at the start", "#999999", "-", 2),
    ("failed", "#cc6677", "--", 3),
    ("solved", "#332288", "-", 4),
)


def spectra(a: Mapping[str, np.ndarray]) -> Any:
    """Rows are starts; columns the gradient by lag, the spectrum, and ρ(W) against the gradient."""
    at = shown_length(a)
    starts = a["starts"]
    figure, axes = plt.subplots(
        len(starts), 3, figsize=(WIDTH, 2.9 * len(starts) + 0.6), squeeze=False
    )
    for start, row in enumerate(axes):
        good = a["solved"][at, start] >= 0  # (method, seed)
        names = ("profile", "spectrum", "radius", "marker", "lag")
        begun = {name: a[f"start_{name}"][at, start] for name in names}
        failed, solved = ({name: a[name][at, start][of] for name in names} for of in (~good, good))
        for found, (label, colour, line, layer) in zip(
            (begun, failed, solved), GROUPS, strict=True
        ):
            look = {"color": colour, "ls": line, "zorder": layer}
            profile, logs = found["profile"], found["spectrum"]
            _curves(row[0], np.arange(profile.shape[-1]), profile, label, look)
            _curves(row[1], np.arange(1, logs.shape[-1] + 1), logs, label, look)
            dots = {"color": colour, "ls": "", "marker": "o", "ms": 5, "zorder": layer}
            rates = found["marker"] / found["lag"]
            row[2].plot(np.log(found["radius"]), rates, alpha=0.7, mew=0, **dots)
        for ax in row:
            ax.axhline(0, color=plot.INK, lw=0.8, zorder=1)
        row[2].axvline(0, color=plot.INK, lw=0.8, zorder=1)
        row[0].set_ylabel(f"{starts[start]}\n\nlog gradient norm (nat)")
        row[1].set_ylabel("log σᵢ (nat)")
        row[2].set_ylabel("gradient (nat per step)")
    for ax, label in zip(axes[-1], ("lag from the end (steps)", "index i", "ln ρ(W)"), strict=True):
        ax.set_xlabel(label)
    titles = ("gradient by lag", "singular values of the product", "rate against ln ρ(W)")
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title)
    handles = [plt.Line2D([], [], color=c, ls=s, lw=2, label=name) for name, c, s, _ in GROUPS]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def _curves(ax: Axes, x: np.ndarray, rows: np.ndarray, label: str, look: dict[str, Any]) -> None:
    """Every network thinly and their median; directions that are lost have no point."""
    rows = np.where(np.isfinite(rows), rows, np.nan).reshape(-1, x.size)
    if not rows.size:
        return
    ax.plot(x, rows.T, lw=0.6, alpha=0.45, **look)
    seen = np.isfinite(rows).any(0)
    ax.plot(x[seen], np.nanmedian(rows[:, seen], axis=0), lw=2, label=label, **look)
