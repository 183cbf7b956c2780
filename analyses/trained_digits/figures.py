"""The figures of the digit readers, from stored numbers alone."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import SymLogNorm
from matplotlib.ticker import FuncFormatter, NullLocator

import rnnjac.plot

BAND = (0.1, 0.9)  # quantiles
COLOURS = tuple(rnnjac.plot.COLOURS[i] for i in (1, 0, 3))  # of the gains


def draw(arrays: dict[str, np.ndarray], meta: dict[str, Any], out: Path) -> None:
    """The four figures that ``captions`` lists."""
    pictures = (_training, _gradients, _spectra, _reach)
    with rnnjac.plot.style(), mpl.rc_context({"svg.hashsalt": "rnnjac", "svg.fonttype": "path"}):
        for picture, row in zip(pictures, captions(arrays), strict=True):
            figure = picture(arrays)
            figure.savefig(out / row["file"], metadata={"Date": None}, bbox_inches="tight")
            plt.close(figure)


def captions(arrays: dict[str, np.ndarray]) -> list[dict[str, str]]:
    """File, caption and alternative text of each figure; every number in them is measured."""
    return [
        {"file": f"trained_digits_{name}.svg", "caption": caption, "alt": alt}
        for name, (caption, alt) in {
            "training": _training_words(arrays),
            "gradients": _gradients_words(arrays),
            "spectra": _spectra_words(arrays),
            "reach": _reach_words(arrays),
        }.items()
    ]


# Training curves


def _training(arrays: dict[str, np.ndarray]) -> Any:
    figure, axes = plt.subplots(2, 3, figsize=(9.6, 5.4), sharex=True)
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
    axes[1, 0].axhline(1, color=rnnjac.plot.INK, lw=0.8, zorder=0.5)
    axes[1, 1].axhline(1, color=rnnjac.plot.INK, lw=0.8, zorder=0.5)
    axes[1, 2].axhline(0, color=rnnjac.plot.INK, lw=0.8, zorder=0.5)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=3)
    return figure


_CURVES = ("losses", "clipped", "accuracy", "radius", "norm", "spectra")


def _leading(spectra: np.ndarray) -> np.ndarray:
    """Median over images of the leading exponent of the whole sequence; last axes (time, index)."""
    return np.median(spectra[..., -1, 0], axis=-1) / 64


def _training_words(arrays: dict[str, np.ndarray]) -> tuple[str, str]:
    ends = 100 * arrays["accuracy"][:, :, -1].mean(1)
    leading = _leading(arrays["spectra"]).mean(1)
    seeds = arrays["losses"].shape[1]
    window = max(1, arrays["losses"].shape[-1] // 60)
    each = "one line" if seeds == 1 else f"{seeds} lines, one for each seed,"
    caption = (
        f"Training, {each} for each gain of the orthogonal start. Loss and gradient norm "
        f"(before clipping) are medians of {window} updates; accuracy is that on the "
        f"{arrays['tested']} test images, {_each(arrays, ends, '{:.1f} %')} at the end. The "
        "leading exponent, the log of the largest singular value of the product of all 64 steps "
        f"over 64 (median of {arrays['spectra'].shape[3]} test images), is, in nat per step, "
        f"{_moves(arrays, leading, '{:.2f}')}."
    )
    alt = "Six line plots against the number of updates: loss, accuracy, gradient norm, spectral "
    alt += "radius, spectral norm and leading exponent, with one colour for each of three gains. "
    alt += f"Accuracy at the end: {_each(arrays, ends, '{:.1f} %')}."
    return caption, alt


# Before, during and after: one panel for each gain


def _shown(arrays: dict[str, np.ndarray]) -> list[int]:
    """The stops that are drawn: the start, two during training, the end."""
    last = arrays["stops"].size - 1
    return sorted({0, 1, last // 3, last})


def _panels(arrays: dict[str, np.ndarray], height: float = 3.4, rows: int = 1) -> Any:
    figure, axes = plt.subplots(
        rows, len(arrays["gains"]), figsize=(9.6, height), sharex=True, squeeze=False
    )
    for place, gain in zip(axes[0], arrays["gains"], strict=True):
        place.set_title(f"gain {gain:g}", fontsize=11)
    return figure, axes


def _compare(place: Any, x: np.ndarray, values: np.ndarray, arrays: dict[str, np.ndarray]) -> None:
    """Median and band of ``values`` (stop, image, x) at the stops shown, early pale, late dark."""
    shown = _shown(arrays)
    shades = mpl.colormaps["viridis_r"](np.linspace(0.12, 1, len(shown)))
    for colour, stop in zip(shades, shown, strict=True):
        low, middle, high = np.quantile(values[stop], (BAND[0], 0.5, BAND[1]), axis=0)
        place.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
        place.plot(x, middle, color=colour, lw=1.6, label=_when(arrays, stop))
    place.axhline(0, color=rnnjac.plot.INK, lw=0.8, zorder=0.5)


def _when(arrays: dict[str, np.ndarray], stop: int) -> str:
    updates = arrays["stops"][stop]
    return f"after {updates} updates" if updates else "before training"


def _gradients(arrays: dict[str, np.ndarray]) -> Any:
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


def _gradients_words(arrays: dict[str, np.ndarray]) -> tuple[str, str]:
    logs = arrays["gradients"][:, 0]
    whole = np.median(logs[..., 0] - logs[..., -1], axis=-1)
    caption = (
        "Norm of the gradient of the loss with respect to the state at each lag, divided by that "
        f"at lag 0: median and 10 to 90 % band of {logs.shape[2]} test images (first seed; each "
        "panel has its own scale). Over all 64 pixels the median log changes, in nat, by "
        f"{_moves(arrays, whole, '{:+.1f}')}."
    )
    alt = "Three panels, gains 0.3, 1 and 3: log gradient norm against lag, with one line and band "
    alt += "for each of the stops of training shown. Change over 64 pixels, in nat: "
    alt += f"{_moves(arrays, whole, '{:+.1f}')}."
    return caption, alt


def _spectra(arrays: dict[str, np.ndarray]) -> Any:
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


def _spectra_words(arrays: dict[str, np.ndarray]) -> tuple[str, str]:
    spectra = arrays["spectra"][:, 0, :, :, -1]
    growing = np.median((spectra > 0).sum(-1), axis=-1)
    span = np.median(spectra[..., 0] - spectra[..., -1], axis=-1)
    caption = (
        f"Every singular value of the Jacobian product of the first {arrays['times'][0]} and of "
        f"all {arrays['times'][-1]} steps, in nat per step: median and 10 to 90 % band of "
        f"{spectra.shape[2]} test images (first seed; each panel has its own scale). Directions "
        f"that grow over the whole sequence: {_moves(arrays, growing, '{:.0f}')}. From the "
        "largest to the smallest log singular value, in nat: "
        f"{_moves(arrays, span, '{:.0f}')}."
    )
    alt = "Panels for three gains and two lengths of product: exponents in descending order, with "
    alt += "one line for each of the stops of training shown. Exponents above 0 over 64 steps: "
    alt += f"{_moves(arrays, growing, '{:.0f}')}."
    return caption, alt


# Reach maps


def _reach(arrays: dict[str, np.ndarray]) -> Any:
    maps = arrays["reach"]
    limit = np.nanmax(np.abs(maps))
    figure, axes = plt.subplots(2, len(maps), figsize=(9.6, 6.0), sharex=True, sharey=True)
    colours = mpl.colormaps["RdBu_r"].with_extremes(bad=rnnjac.plot.UNDEFINED)
    scale = SymLogNorm(1, vmin=-limit, vmax=limit)
    stride = 64 / (maps.shape[-1] - 1)
    edge = (-stride / 2, 64 + stride / 2)
    for column, gain in enumerate(arrays["gains"]):
        for row, when in enumerate(("before", "after")):
            place, values = axes[row, column], maps[column, row]
            place.imshow(values, cmap=colours, norm=scale, origin="lower", extent=edge * 2)
            place.set_title(f"gain {gain:g}, {when} training", fontsize=10.5)
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
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _minus(f"{value:g}")))
    bar.ax.set_ylim(np.nanmin(maps), np.nanmax(maps))  # only the part of the scale that occurs
    bar.set_label("log $\\sigma_1$ from start to end (nat)")
    return figure


def _reach_words(arrays: dict[str, np.ndarray]) -> tuple[str, str]:
    corner = arrays["reach"][:, :, -1, 0]
    caption = (
        "Log of the largest singular value of the Jacobian product between every two times while "
        "one test image is read, on one colour scale: red, a small change of the state at the "
        "start has grown by the end; blue, it has shrunk; grey, no product. From the first pixel "
        f"to the last, in nat: {_moves(arrays, corner, '{:+.1f}')}. "
        "The colours are linear from −1 to 1 and logarithmic beyond."
    )
    alt = "Six triangular heat maps, before and after training for the gains 0.3, 1 and 3, with "
    alt += "the start of the product along the horizontal and its end along the vertical axis. "
    alt += f"Their corners, first pixel to last, in nat: {_moves(arrays, corner, '{:+.1f}')}."
    return caption, alt


# Words


def _each(arrays: dict[str, np.ndarray], values: np.ndarray, form: str) -> str:
    """``values`` (gain,) as text."""
    texts = [_minus(form.format(value)) for value in values]
    gains = [f"{gain:g}" for gain in arrays["gains"]]
    return f"{_list(texts)} for the gains {_list(gains)}"


def _moves(arrays: dict[str, np.ndarray], values: np.ndarray, form: str) -> str:
    """First and last of ``values`` (gain, stop), before and after training, as text."""
    return ", ".join(
        _minus(f"{form.format(row[0])} before and {form.format(row[-1])} after (gain {gain:g})")
        for gain, row in zip(arrays["gains"], values, strict=True)
    )


def _list(texts: list[str]) -> str:
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def _minus(text: str) -> str:
    return text.replace("-", "−")
