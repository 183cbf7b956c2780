"""The figures of the digit readers, from stored numbers alone."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import SymLogNorm
from matplotlib.ticker import FuncFormatter, NullLocator

from analyses.common.pictures import WIDTH, save
from rnnjac import plot

BAND = (0.1, 0.9)  # quantiles
COLOURS = tuple(plot.COLOURS[i] for i in (1, 0, 3))  # of the gains


def draw(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any], out: Path) -> None:
    """Write every figure."""
    parts = {"training": _training, "gradients": _gradients, "spectra": _spectra, "reach": _reach}
    parts["slopes"] = _slopes
    save({f"trained_digits_{name}.svg": partial(part, arrays) for name, part in parts.items()}, out)


# Training curves


def _training(arrays: Mapping[str, np.ndarray]) -> Any:
    figure, axes = plt.subplots(2, 3, figsize=(WIDTH, 5.4), sharex=True)
    stops, updates = arrays["stops"], np.arange(1, arrays["losses"].shape[-1] + 1)
    window = max(1, updates.size // 60)
    whole = updates.size // window * window
    middle = updates[:whole].reshape(-1, window).mean(1)
    for number, (gain, colour) in enumerate(zip(arrays["gains"], COLOURS, strict=True)):
        for seed in range(arrays["losses"].shape[1]):
            look = {"color": colour, "lw": 1.4, "label": f"gain {gain:g}" if seed == 0 else None}
            of = {name: values[number, seed] for name, values in arrays.items() if name in _CURVES}
            for place, name in ((axes[0, 0], "losses"), (axes[0, 2], "clipped")):
                blocks = of[name][:whole].reshape(-1, window)
                place.plot(middle, np.median(blocks, axis=1), **look)
            axes[0, 1].plot(stops, 100 * of["accuracy"], **look)
            axes[1, 0].plot(stops, of["radius"], **look)
            axes[1, 1].plot(stops, of["norm"], **look)
            axes[1, 2].plot(stops, _leading(of["spectra"]), **look)
    labels = (
        "training loss (nat)",
        "test accuracy (%)",
        "gradient norm",
        "spectral radius of $W_s$",
        "spectral norm of $W_s$",
        "$\\lambda_1$ (nat per step)",
    )
    for place, label in zip(axes.flat, labels, strict=True):
        place.set_ylabel(label)
    for place in axes[1]:
        place.set_xlabel("updates")
    axes[0, 0].set_yscale("log")
    axes[0, 1].set_ylim(0, 100)
    axes[0, 2].set_yscale("log")
    axes[1, 0].axhline(1, color=plot.INK, lw=0.8, zorder=0.5)
    axes[1, 1].axhline(1, color=plot.INK, lw=0.8, zorder=0.5)
    axes[1, 2].axhline(0, color=plot.INK, lw=0.8, zorder=0.5)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=3)
    return figure


_CURVES = ("losses", "clipped", "accuracy", "radius", "norm", "spectra")


def _leading(spectra: np.ndarray) -> np.ndarray:
    """Median over images of the leading exponent of the whole sequence; last axes (time, index)."""
    return np.median(spectra[..., -1, 0], axis=-1) / 64


# Before, during and after: one panel for each gain


def _shown(arrays: Mapping[str, np.ndarray]) -> list[int]:
    """The stops that are drawn: the start, two during training, the end."""
    last = arrays["stops"].size - 1
    return sorted({0, 1, last // 3, last})


def _panels(arrays: Mapping[str, np.ndarray], height: float = 3.4, rows: int = 1) -> Any:
    figure, axes = plt.subplots(
        rows, len(arrays["gains"]), figsize=(WIDTH, height), sharex=True, squeeze=False
    )
    for place, gain in zip(axes[0], arrays["gains"], strict=True):
        place.set_title(f"gain {gain:g}")
    return figure, axes


def _compare(
    place: Any, x: np.ndarray, values: np.ndarray, arrays: Mapping[str, np.ndarray]
) -> None:
    """Median and band of ``values`` (stop, image, x) at the stops shown, early pale, late dark."""
    shown = _shown(arrays)
    shades = mpl.colormaps["viridis_r"](np.linspace(0.12, 1, len(shown)))
    for colour, stop in zip(shades, shown, strict=True):
        low, middle, high = np.quantile(values[stop], (BAND[0], 0.5, BAND[1]), axis=0)
        place.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
        place.plot(x, middle, color=colour, lw=1.6, label=_when(arrays, stop))
    place.axhline(0, color=plot.INK, lw=0.8, zorder=0.5)


def _when(arrays: Mapping[str, np.ndarray], stop: int) -> str:
    updates = arrays["stops"][stop]
    return f"after {updates} updates" if updates else "before training"


def _gradients(arrays: Mapping[str, np.ndarray]) -> Any:
    figure, axes = _panels(arrays)
    lags = np.arange(65)
    for place, values in zip(axes[0], arrays["gradients"][:, 0], strict=True):
        _compare(place, lags, (values - values[..., -1:])[..., ::-1], arrays)
        place.set_xticks(range(0, 65, 16))
        place.set_xlabel("lag (pixels before the last)")
    axes[0, 0].set_ylabel("log gradient norm,\nrelative to lag 0 (nat)")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=4)
    return figure


def _spectra(arrays: Mapping[str, np.ndarray]) -> Any:
    times = arrays["times"]
    figure, axes = _panels(arrays, 5.4, len(times))
    index = np.arange(1, arrays["spectra"].shape[-1] + 1)
    for row, time in enumerate(times):
        for place, values in zip(axes[row], arrays["spectra"][:, 0, :, :, row], strict=True):
            _compare(place, index, values / time, arrays)
        axes[row, 0].set_ylabel(f"{time} steps:\nlog $\\sigma_i$ / {time} (nat per step)")
    for place in axes[-1]:
        place.set_xlabel("index $i$")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=4)
    return figure


# Slopes, and what the early pixels count for


def _slopes(arrays: Mapping[str, np.ndarray]) -> Any:
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.5))
    stops = arrays["stops"]
    for number, (gain, colour) in enumerate(zip(arrays["gains"], COLOURS, strict=True)):
        near = 100 * arrays["slope_near_one"][number]
        axes[0].plot(stops, near.T, color=colour, lw=0.6, alpha=0.4)
        axes[0].plot(stops, near.mean(0), color=colour, label=f"gain {gain:g}")
        for name, line in (("accuracy", "-"), ("accuracy_swapped", ":")):
            axes[1].plot(stops, 100 * arrays[name][number].mean(0), color=colour, ls=line)
    for name, line in (("own", "-"), ("of another image", ":")):
        axes[0].plot([], [], color=plot.INK, ls=line, label=f"first 32 pixels {name}")
    axes[0].set(xlabel="updates", ylabel="slopes near 1 (%)", ylim=(0, None))
    axes[1].set(xlabel="updates", ylabel="digits named rightly (%)", ylim=(0, 100))
    terms = arrays["weight_terms"]
    axes[2].plot(np.arange(1, terms.size + 1), terms, color=COLOURS[1])
    axes[2].set(xlabel="pixel", ylabel="norm of what its step adds", ylim=(0, None))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure


# Reach maps


def _reach(arrays: Mapping[str, np.ndarray]) -> Any:
    maps = arrays["reach"]
    limit = np.nanmax(np.abs(maps))
    figure, axes = plt.subplots(2, len(maps), figsize=(WIDTH, 6.0), sharex=True, sharey=True)
    colours = mpl.colormaps["RdBu_r"].with_extremes(bad=plot.UNDEFINED)
    scale = SymLogNorm(1, vmin=-limit, vmax=limit)
    stride = 64 / (maps.shape[-1] - 1)
    edge = (-stride / 2, 64 + stride / 2)
    for column, gain in enumerate(arrays["gains"]):
        for row, when in enumerate(("before", "after")):
            place, values = axes[row, column], maps[column, row]
            place.imshow(values, cmap=colours, norm=scale, origin="lower", extent=edge * 2)
            place.set_title(f"gain {gain:g}, {when} training")
            place.set_xticks(range(0, 65, 16))
            place.set_yticks(range(0, 65, 16))
            place.grid(False)
        axes[1, column].set_xlabel("start (pixel)")
    for place in axes[:, 0]:
        place.set_ylabel("end (pixel)")
    bar = figure.colorbar(ScalarMappable(scale, colours), ax=axes, shrink=0.7)
    ticks = [tick for tick in (1, 3, 10, 30, 100, 300) if tick <= limit]
    bar.set_ticks([*(-t for t in ticks[::-1]), 0, *ticks], minor=False)
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    bar.ax.set_ylim(np.nanmin(maps), np.nanmax(maps))  # only the part of the scale that occurs
    bar.set_label("log $\\sigma_1$ from start to end (nat)")
    return figure
