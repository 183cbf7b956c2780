"""The numbers that a figure shows, as a table that any program reads.

Rows are panel, series, x, y and, for images, value. What the panels and series are called stands
above them in lines that begin with "#", as NumPy and pandas can be told.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.lines import AxLine, Line2D
from matplotlib.patches import Polygon, StepPatch
from matplotlib.ticker import FixedLocator

HEADER = "panel,series,x,y,value"
DIGITS = 6  # far more than a pixel of any figure
SIDE = 120  # cells: of a finer image every second, third … is given, else one table takes megabytes


def table(figure: Any) -> str:
    """All that ``figure`` draws in the coordinates of its axes; lines across them and bars of
    colour are left out."""
    words, rows = [], []
    panels = [ax for ax in figure.axes if not hasattr(ax, "_colorbar")]
    for panel, ax in enumerate(panels, 1):
        words += _panel(panel, ax)
        for series, (name, *columns) in enumerate(_series(ax), 1):
            words.append(f"series {panel}.{series}: {name}")
            rows += (f"{panel},{series},{','.join(row)}" for row in _printed(columns))
    above = [f"# {' '.join(line.split())}" for line in words]
    return "\n".join([*above, HEADER, *rows]) + "\n"


def _panel(panel: int, ax: Axes) -> Iterator[str]:
    title = ax.get_title() or ax.get_title(loc="left")
    label = {"x": _shared(ax, "x"), "y": _shared(ax, "y")}
    yield f"panel {panel}: {title or 'no title'}; x = {label['x']}; y = {label['y']}"
    for name, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
        ticks = axis.get_major_locator()
        if isinstance(ticks, FixedLocator):
            texts = axis.get_major_formatter().format_ticks(ticks.locs)
            pairs = zip(ticks.locs, texts, strict=True)
            named = "; ".join(f"{at:.{DIGITS}g} is {' '.join(text.split())}" for at, text in pairs)
            yield f"panel {panel}, {name} axis: {named}"


def _shared(ax: Axes, name: str) -> str:
    """Label of an axis, or of the one beside or below it that it shares its scale with."""
    siblings = getattr(ax, f"get_shared_{name}_axes")().get_siblings(ax)
    labels = (getattr(one, f"get_{name}label")() for one in (ax, *siblings))
    return next(filter(None, labels), "not named")


def _series(ax: Axes) -> Iterator[tuple[Any, ...]]:
    """Name and columns x, y, value of everything drawn in data coordinates."""
    for line in ax.get_lines():
        if line.get_transform() == ax.transData and not isinstance(line, AxLine):
            x, y = line.get_xdata(orig=False), line.get_ydata(orig=False)
            if len(x):
                yield _name("line" if _joined(line) else "dots", line, line.get_color()), x, y
    for held in ax.collections:
        if isinstance(held, PathCollection):
            yield _name("dots", held, held.get_facecolor()), *held.get_offsets().T
        elif isinstance(held, PolyCollection):
            for path in held.get_paths():
                yield _name("outline", held, held.get_facecolor()), *path.vertices.T
    for bars in ax.containers:
        upright = getattr(bars, "orientation", "") == "vertical"
        place = [(b.get_center()[0] if upright else b.get_center()[1]) for b in bars]
        columns = (place, bars.datavalues) if upright else (bars.datavalues, place)
        yield _name("bars", bars, bars[0].get_facecolor()), *columns
    for patch in ax.patches:
        if isinstance(patch, StepPatch):
            values, edges, _ = patch.get_data()
            colour = patch.get_facecolor() if patch.get_fill() else patch.get_edgecolor()
            yield _name("steps, left edges", patch, colour), edges[:-1], values
        elif isinstance(patch, Polygon) and patch.get_transform() == ax.transData:
            yield _name("outline", patch, patch.get_edgecolor()), *patch.get_xy().T
    for image in ax.images:
        step = -(-max(image.get_array().shape) // SIDE)
        every = f", one cell in {step} along each axis" if step > 1 else ""
        yield f"image{every}", *_image(image, step)


def _joined(line: Line2D) -> bool:
    return line.get_linestyle() not in ("None", "", " ")


def _name(kind: str, artist: Any, colour: Any) -> str:
    """Kind, colour and name in the legend; what has no name shares the colour of what has."""
    label = str(artist.get_label())
    name = "" if not label or label.startswith("_") else f", {label}"
    return f"{kind}, {_hex(colour)}{name}"


def _hex(colour: Any) -> str:
    return to_hex(colour if isinstance(colour, str) else np.reshape(colour, -1)[:4])


def _image(image: Any, step: int) -> tuple[np.ndarray, ...]:
    """Middle and value of every cell, or of every ``step``-th."""
    values = np.ma.filled(np.ma.asarray(image.get_array(), float), np.nan)
    left, right, bottom, top = image.get_extent()
    if image.origin == "upper":
        bottom, top = top, bottom
    rows, columns = values.shape
    x = left + (right - left) * (np.arange(columns) + 0.5) / columns
    y = bottom + (top - bottom) * (np.arange(rows) + 0.5) / rows
    places = np.meshgrid(x[::step], y[::step])
    return *(place.ravel() for place in places), values[::step, ::step].ravel()


def _printed(columns: Any) -> Iterator[list[str]]:
    """The rows as text; those whose last number is undefined are left out."""
    columns = [np.ma.filled(np.ma.asarray(c, float), np.nan) for c in columns]
    for row in zip(*columns, strict=True):
        if not np.isnan(row[-1]):
            yield [*(f"{value:.{DIGITS}g}" for value in row), *[""] * (3 - len(row))]
