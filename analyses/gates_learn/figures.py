"""Figures of the forget gates and of the gradient, from stored numbers alone."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import Normalize

from analyses.common.pictures import WIDTH, save
from analyses.gates_learn.selection import CENTRAL, INDICES, example, shown
from analyses.gates_learn.training import CONSTANT, LEARNED
from rnnjac import plot

# (kind, before or after, label, colour, line)
CURVES = (
    (LEARNED, 0, "before training", "#cc6677", "-"),
    (LEARNED, 1, "after", "#332288", "-"),
    (CONSTANT, 1, "after, gates constant", "#999933", "--"),
)
MARKS = {"color": plot.INK, "lw": 0.8, "ls": ":", "zorder": 0.5}


def draw(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any], out: Path) -> None:
    """Write every figure."""
    parts = {"gates": _gates, "units": _units, "gradient": _gradient, "digits": _digits}
    save({f"gates_learn_{name}.svg": partial(part, arrays) for name, part in parts.items()}, out)


def _lines(ax: Any, x: np.ndarray, values: np.ndarray, arrays: Mapping[str, np.ndarray]) -> None:
    """Mean over the networks that learned the task, and each of them thinly."""
    for kind, when, label, colour, line in CURVES:
        rows = values[kind, shown(arrays, kind), when]
        ax.plot(x, rows.T, color=colour, ls=line, lw=0.6, alpha=0.4)
        mean = rows.mean(0)
        ax.plot(x, mean, color=colour, ls=line, lw=2, label=label)


# Around the markers


def _gates(arrays: Mapping[str, np.ndarray]) -> Any:
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.4), sharex=True, sharey="row")
    for row, name in zip(axes, ("around_gates", "around_growth"), strict=True):
        for marker, ax in enumerate(row):
            _lines(ax, arrays["offsets"], arrays[f"order_{name}"][:, :, :, marker], arrays)
            ax.axvline(0, **MARKS)
    axes[0, 0].set_ylabel("log f, mean of units (nat)")
    axes[1, 0].set_ylabel("growth of the gradient\nback over the step (nat)")
    for marker in range(2):
        axes[0, marker].set_title(f"marker {marker + 1}")
        axes[1, marker].axhline(0, color=plot.INK, lw=0.8, zorder=0.5)
        axes[1, marker].set_xlabel("steps from the marker")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(CURVES)
    )
    return figure


# Unit by unit


def _units(arrays: Mapping[str, np.ndarray]) -> Any:
    seed = example(arrays)
    logs = arrays["order_around_units"][LEARNED, seed]  # when, marker, offset, unit
    logs = logs - np.nanmean(logs, axis=(1, 2), keepdims=True)
    order = np.argsort(arrays["order_unit_contrast"][LEARNED, seed, 1])
    limit = np.nanmax(np.abs(logs))
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.6), sharex=True, sharey=True)
    offsets = arrays["offsets"]
    edges = (offsets[0] - 0.5, offsets[-1] + 0.5, order.size + 0.5, 0.5)
    for when, row in enumerate(axes):
        for marker, ax in enumerate(row):
            image = ax.imshow(
                logs[when, marker][:, order].T,
                extent=edges,
                aspect="auto",
                interpolation="nearest",
                cmap="RdBu_r",
                norm=Normalize(-limit, limit),
            )
            ax.grid(False)
            ax.set_facecolor(plot.UNDEFINED)
            ax.set_title(f"marker {marker + 1}, {('before', 'after')[when]} training")
        row[0].set_ylabel("unit")
    for ax in axes[1]:
        ax.set_xlabel("steps from the marker")
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("log f less the unit's mean (nat)")
    return figure


# The gradient and the spectrum


def _gradient(arrays: Mapping[str, np.ndarray]) -> Any:
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.7))
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


# Digits


def _digits(arrays: Mapping[str, np.ndarray]) -> Any:
    figure, axes = plt.subplots(2, 3, figsize=(WIDTH, 4.6))
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
            image = ax.imshow(maps[when], cmap="RdBu_r" if centred else "viridis", norm=norm)
            ax.grid(False)
            ax.set_facecolor(plot.UNDEFINED)
            ax.set_xticks([]), ax.set_yticks([])
        extend = "both" if centred else "neither"
        figure.colorbar(image, ax=column, shrink=0.8, extend=extend)
        column[0].set_title(label)  # beside the bar it would stand on the next panel
    for ax, name in zip(axes[:, 0], ("before", "after"), strict=True):
        ax.set_ylabel(f"{name} training")
    return figure
