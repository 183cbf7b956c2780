"""A diagnosis in pictures."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnjac import plot
from rnnjac.diagnosis.assemble import FAR, TENTH
from rnnjac.diagnosis.result import Diagnosis

# Sequences drawn one by one; of more, those evenly spread in the order of the batch.
SHOWN = 32
INK, LEADING, LOSS = plot.INK, plot.COLOURS[0], plot.COLOURS[1]


def four_panels(d: Diagnosis) -> Figure:
    """Spectrum, gradients by lag, growth by time, and gates or slopes."""
    with plot.style():
        figure, axes = plt.subplots(2, 2, figsize=(10, 7))
        for ax, (title, draw) in zip(axes.ravel(), PANELS.items(), strict=True):
            ax.set_title(title, loc="left", pad=24, fontsize=11)
            draw(d, ax)
    return figure


def one_panel(d: Diagnosis, draw: Callable[[Diagnosis, Axes], None]) -> Figure:
    """A figure of one of them, small enough to be read on a narrow screen."""
    with plot.style():
        figure = Figure(figsize=(4.6, 3.4))  # not pyplot's, which would keep it
        draw(d, figure.add_subplot())
    return figure


def spectra(d: Diagnosis, ax: Axes) -> None:
    """Exponents of the middle sequence, and the range over all of them."""
    steps = np.array(d.steps)[:, None]
    middle = np.argsort(d.curves.logs[:, 0])[(len(steps) - 1) // 2]
    if len(steps) > 1:
        each = d.curves.logs / steps
        finite = np.where(np.isfinite(each), each, np.nan)
        known = np.isfinite(finite).any(axis=0)
        index = np.arange(1, d.size + 1)[known]
        low, high = (f(finite[:, known], axis=0) for f in (np.nanmin, np.nanmax))
        ax.fill_between(index, low, high, color=LEADING, alpha=0.15, lw=0, label="all sequences")
    plot.spectrum(d.curves.logs[middle], d.curves.error[middle], d.steps[middle], ax=ax)


def gradients(d: Diagnosis, ax: Axes) -> None:
    """Gradients carried back: the leading one and the loss's, with the levels 1/e and 1/1000."""
    _family(ax, d.curves.leading, LEADING, "leading gradient")
    if d.curves.loss is not None:
        _family(ax, d.curves.loss - d.curves.loss[:, :1], LOSS, "gradient of the loss")
    low, high = ax.get_ylim()
    for factor, name in ((FAR, "1/1000"), (np.e, "1/e")):
        level = -np.log(factor)
        ax.axhline(level, color=INK, lw=0.8, ls=":")
        # beside the axes, and only one where the two would stand on each other
        if factor == FAR or np.log(FAR) - 1 > 0.05 * (high - low):
            place: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "va": "center"}
            ax.text(1.01, level, name, fontsize=8.5, **place)
    _labelled(ax, "lag (steps back)", "log gradient norm (nat)")


def growth(d: Diagnosis, ax: Axes) -> None:
    """Largest singular value of the product from the start to every step."""
    _family(ax, d.curves.growth, LEADING, "largest singular value")
    _labelled(ax, "time (steps)", "log growth from the start (nat)")


def cell(d: Diagnosis, ax: Axes) -> None:
    """Gates that keep the state, else slopes of the units, else growth per step."""
    gates, slopes = d.curves.keep, d.curves.slopes
    if gates is not None and d.gates is not None:
        gate = "update gate" if d.gates.kind.startswith("gru") else "forget gate"
        _shares(ax, gates, gate, (TENTH, 1 - TENTH))
    elif slopes is not None:
        _shares(ax, slopes, "slope of a unit", (TENTH,))
    else:
        _shares(ax, _gains(d.curves.growth), "log growth of one step (nat)", ())


PANELS: dict[str, Callable[[Diagnosis, Axes], None]] = {
    "Exponents": spectra,
    "Gradient against lag": gradients,
    "Growth from the start": growth,
    "Cell": cell,
}


def _shares(ax: Axes, values: np.ndarray, name: str, edges: tuple[float, ...]) -> None:
    """Histogram of values, with marks; from 0 to 1 at least where there are any."""
    if values.size:
        low, high = values.min(), max(values.max(), values.min() + 1e-3)
        low, high = (min(0.0, low), max(1.0, high)) if edges else (low, high)
        weights = np.full(values.size, 1 / values.size)
        kind: dict[str, Any] = {"histtype": "stepfilled", "color": LEADING}
        ax.hist(values, bins=40, range=(low, high), weights=weights, **kind)
    for edge in edges:
        ax.axvline(edge, color=INK, lw=0.8, ls=":")
    _labelled(ax, name, "share")


def _gains(curves: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        gains = np.diff(curves, axis=1)
    return gains[np.isfinite(gains)]


def _family(ax: Axes, rows: np.ndarray, colour: str, label: str) -> None:
    """A thin line for each sequence, the middle one thick."""
    shown = np.where(np.isfinite(rows), rows, np.nan)
    chosen = np.unique(np.linspace(0, len(rows) - 1, SHOWN).astype(int))
    if len(rows) > 1:
        for row in shown[chosen]:
            ax.plot(row, color=colour, lw=0.9, alpha=0.5)
    ends = np.array([row[~np.isnan(row)][-1] if (~np.isnan(row)).any() else 0.0 for row in rows])
    ax.plot(shown[np.argsort(ends)[(len(rows) - 1) // 2]], color=colour, lw=1.8, label=label)


def _labelled(ax: Axes, x: str, y: str) -> None:
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if ax.get_legend_handles_labels()[0]:
        place: dict[str, Any] = {
            "loc": "lower left",
            "bbox_to_anchor": (0, 1),
            "borderaxespad": 0.3,
        }
        ax.legend(frameon=False, ncols=2, **place)
