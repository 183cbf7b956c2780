"""Figures of the cliff of one unit, from stored numbers alone."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.colors import LogNorm

from analyses.cliff import folds, surface
from analyses.common.pictures import WIDTH, save
from rnnjac import plot

DASHED = {"color": plot.INK, "ls": "--", "lw": 1.1}
PATHS = (plot.COLOURS[1], plot.COLOURS[0], plot.COLOURS[2])  # by threshold
NAMES = ("not clipped", *(f"clipped at {t:g}" for t in surface.THRESHOLDS[1:]))
HALO = [patheffects.withStroke(linewidth=3.2, foreground="white", alpha=0.9)]


def draw(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any], out: Path) -> None:
    """Write every figure."""
    parts = {"surface": _surface, "wall": _wall, "descent": _descent, "bifurcation": _bifurcation}
    save({f"cliff_{name}.svg": partial(part, arrays) for name, part in parts.items()}, out)


def _surface(a: Mapping[str, np.ndarray]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.5))
    figure.get_layout_engine().set(w_pad=0.12)
    w, b = a["grid_w"], a["grid_b"]
    extent = (w[0], w[-1], b[0], b[-1])
    _image(axes[0], a["grid_error"], extent, LogNorm(2e-3, 0.5), "YlGnBu_r", "error E")
    axes[0].plot(w, surface.wall(w), **{**DASHED, "lw": 1})
    for k, (path, width) in enumerate(zip(a["path"][:, 0], (1.2, 1.2, 2.0), strict=True)):
        look = {"color": PATHS[k], "lw": width, "marker": "" if k else ".", "ms": 5}
        axes[0].plot(*_thinned(path).T, label=NAMES[k], path_effects=HALO, **look)
    axes[0].plot(*a["path"][0, 0, 0], "o", ms=7, mfc="white", mec=plot.INK, zorder=5)
    axes[0].plot(*a["path"][0, 0, -1], "X", ms=9, mec="white", color=PATHS[0], zorder=5)
    axes[0].set(xlabel="weight w", ylabel="bias b", xlim=extent[:2], ylim=extent[2:])
    axes[0].legend(loc="upper right", frameon=True, framealpha=0.9, facecolor="white")
    below, above = a["close_slope"]
    rows = np.concatenate([below[::-1], above])
    span = surface.NEAREST
    norm, label = LogNorm(1e-2, 1e8), "gradient norm |∇E|"
    _image(axes[1], rows, (w[0], w[-1], -span, span), norm, "magma_r", label)
    axes[1].axhline(0, color="white", lw=1.2)
    ticks = np.arange(1, span + 1, 4)
    names = [f"10$^{{{t - span}}}$" for t in ticks]
    axes[1].set_yticks([*-ticks[::-1], *ticks], [*(f"−{n}" for n in names[::-1]), *names])
    axes[1].set(xlabel="weight w", ylabel="distance from the wall, b − b*")
    return figure


def _image(ax: Any, values: np.ndarray, extent: Any, norm: Any, colours: str, label: str) -> None:
    look = {"origin": "lower", "aspect": "auto", "norm": norm, "cmap": colours}
    image = ax.imshow(values, extent=extent, interpolation="nearest", **look)
    ax.grid(False)
    ends = (np.nanmin(values) < norm.vmin) + 2 * (np.nanmax(values) > norm.vmax)
    extend = ("neither", "min", "max", "both")[ends]
    ax.figure.colorbar(image, ax=ax, label=label, extend=extend, pad=0.02)


def _thinned(path: np.ndarray) -> np.ndarray:
    """The points of a path that lie visibly apart from the one kept before, on the map."""
    kept = [0]
    for i, point in enumerate(path):
        if np.abs(point - path[kept[-1]]).max() > 0.02:
            kept.append(i)
    return path[kept]


_ARROW = {"arrowstyle": "-", "color": plot.INK, "lw": 0.8}


def _wall(a: Mapping[str, np.ndarray]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.0))
    w = np.linspace(3.5, 7, 400)
    axes[0].plot(w, surface.steepness(w), color=plot.COLOURS[0], label="on the wall, exact")
    found = np.hypot(*a["wall_gradient"].T)
    axes[0].plot(
        *(surface.WEIGHTS, found),
        **{"ls": "", "marker": "o", "ms": 7, "mfc": "white", "mew": 1.6},
        color=plot.COLOURS[0],
        label="on the wall, autodiff",
    )
    seen = a["grid_slope"].max(axis=0)
    axes[0].plot(a["grid_w"], seen, color=plot.COLOURS[1], lw=1, label="largest on the grid")
    axes[0].axvline(surface.ALWAYS_STABLE, **{**DASHED, "ls": ":"})
    axes[0].text(surface.ALWAYS_STABLE - 0.05, 3e8, "m = 1", ha="right")
    axes[0].set(yscale="log", xlabel="weight w", ylabel="|∇E|")
    axes[0].legend(loc="upper left", bbox_to_anchor=(0, 0.78))
    for i, weight in enumerate(surface.PROFILES):
        for side, ls in ((0, "--"), (1, "-")):
            distance, slope = a["profile_distance"][i, side], a["profile_slope"][i, side]
            shown = (distance > 0) & (slope > 1e-12)
            axes[1].plot(
                *(distance[shown], slope[shown]),
                **{"color": plot.COLOURS[i], "ls": ls, "lw": 1.5},
                label=f"w = {weight:g}" if side else None,
            )
        axes[1].axvline(1 / surface.geometric(weight), color=plot.COLOURS[i], ls=":", lw=1)
    axes[1].plot([], [], label="below the wall", **{**DASHED, "lw": 1.5})
    axes[1].plot([], [], label="1 / (∂x₅₀/∂b)", color=plot.INK, ls=":", lw=1)
    axes[1].set(xscale="log", yscale="log", xlabel="distance from the wall, |b − b*|")
    axes[1].set(ylabel="|∂E/∂b|", ylim=(1e-3, None))
    axes[1].legend(loc="lower left")
    return figure


def _descent(a: Mapping[str, np.ndarray]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.9))
    for k in (1, 2, 0):
        error = a["path_error"][k, 0]
        edges = np.unique(np.geomspace(1, error.size, 60).round().astype(int) - 1)
        blocks = [error[i:j] for i, j in zip(edges[:-1], edges[1:], strict=True)]
        low, middle, high = (np.array([f(b) for b in blocks]) for f in (min, np.median, max))
        axes[0].fill_between(edges[:-1] + 1, low, high, color=PATHS[k], alpha=0.2, lw=0)
        axes[0].plot(edges[:-1] + 1, middle, color=PATHS[k], lw=1.6, label=NAMES[k])
    axes[0].set(xscale="log", yscale="log", xlabel="update", ylabel="error E")
    axes[0].axhline(surface.SOLVED, **{**DASHED, "ls": ":"})
    solved = (a["ends"] < surface.SOLVED).mean(axis=-1)
    for share, colour, name in zip(solved, PATHS, NAMES, strict=True):
        axes[1].plot(a["rates"], 100 * share, color=colour, marker="o", ms=4, label=name)
    axes[1].axvline(surface.RATE, **{**DASHED, "ls": ":"})
    axes[1].set(xscale="log", xlabel="step size", ylim=(-3, 103))
    axes[1].set_ylabel(f"starts that reach E < {surface.SOLVED:g} (%)")
    axes[1].legend(loc="upper left")
    return figure


def _bifurcation(a: Mapping[str, np.ndarray]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 4.0))
    for ax, (name, unit) in zip(axes, folds.UNITS.items(), strict=True):
        x, b, multiplier = a[f"{name}_curve"].T
        nodes = a[f"{name}_nodes"]
        ax.axvspan(*nodes[:, 1], color="#eef0f4", lw=0)
        for stable, ls in ((True, "-"), (False, "--")):
            where = (multiplier < 1) == stable
            if not stable:  # one point more at each end, so that the branches meet
                where = where | np.roll(where, 1) | np.roll(where, -1)
            ax.plot(b, np.where(where, x, np.nan), color=plot.COLOURS[0], ls=ls, lw=1.8)
        ax.plot(*nodes[:, ::-1].T, "o", ms=7, color=plot.COLOURS[1], zorder=4)
        span = max(np.ptp(nodes[:, 1]) * 1.3, 1.0)
        for (node_x, node_b), sign in zip(nodes, (1, -1), strict=True):
            text = f"b = {node_b:.6f}".replace("-", "−")
            ax.annotate(
                *(text, (node_b, node_x)),
                xytext=(-14 * sign, 16 * sign),
                **{"textcoords": "offset points", "ha": "right" if sign > 0 else "left"},
                arrowprops=_ARROW,
            )
        ax.set_title(f"{name} unit, w = {folds.WEIGHT:g}")
        ax.set(xlabel="bias b", xlim=(unit.middle - span, unit.middle + span))
        inside = x[np.abs(b - unit.middle) < span]
        ax.set_ylim(inside.min(), inside.max())
    axes[0].set_ylabel("fixed point x")
    wall = surface.wall(folds.WEIGHT)
    axes[0].plot(wall, surface.START, "X", ms=9, color=plot.COLOURS[4], zorder=5)
    axes[0].plot([], [], color=plot.COLOURS[0], label="attracting")
    axes[0].plot([], [], color=plot.COLOURS[0], ls="--", label="repelling")
    axes[0].plot([], [], "X", ms=8, color=plot.COLOURS[4], label="wall: x = 1/2")
    axes[0].legend(loc="center right", bbox_to_anchor=(1, 0.62))
    return figure
