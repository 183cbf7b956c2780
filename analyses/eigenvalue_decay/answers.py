"""Does the eigenvalue decide, and if not, what does: two answers for the head of the page."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from analyses.common.words import Answer
from analyses.eigenvalue_decay.panels import TITLES, WRONG
from rnnjac import plot

COLOURS = ("#888888", plot.COLOURS[0], plot.COLOURS[3], plot.COLOURS[1])  # of the activations
LINE = {"color": plot.INK, "lw": 0.8, "zorder": 1}


def answers(arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Answer]:
    """The two answers."""
    return [
        Answer(
            "Does the eigenvalue decide?",
            _rule(facts),
            partial(_radius, arrays),
            "Scatter plot of the growth rate against the log of the spectral radius. Linear "
            "networks lie on the diagonal; many others lie in the shaded quadrants, where the "
            "rule has the wrong sign.",
            "eigenvalue_decay.png",
            ("S4", "S5"),
            place=10,
        ),
        Answer(
            "What decides?",
            _exponent(facts),
            partial(_rate, arrays),
            "Scatter plot of the measured rate of a gradient against the largest Lyapunov "
            "exponent; the points lie on the diagonal.",
            "eigenvalue_decay_gradient.png",
            ("S4", "S5", "S8"),
            place=20,
        ),
    ]


def _rule(f: Mapping[str, Any]) -> str:
    wrong = f["above_wrong"] + f["below_wrong"]
    linear = f["linear_count"] - f["linear_wrong"]
    return (
        f"{'No' if wrong else 'In these networks, yes'}: gradients vanish in {f['above_wrong']} of "
        f"{f['above_count']} nonlinear networks whose recurrent weights have spectral radius "
        f"ρ > 1 and explode in {f['below_wrong']} of {f['below_count']} with ρ < 1, though the "
        f"rule is right in {linear} of {f['linear_count']} linear ones."
    )


def _exponent(f: Mapping[str, Any]) -> str:
    rounding = f["bound_excess"] < 1e3 * f["eps"]
    excess = "none of them exceeds" if rounding else f"they exceed by up to {f['bound_excess']:.0e}"
    return (
        f"The product of the Jacobians: its largest Lyapunov exponent λ₁ gives the rate of the "
        f"gradient to {f['gradient_gap_median']:.3f} nat per step (median of {f['networks']} "
        f"networks), and all that the weights promise is a ceiling, ln(γ σ_max), which {excess}."
    )


def _radius(a: Mapping[str, np.ndarray], ax: Any) -> None:
    x, y = a["net_log_radius"], a["net_exponent"]
    seen = np.isfinite(y)
    wide, low, high = np.abs(x).max() + 0.1, y[seen].min() - 0.1, y[seen].max() + 0.2
    ax.fill_between([0, wide], low, 0, color=WRONG, lw=0, zorder=0)
    ax.fill_between([-wide, 0], 0, high, color=WRONG, lw=0, zorder=0)
    ax.text(wide, low, "rule is wrong ", ha="right", va="bottom", size=9)
    _dots(ax, x, y, a["net_activation"])
    ax.axvline(0, **LINE)
    ax.axhline(0, **LINE)
    ax.set(xlim=(-wide, wide), ylim=(low, high))
    ax.set(xlabel="ln ρ(W)", ylabel="$\\lambda_1$ (nat per step)")


def _rate(a: Mapping[str, np.ndarray], ax: Any) -> None:
    ax.axline((0, 0), slope=1, ls="--", **LINE)
    _dots(ax, a["net_exponent"], a["net_gradient"], a["net_activation"])
    ax.set(xlabel="$\\lambda_1$ (nat per step)", ylabel="rate of the gradient (nat per step)")


def _dots(ax: Any, x: np.ndarray, y: np.ndarray, kinds: np.ndarray) -> None:
    for kind, (name, colour) in enumerate(zip(TITLES, COLOURS, strict=True)):
        some = (kinds == kind) & np.isfinite(x) & np.isfinite(y)
        look = {"ms": 3, "mew": 0, "alpha": 0.7, "rasterized": True}
        ax.plot(x[some], y[some], "o", color=colour, label=name, zorder=2, **look)
    ax.legend(loc="upper left", markerscale=2, handletextpad=0, labelspacing=0.3)
