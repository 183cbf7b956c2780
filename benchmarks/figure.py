"""Time per step against size, from stored measurements alone."""

from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.ticker import NullLocator

from benchmarks.measure import DTYPES, TANH
from benchmarks.peers import PEERS
from benchmarks.table import medians
from rnnjac import plot

LIMIT, EXACT = "products only", "exact spectrum"


def draw(result: dict[str, Any], path: Path) -> None:
    """Write the figure to ``path``."""
    steps = next(row["steps"] for row in result["rows"] if row["case"] == TANH)
    with plot.style():
        figure, axes = plt.subplots(1, len(DTYPES), sharey=True, figsize=(9.0, 4.0))
        for ax, dtype in zip(axes, DTYPES, strict=True):
            _panel(ax, medians(result["rows"], TANH, dtype), steps)
            ax.set_title(f"{dtype}, T = {steps}", fontsize=11)
        axes[0].set_ylabel("time per step (ms)")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper")
        figure.savefig(path)
        plt.close(figure)


def _panel(ax: Any, nets: dict[int, dict[str, float]], steps: int) -> None:
    names = [name for name in PEERS if all(name in s for s in nets.values())]
    styles = {LIMIT: {"color": plot.INK, "ls": "--"}, EXACT: {"color": plot.COLOURS[0], "ls": ":"}}
    for name in [*names, EXACT, LIMIT]:
        seconds = [1e3 * s[name] / steps for s in nets.values()]
        label = "rnnjac, exact spectrum" if name == EXACT else name
        wide = {"lw": 2.4} if name == "rnnjac" else {}
        ax.plot(list(nets), seconds, marker="o", ms=4, label=label, **styles.get(name, {}), **wide)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(list(nets), [str(n) for n in nets])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("units n")
