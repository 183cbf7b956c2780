"""What the LSTM changes: an answer for the head of the page."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from analyses.common.words import Answer
from analyses.lstm_carousel.terms import FORGET_BIASES
from rnnjac import plot

KINDS = (("b_i = −b_f", 1, plot.COLOURS[0], "o"), ("b_i = 0", 0, plot.COLOURS[1], "s"))


def answers(arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Answer]:
    """The answer."""
    return [
        Answer(
            "What does the LSTM change?",
            _sentence(facts),
            partial(_horizons, arrays),
            "Time over which an LSTM forgets against its forget bias, on a logarithmic axis. With "
            "the input gate closed it rises near the dashed line; with the input gate left alone "
            "the markers turn hollow, for networks that explode.",
            "lstm_carousel_gates.svg",
            ("S12", "S24", "S27"),
            place=30,
        )
    ]


def _sentence(f: Mapping[str, Any]) -> str:
    usual, slow = f["raised_rate_alone_1"], f["raised_rate_both_8"]
    lstm, tanh = f["gain_cross_lstm_driven"], f["gain_cross_tanh_driven"]
    return (
        f"The time scale, by its gates: with forget bias 1 it {_verb(usual)} in "
        f"{1 / abs(usual):.0f} steps, with b_f = −b_i = 8 it {_verb(slow)} in "
        f"{1 / abs(slow):.0f}; and its gradients still explode, under noise from recurrent gain "
        f"{lstm:.1f} on ({tanh:.1f} for a tanh network)."
    )


def _verb(rate: float) -> str:
    return "forgets" if rate < 0 else "explodes"


def _horizons(a: Mapping[str, np.ndarray], ax: Any) -> None:
    bias = np.array(FORGET_BIASES)
    for name, row, colour, marker in KINDS:
        rate = np.median(a["raised_rates"][row], axis=-1)
        look = {"color": colour, "marker": marker, "ms": 5}
        ax.semilogy(bias, 1 / np.abs(rate), label=name, lw=1.2, **look)
        ax.semilogy(bias[rate > 0], 1 / rate[rate > 0], ls="", mfc="white", **look)
    ax.semilogy(bias, 1 / np.log1p(np.exp(-bias)), color=plot.INK, ls="--", lw=1.1)
    ax.plot([], [], color=plot.INK, ls="--", lw=1.1, label="−1/ln σ(b_f)")
    ax.plot([], [], color=plot.INK, ls="", marker="o", mfc="white", label="explodes")
    ax.legend(loc="upper left", labelspacing=0.3)
    ax.set(xlabel="forget bias b_f", ylabel="1/|λ₁| (steps)")
