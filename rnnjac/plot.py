"""Pictures of results, with matplotlib.

Each function takes a result or arrays, draws on ``ax`` (if None, a new figure in `style`) and
returns the Axes; a second call on the same Axes draws over the first, told apart by ``label``. A
value of -inf is a triangle on the bottom edge and counted in the legend; NaN is left out, and
counted too. An array of another shape than stated raises ValueError.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_rgba
from matplotlib.patches import Patch
from matplotlib.rcsetup import cycler
from matplotlib.ticker import MaxNLocator, NullLocator, ScalarFormatter

from rnnjac._support import checks

# Paul Tol's "muted" colours: calm, and distinct in the common forms of colour blindness.
COLOURS = ("#332288", "#cc6677", "#44aa99", "#999933", "#882255", "#88ccee")
INK, FAINT = "#333333", "#dddddd"
LOST, UNDEFINED = "#1a1a1a", "#e6e6e6"

_INKED = ("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color")
_STYLE: dict[Any, Any] = {
    **dict.fromkeys(_INKED, INK),
    **dict.fromkeys(("axes.spines.right", "axes.spines.top", "legend.frameon"), False),
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 11,
    "axes.prop_cycle": cycler(color=COLOURS),
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "figure.figsize": (6.0, 3.8),
    "figure.max_open_warning": 0,
    "font.size": 10,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.fontsize": 9.5,
    "savefig.dpi": 200,
}
_STRIP = 0.08  # height of the strip at the bottom that shows -inf, as a part of the axes
_FLAT = 1e-4  # nat: values closer than that fill no axis, lest rounding errors look like structure
_TICKS = {"integer": True, "min_n_ticks": 1, "steps": [1, 2, 5, 10]}
_INDEX_COLOURS = ListedColormap(mpl.colormaps["viridis"](np.linspace(0, 0.85, 256)))


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib settings of the figures here, for a ``with`` block.

    Examples
    --------
    >>> with style():
    ...     figure, axes = plt.subplots(1, 2)
    >>> plt.close(figure)
    """
    with mpl.rc_context(_STYLE):
        yield


def spectrum(
    log_singular_values: Any,
    error: Any = None,
    steps: int | None = None,
    *,
    ax: Axes | None = None,
    label: str | None = None,
) -> Axes:
    """Log singular values against their index.

    Parameters
    ----------
    log_singular_values : Spectrum of one product, or (n,) array, natural log, descending
    error : (n,) array or None
        Drawn as bars; where it is inf or NaN the point is hollow.
    steps : int or None
        Number of factors of the product. If given, everything is divided by it: nat per step.
    ax, label : Axes or None, str or None

    Examples
    --------
    >>> ax = spectrum([0.0, -3.0, -np.inf], label="product of 10 steps")
    >>> plt.close(ax.figure)
    """
    if hasattr(log_singular_values, "log_singular_values"):
        log_singular_values, error, _ = log_singular_values
    logs = _array("log_singular_values", log_singular_values, 1)
    bars = np.zeros_like(logs) if error is None else _array("error", error, 1)
    if bars.shape != logs.shape:
        raise checks.error("error", f"shape {logs.shape}", f"shape {bars.shape}")
    if steps is not None:
        # after 0 steps there is no rate
        logs, bars = (a / steps if steps else np.full_like(a, np.nan) for a in (logs, bars))
    index = np.arange(1, logs.size + 1)
    size = 5 if logs.size <= 60 else 2.5
    shown, sure = np.isfinite(logs), np.isfinite(bars)
    with _axes(ax) as ax:
        (line,) = ax.plot(index[shown], logs[shown], marker="o", ms=size, lw=0.6, label=label)
        colour, some = line.get_color(), shown & sure
        if error is not None and some.any():
            bar = {"fmt": "none", "elinewidth": 1, "capsize": size / 2, "ecolor": colour}
            ax.errorbar(index[some], logs[some], bars[some], **bar)
        if (some := shown & ~sure).any():
            text = f"{label}: error not bounded" if label else "error not bounded"
            point = {"color": colour, "ls": "", "marker": "o", "ms": size, "mfc": "white"}
            ax.plot(index[some], logs[some], label=text, **point)
        _lost(ax, index[logs == -np.inf], colour, "lost direction", label)
        _undefined(ax, int(np.isnan(logs).sum()))
        ax.set_xlim(0.5, max(ax.dataLim.x1, logs.size) + 0.5)
        ax.set_xlabel("index")
        per = "log singular value (nat)" if steps is None else "exponent (nat per step)"
        return _finish(ax, per)


def exponents(history: Any, times: Any = None, *, ax: Axes | None = None) -> Axes:
    """Lyapunov exponents as estimated so far, against time.

    Parameters
    ----------
    history : LyapunovExponents, or (records, k) array, natural log per step
        Row r holds the k exponents estimated up to the r-th recorded time.
    times : (records,) array or None
        Recorded times in steps; those of the `LyapunovExponents`, or 1, 2, 3, ..., if None.
    ax : Axes or None

    Examples
    --------
    >>> ax = exponents([[0.3, -1.0], [0.2, -1.1], [0.25, -1.2]])
    >>> plt.close(ax.figure)
    """
    if hasattr(history, "history"):
        history, times = history.history, history.times if times is None else times
    rows = _array("history", history, 2)
    x = np.arange(1.0, len(rows) + 1) if times is None else _array("times", times, 1, empty=True)
    if len(x) != len(rows):
        raise checks.error("times", f"shape ({len(rows)},)", f"shape {x.shape}")
    k = rows.shape[1]
    palette = Normalize(1, max(k, 2)), _INDEX_COLOURS
    gone = rows == -np.inf
    with _axes(ax) as ax:
        for i, column in enumerate(rows.T):
            colour = COLOURS[i] if k <= 4 else palette[1](palette[0](i + 1))
            marker = "o" if np.isfinite(column).sum() == 1 else None
            line = np.where(np.isfinite(column), column, np.nan)
            ax.plot(x, line, color=colour, marker=marker, label=f"$\\lambda_{i + 1}$" * (k <= 4))
        first = [x[np.argmax(g)] for g in gone.T if g.any()]
        _lost(ax, np.asarray(first), LOST, "lost exponent")
        _undefined(ax, int(np.isnan(rows).sum()))
        if k > 4:
            bar = ax.figure.colorbar(ScalarMappable(*palette), ax=ax, label="index")
            bar.ax.invert_yaxis()
            bar.ax.yaxis.set_major_locator(MaxNLocator(6, **_TICKS))
        ax.set_xlabel("time (steps)")
        return _finish(ax, "exponent (nat per step)")


def gradient_norms(log_norms: Any, *, ax: Axes | None = None, label: str | None = None) -> Axes:
    """Log norms of the backpropagated gradient against the lag.

    Parameters
    ----------
    log_norms : (T+1,) array, natural log
        Entry t belongs to the state at time t, as `rnnjac.gradient_norms` returns; it is drawn at
        lag T - t.
    ax, label : Axes or None, str or None

    Examples
    --------
    >>> ax = gradient_norms([-2.0, -1.0, 0.0], label="tanh")
    >>> plt.close(ax.figure)
    """
    logs = _array("log_norms", log_norms, 1)[::-1]
    lag = np.arange(logs.size)
    shown = np.isfinite(logs)
    with _axes(ax) as ax:
        marker = "o" if shown.sum() == 1 else None
        (line,) = ax.plot(lag, np.where(shown, logs, np.nan), marker=marker, label=label)
        _lost(ax, lag[logs == -np.inf], line.get_color(), "exactly zero gradient", label)
        _undefined(ax, int(np.isnan(logs).sum()))
        ax.set_xlabel("lag (steps)")
        return _finish(ax, "log gradient norm (nat)")


def reach(logs: Any, *, index: int = 0, limit: float | None = None, ax: Axes | None = None) -> Axes:
    """Heat map of the log singular values between every two times: blue shrinks, red grows.

    Parameters
    ----------
    logs : (T+1, T+1) or (T+1, T+1, top) array, natural log
        ``logs[end, start]``, as `rnnjac.reach` returns. NaN where there is no product.
    index : int
        Which singular value along the last axis.
    limit : float or None
        Logs beyond +-limit get the last colour; the largest finite |log| if None.
    ax : Axes or None

    Examples
    --------
    >>> ax = reach([[0.0, np.nan], [-1.0, 0.0]])
    >>> plt.close(ax.figure)
    """
    grid = np.asarray(logs, np.float64)
    grid = grid[..., None] if grid.ndim == 2 else grid
    if grid.ndim != 3 or grid.shape[0] != grid.shape[1] or grid.size == 0:
        raise checks.error("logs", "shape (T+1, T+1) or (T+1, T+1, top)", f"shape {grid.shape}")
    grid = grid[:, :, checks.integer("index", index, 0, grid.shape[2] - 1)]
    finite = grid[np.isfinite(grid)]
    largest = np.abs(finite).max(initial=0) if limit is None else limit
    largest = largest if largest > _FLAT else 1.0
    norm = Normalize(-largest, largest)
    with _axes(ax, (5.4, 4.6)) as ax:
        # -inf would otherwise take the colour of -limit: give it its own
        colours = mpl.colormaps["RdBu_r"](norm(np.nan_to_num(grid, neginf=0.0, posinf=norm.vmax)))
        colours[np.isnan(grid)] = to_rgba(UNDEFINED)
        colours[grid == -np.inf] = to_rgba(LOST)
        ax.imshow(colours, origin="lower", interpolation="nearest")
        ax.grid(False)
        low, high = finite.min(initial=0), finite.max(initial=0)
        extend = ("neither", "min", "max", "both")[(low < -largest) + 2 * (high > largest)]
        scale = ScalarMappable(norm, "RdBu_r")
        bar = ax.figure.colorbar(scale, ax=ax, shrink=0.9, extend=extend)
        bar.set_label(f"log $\\sigma_{{{index + 1}}}$ from start to end (nat)")
        if high - low > _FLAT:  # only the part of the scale that occurs
            bar.ax.set_ylim(max(low, -largest), min(high, largest))
        patches = [(LOST, "lost (−∞)", grid == -np.inf), (UNDEFINED, "no product", np.isnan(grid))]
        handles = [Patch(color=c, label=text) for c, text, where in patches if where.any()]
        if handles:
            _legend(ax, handles)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(6, **_TICKS))
        ax.set_xlabel("start (step)")
        ax.set_ylabel("end (step)")
        return ax


class _AboveStrip(MaxNLocator):
    """Ticks of the y axis, none in the strip at the bottom."""

    def tick_values(self, vmin: float, vmax: float) -> Any:
        ticks = np.asarray(super().tick_values(vmin, vmax))
        return ticks[ticks >= vmin + _STRIP * (vmax - vmin)]


def _array(name: str, value: Any, axes: int, *, empty: bool = False) -> np.ndarray:
    array = np.asarray(value, np.float64)
    if array.ndim != axes or (array.shape[-1] == 0 and not empty):
        raise checks.error(name, f"{axes} ax{'ie'[axes > 1]}s, not empty", f"shape {array.shape}")
    return array


@contextmanager
def _axes(ax: Axes | None, size: tuple[float, float] | None = None) -> Iterator[Axes]:
    """Yield the Axes given, or those of a new figure, to be drawn on in our style."""
    if ax is not None:
        yield ax
    else:
        with style():
            yield plt.subplots(figsize=size)[1]


def _lost(ax: Axes, x: np.ndarray, colour: Any, what: str, label: str | None = None) -> None:
    """Triangles on the bottom edge for the values -inf at ``x``, and their number in the legend."""
    if not x.size:
        return
    text = f"{x.size} {what}{'s' * (x.size > 1)} (−∞)"
    ax.plot(
        *(x, np.full(x.size, _STRIP / 2)),
        transform=ax.get_xaxis_transform(),
        **{"color": colour, "ls": "", "marker": "v", "ms": 5, "mfc": "white", "mew": 1},
        markevery=max(1, x.size // 40),
        label=f"{label}: {text}" if label else text,
        gid="lost",
    )


def _undefined(ax: Axes, count: int) -> None:
    if count:
        ax.plot([], [], ls="", marker="x", color=INK, label=f"{count} not defined (NaN), not shown")


def _finish(ax: Axes, ylabel: str) -> Axes:
    """Limits, the zero line, the strip for -inf, labels and legend, whatever was drawn before."""
    low, high = ax.dataLim.intervaly
    empty = not low <= high
    low, high = (-1.0, 1.0) if empty else (low, high)
    room = high - low if high - low > _FLAT else 1.0
    low, high = (low + high - room) / 2, (low + high + room) / 2
    strip = any(line.get_gid() == "lost" for line in ax.lines)
    ax.set_ylim(low - room * (0.06 + 1.2 * _STRIP * strip), high + 0.06 * room)
    ticks = _AboveStrip if strip else MaxNLocator
    ax.yaxis.set_major_locator(NullLocator() if empty else ticks(6, steps=_TICKS["steps"]))
    if isinstance(formatter := ax.yaxis.get_major_formatter(), ScalarFormatter):
        formatter.set_useOffset(False)
    ax.xaxis.set_major_locator(MaxNLocator(8, **_TICKS))
    drawn = {artist.get_gid() for artist in (*ax.lines, *ax.texts)}
    if low <= 0 <= high and not empty and "zero" not in drawn:
        ax.axhline(0, color=INK, lw=0.8, zorder=0.5, gid="zero")
    if strip and "strip" not in drawn:
        place: dict[str, Any] = {"transform": ax.transAxes, "ha": "right", "va": "center"}
        ax.text(-0.015, _STRIP / 2, "−∞", gid="strip", **place)
    ax.set_ylabel(ylabel)
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        _legend(ax, handles, labels)
    return ax


def _legend(ax: Axes, handles: Any, labels: Any = None) -> None:
    """Legend above the axes, clear of the data."""
    labels = [h.get_label() for h in handles] if labels is None else labels
    columns = 1 if max(map(len, labels)) > 24 else min(len(handles), 4)
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.3}
    ax.legend(handles, labels, ncols=columns, frameon=False, **place)
