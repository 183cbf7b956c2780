"""What the page says about learning temporal order."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.common.words import Words, listed
from analyses.temporal_order.captions import captions
from analyses.temporal_order.counts import counts
from analyses.temporal_order.networks import BASIC, SOLVED
from analyses.temporal_order.training import CLIPPED, METHODS, OMEGA, PLAIN
from analyses.temporal_order.verdicts import verdicts


def words(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Words:
    """Title, summary, captions and verdicts."""
    f = counts(arrays)
    return Words(
        title="Learning temporal order: clipping and Ω against the lag",
        summary=_settings(facts, f) + _outcome(f),
        figures=captions(arrays, f),
        claims=verdicts(f),
        place=80,
    )


def _settings(facts: Mapping[str, Any], f: Mapping[str, Any]) -> str:
    lengths = listed([str(n) for n in f["lengths"]], "or")
    updates = listed([f"{n:,}".replace(",", " ") for n in f["updates"]])
    return (
        f"Which of two symbols came first among {lengths}: Elman networks "
        f"of {facts['hidden']} units, plain gradient descent with step size {facts['rate']:g} and "
        f"no momentum on batches of {facts['batch']}, from the starts of Pascanu et al. (2013). "
        f"Clipping holds the norm of the gradient at {facts['clip']:g}; Ω, in the form of their "
        f"code with weight {facts['weight']:g}, asks that the gradient keep its norm from step to "
        f"step. A network has solved the task when it errs on fewer than "
        f"{SOLVED:.0%} of {facts['tested']} fresh sequences; "
        f"{f['seeds']} seeds each, at most {updates} updates. "
    )


def _outcome(f: Mapping[str, Any]) -> str:
    parts = [
        f"{METHODS[method]} {f['method_counts'][method]}" for method in (PLAIN, CLIPPED, OMEGA)
    ]
    text = f"Solved, of {f['method_networks']} networks each: {listed(parts)}."
    if BASIC in f["starts"]:
        start = f["starts"].index(BASIC)
        cells = [
            f"{f['counts'][i][start][OMEGA]} of {f['seeds']} at {length} (median "
            f"{_count(f['medians'][i][start][OMEGA])} updates)"
            for i, length in enumerate(f["lengths"])
        ]
        text += f" From the basic tanh start, with clipping and Ω: {listed(cells)}."
    if f["diverged"]:
        text += f" {f['diverged']} diverged, counted as failed."
    return text


def _count(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0f}"
