"""Figures of the forget gates and of the gradient, from stored numbers alone."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import Normalize

from analyses.gates_learn.training import CONSTANT, LEARNED
from analyses.gates_learn.verdict import facts
from rnnjac import plot

# (kind, before or after, label, colour, line)
CURVES = (
    (LEARNED, 0, "before training", "#cc6677", "-"),
    (LEARNED, 1, "after", "#332288", "-"),
    (CONSTANT, 1, "after, gates constant", "#999933", "--"),
)
MARKS = {"color": plot.INK, "lw": 0.8, "ls": ":", "zorder": 0.5}
INDICES = 16  # singular values shown
CENTRAL = 0.95  # quantile of |value| at which the colours of a map of pixels end


def draw(arrays: dict[str, np.ndarray], meta: dict[str, Any], out: Path) -> None:
    """The figures that ``captions`` lists."""
    pictures = (_gates, _units, _gradient, _digits)
    with plot.style(), mpl.rc_context({"svg.hashsalt": "rnnjac", "svg.fonttype": "path"}):
        for picture, row in zip(pictures, captions(arrays), strict=True):
            figure = picture(arrays)
            figure.savefig(out / row["file"], metadata={"Date": None}, bbox_inches="tight")
            plt.close(figure)


def captions(arrays: dict[str, np.ndarray]) -> list[dict[str, str]]:
    """File, caption and alternative text of each figure; every number in them is measured."""
    words = (_gates_words, _units_words, _gradient_words, _digits_words)
    names = ("gates", "units", "gradient", "digits")
    return [
        {"file": f"gates_learn_{name}.svg", "caption": caption, "alt": alt}
        for name, (caption, alt) in zip(names, (word(arrays) for word in words), strict=True)
    ]


def _lines(ax: Any, x: np.ndarray, values: np.ndarray, arrays: dict[str, np.ndarray]) -> None:
    """Mean over the networks that learned the task, and each of them thinly."""
    for kind, when, label, colour, line in CURVES:
        rows = values[kind, _shown(arrays, kind), when]
        ax.plot(x, rows.T, color=colour, ls=line, lw=0.6, alpha=0.4)
        mean = rows.mean(0)
        ax.plot(x, mean, color=colour, ls=line, lw=2, label=label)


def _shown(arrays: dict[str, np.ndarray], kind: int) -> np.ndarray:
    """Networks that learned the task, or all if none did."""
    solved = facts(arrays)["solved"][kind]
    return solved if solved.any() else ~solved


# Around the markers


def _gates(arrays: dict[str, np.ndarray]) -> Any:
    figure, axes = plt.subplots(2, 2, figsize=(8.4, 5.4), sharex=True, sharey="row")
    for row, name in zip(axes, ("around_gates", "around_growth"), strict=True):
        for marker, ax in enumerate(row):
            _lines(ax, arrays["offsets"], arrays[f"order_{name}"][:, :, :, marker], arrays)
            ax.axvline(0, **MARKS)
    axes[0, 0].set_ylabel("log f, mean of units (nat)")
    axes[1, 0].set_ylabel("growth of the gradient\nback over the step (nat)")
    for marker in range(2):
        axes[0, marker].set_title(f"marker {marker + 1}", fontsize=11)
        axes[1, marker].axhline(0, color=plot.INK, lw=0.8, zorder=0.5)
        axes[1, marker].set_xlabel("steps from the marker")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(CURVES)
    )
    return figure


def _gates_words(arrays: dict[str, np.ndarray]) -> tuple[str, str]:
    f = facts(arrays)
    caption = (
        "What happens at a step, against its distance from the marker, which is read at 0; means "
        "over all test sequences, thick over the networks that learned the task. Above: log of "
        f"the forget gate; through training it changes at the markers by {f['order_shift'].text} "
        "nat against its neighbours. Below: by how much the log norm of the gradient of the "
        "loss changes on its way back over the step. At a marker less at its neighbours: "
        f"{f['order_growth'].text} nat with learned gates, {f['order_growth_constant'].text} with "
        "constant ones."
    )
    alt = (
        "Four line plots around marker 1 and marker 2. The forget gates after training show "
        "a dip at the marker; those that are constant are flat. The growth of the gradient dips "
        "there after training, not equally for the two kinds of gate, and hardly before."
    )
    return caption, alt


# Unit by unit


def _units(arrays: dict[str, np.ndarray]) -> Any:
    seed = _example(arrays)
    logs = arrays["order_around_units"][LEARNED, seed]  # when, marker, offset, unit
    logs = logs - np.nanmean(logs, axis=(1, 2), keepdims=True)
    order = np.argsort(arrays["order_unit_contrast"][LEARNED, seed, 1])
    limit = np.nanmax(np.abs(logs))
    figure, axes = plt.subplots(2, 2, figsize=(8.4, 5.6), sharex=True, sharey=True)
    offsets = arrays["offsets"]
    edges = (offsets[0] - 0.5, offsets[-1] + 0.5, order.size + 0.5, 0.5)
    for when, row in enumerate(axes):
        for marker, ax in enumerate(row):
            shown = ax.imshow(
                logs[when, marker][:, order].T,
                extent=edges,
                aspect="auto",
                interpolation="nearest",
                cmap="RdBu_r",
                norm=Normalize(-limit, limit),
            )
            ax.grid(False)
            ax.set_facecolor(plot.UNDEFINED)
            ax.set_title(f"marker {marker + 1}, {('before', 'after')[when]} training", fontsize=11)
        row[0].set_ylabel("unit")
    for ax in axes[1]:
        ax.set_xlabel("steps from the marker")
    bar = figure.colorbar(shown, ax=axes, shrink=0.8)
    bar.set_label("log f less the unit's mean (nat)")
    return figure


def _example(arrays: dict[str, np.ndarray]) -> int:
    """The network with the smallest error, and of those the one whose mean gate moves most."""
    errors = arrays["order_errors"][LEARNED, :, 1]
    moves = np.abs(arrays["order_contrast"][LEARNED, :, 1, 0])
    return int(np.lexsort((-moves, errors))[0])


def _units_words(arrays: dict[str, np.ndarray]) -> tuple[str, str]:
    seed = _example(arrays)
    size = np.sqrt((arrays["order_unit_contrast"][LEARNED, seed] ** 2).mean(-1))
    response = arrays["order_unit_contrast"][LEARNED, seed, 1]
    caption = (
        "Every forget gate of one network (blue: more closed than usual, red: more open; grey: no "
        "sequence reaches there). Units stand in the order of their response to a marker after "
        f"training, from {response.min():+.2f} to {response.max():+.2f} nat. Root mean square of "
        f"the response over units: {size[0]:.2f} nat before, {size[1]:.2f} after: single gates "
        "respond more than their mean, both ways, and random weights respond too."
    )
    alt = (
        "Four heat maps, units against steps from the marker. A vertical stripe stands at the "
        "marker in all four, blue in the upper units and red in the lower ones after training, "
        "mixed before."
    )
    return caption, alt


# The gradient and the spectrum


def _gradient(arrays: dict[str, np.ndarray]) -> Any:
    figure, axes = plt.subplots(1, 3, figsize=(10.8, 3.7))
    _lines(axes[0], arrays["span"], arrays["order_gradients"], arrays)
    axes[0].axvline(0, **MARKS)
    axes[0].set_xlabel("steps since marker 1 was read")
    axes[0].set_ylabel("log norm of the gradient,\nless that at the end (nat)")
    spectra = arrays["order_spectra"]  # the last row belongs to the end of the sequence
    ahead = np.concatenate([[0], arrays["ahead"]])
    leading = spectra[:, :, :, :-1, 0]
    leading = np.concatenate([np.zeros_like(leading[..., :1]), leading], axis=-1)
    _lines(axes[1], ahead, leading, arrays)
    axes[1].set_xlabel("steps since marker 1 was read")
    axes[1].set_ylabel("log σ₁ since then (nat)")
    index = np.arange(1, min(INDICES, spectra.shape[-1]) + 1)
    _lines(axes[2], index, spectra[:, :, :, -1, : index.size], arrays)
    axes[2].set_xlabel("index i")
    axes[2].set_ylabel("log σᵢ, marker 1 to the end (nat)")
    for ax in axes:
        ax.axhline(0, color=plot.INK, lw=0.8, zorder=0.5)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(CURVES)
    )
    return figure


def _gradient_words(arrays: dict[str, np.ndarray]) -> tuple[str, str]:
    at = {
        (kind, when): arrays["order_gradients"][kind, _shown(arrays, kind), when][
            :, arrays["span"] == 0
        ].mean()
        for kind, when in ((LEARNED, 0), (LEARNED, 1), (CONSTANT, 1))
    }
    lead = {key: _mean(arrays, "order_spectra", *key)[-1, 0] for key in at}
    kept = {key: _mean(arrays, "order_kept", *key) for key in at}
    parts = [
        f"{name} {at[key]:+.1f}, {lead[key]:+.1f} and {kept[key]:.1f}"
        for name, key in (
            ("before", (LEARNED, 0)),
            ("after", (LEARNED, 1)),
            ("after with constant gates", (CONSTANT, 1)),
        )
    ]
    caption = (
        "From the end back to the first marker. Left: log norm of the gradient of the loss with "
        "respect to the state. Middle: largest log singular value of the Jacobian product from the "
        f"state that has just read marker 1. Right: the {INDICES} largest ones at the end of the "
        "sequence. Gradient at marker 1, largest log singular value, and how many of the "
        f"{arrays['order_spectra'].shape[-1]} directions keep a tenth of their length: "
        f"{'; '.join(parts)}."
    )
    alt = (
        "Left, the gradient falls steadily towards the marker before training and stays much "
        "flatter after it, for both kinds of gate. Middle, the leading singular value falls before "
        "training and stays much higher after. Right, spectra fall with their index."
    )
    return caption, alt


def _mean(arrays: dict[str, np.ndarray], name: str, kind: int, when: int) -> np.ndarray:
    return arrays[name][kind, _shown(arrays, kind), when].mean(0)


# Digits


def _digits(arrays: dict[str, np.ndarray]) -> Any:
    figure, axes = plt.subplots(2, 3, figsize=(9.6, 4.6))
    ink = arrays["digits_dark_gates"] - arrays["digits_blank_gates"]
    columns = (
        (arrays["digits_gates"], "log f (nat)", False),
        (ink, "log f, ink less blank (nat)", True),
        (arrays["digits_growth"], "growth of the gradient (nat)", True),
    )
    for column, (values, label, centred) in zip(axes.T, columns, strict=True):
        maps = values[LEARNED].mean(0).reshape(2, 8, 8)
        limit = np.nanquantile(np.abs(maps), CENTRAL if centred else 1)
        norm = Normalize(-limit, limit) if centred else Normalize(np.nanmin(maps), np.nanmax(maps))
        for when, ax in enumerate(column):
            shown = ax.imshow(maps[when], cmap="RdBu_r" if centred else "viridis", norm=norm)
            ax.grid(False)
            ax.set_facecolor(plot.UNDEFINED)
            ax.set_xticks([]), ax.set_yticks([])
        extend = "both" if centred else "neither"
        bar = figure.colorbar(shown, ax=column, shrink=0.8, extend=extend)
        bar.set_label(label)
    for ax, name in zip(axes[:, 0], ("before", "after"), strict=True):
        ax.set_ylabel(f"{name} training")
    return figure


def _digits_words(arrays: dict[str, np.ndarray]) -> tuple[str, str]:
    f = facts(arrays)
    caption = (
        "Digits, read row by row from the upper left; each square is one pixel, that is one step; "
        f"means over test images and {f['digits_seeds']} networks. Left: log of the forget gate. "
        "Middle: by how much it is larger when that pixel is ink than when it is blank (grey: "
        "too few images of either). Right: change of the log norm of the gradient on its way back "
        f"over the step; colours end at the {CENTRAL:.0%} quantile. Through training the response "
        f"to ink changes by {f['digits_shift'].text} nat."
    )
    alt = (
        "Six maps of 8 by 8 pixels, before training above and after it below, of the gate, its "
        "response to ink, and the growth of the gradient."
    )
    return caption, alt
