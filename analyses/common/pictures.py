"""How every figure is written: one style, and the same bytes for the same numbers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from rnnjac import plot


def save(figures: Mapping[str, Callable[[], Any]], out: Path) -> None:
    """Draw each figure, a function without arguments, and write it to ``out`` under its name."""
    with plot.style(), plt.rc_context({"svg.hashsalt": "rnnjac", "svg.fonttype": "path"}):
        for name, draw in figures.items():
            figure = draw()
            # a date would make every file new
            undated = {"Date": None} if name.endswith(".svg") else None
            figure.savefig(out / name, metadata=undated, bbox_inches="tight")
            plt.close(figure)
