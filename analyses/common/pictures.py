"""How every figure is written: one style, and the same bytes for the same numbers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from analyses.common import drawn, record
from rnnjac import plot

WIDTH = 10.0  # inches, of every figure: the page shows all at one width, so letters have one size
LETTERS = {"font.size": 10, "axes.labelsize": 10, "axes.titlesize": 10, "legend.fontsize": 9}
SAME_BYTES = {"svg.hashsalt": "rnnjac", "svg.fonttype": "path"}


@contextmanager
def drawing() -> Iterator[None]:
    """The style of all figures of the page, for a ``with`` block."""
    with plot.style(), plt.rc_context(LETTERS | SAME_BYTES):
        yield


def save(figures: Mapping[str, Callable[[], Any]], out: Path) -> None:
    """Draw each figure, a function without arguments, and write it to ``out`` under its name.

    Beside it stands the table of what it shows (.csv).
    """
    with drawing():
        for name, draw in figures.items():
            figure = draw()
            # a date would make every file new
            undated = {"Date": None} if name.endswith(".svg") else None
            figure.savefig(out / name, metadata=undated)
            _write((out / name).with_suffix(".csv"), drawn.table(figure))
            plt.close(figure)


def _write(path: Path, text: str) -> None:
    record.write_atomically(path, lambda file: file.write(text.encode()))
