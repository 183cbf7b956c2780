"""Captions of the figures of the temporal order task; every number in them is measured."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.common.words import listed
from analyses.temporal_order.counts import shown_figures, shown_length, shown_start
from analyses.temporal_order.networks import BASIC, SOLVED
from analyses.temporal_order.training import CLIPPED, METHODS, OMEGA, PLAIN

# claims by the figure that shows them; S10 is found only where a gradient vanished
CLAIMS = {
    "success": ("S28",),
    "training": ("S9", "S10", "S28"),
    "spectra": ("S9",),
    "generalisation": ("S10",),
    "rates": ("S28",),
}


def captions(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> list[dict[str, str]]:
    """Entry of the report for every figure that is drawn."""
    words = {
        "success": _success,
        "training": _training,
        "spectra": _spectra,
        "generalisation": _generalisation,
        "rates": _rates,
    }
    rows = []
    for name in shown_figures(a):
        caption, alt = words[name](a, f)
        row = {"file": f"temporal_order_{name}.svg", "caption": caption, "alt": alt}
        rows.append({**row, "claims": CLAIMS[name]})
    return rows


def _success(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> tuple[str, str]:
    totals = [
        f"{METHODS[m]} {f['method_counts'][m]} of {f['method_networks']}"
        for m in (PLAIN, CLIPPED, OMEGA)
    ]
    caption = (
        f"Share of {f['seeds']} seeds that err on fewer than {SOLVED:.0%} of fresh sequences "
        f"within {_budget(a)} updates, against the length, from each start. In all: "
        f"{listed(totals)}."
    )
    best = [METHODS[int(np.argmax(row))] for row in np.sum(f["counts"], axis=0)]
    leaders = [f"{start} {name}" for start, name in zip(f["starts"], best, strict=True)]
    alt = (
        f"{len(f['starts'])} panels with up to three lines of markers. The highest success, summed "
        f"over lengths: {', '.join(leaders)}."
    )
    return caption, alt


def _training(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> tuple[str, str]:
    name = f["starts"][shown_start(a)]
    caption = (
        f"Training from the {name} start, one line for each seed, which ends with a mark when the "
        f"task is solved. Left: errors. Middle: log norm of the gradient of the loss with respect "
        f"to the state that has just read the first marker, less that at the end; 0 keeps its "
        f"size. Right: spectral radius, from a median of {f['radius_start']:.2f} (all starts) to "
        f"{_plain(f['radius_solved'])} in networks that solved the task and "
        f"{_plain(f['radius_failed'])} in those that did not."
    )
    alt = (
        "Three line plots, a row for each length. Errors start at three quarters and fall "
        "in stairs to 0 where the task is solved. Gradients start well below 0 and rise to about 0 "
        "where it is solved, while the spectral radius rises above 1."
    )
    return caption, alt


def _spectra(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> tuple[str, str]:
    at = shown_length(a)
    good = a["solved"][at] >= 0
    caption = (
        f"Networks before and after training on {f['lengths'][at]} steps, {int(good.sum())} that "
        f"solved the task and {int((~good).sum())} that failed, by any method; thick: medians. "
        f"Left: log norm of the gradient by its lag from the end. Middle: every log singular value "
        f"of the product of Jacobians over a whole fresh sequence (estimated error of the worst of "
        f"them, median over networks: {_error(a, at):.1g} nat). Right: rate of the gradient from "
        f"the end to the first marker, against ln ρ(W). All lengths: median gradient at the first "
        f"marker {_signed(f['start_median'])} nat at the start, "
        f"{_signed(f['solved_median'])} in solved and {_signed(f['failed_median'])} in failed ones."
    )
    alt = (
        "Rows are starts. Left, log gradient norms fall with the lag at the start and in most "
        "networks that failed; those of networks that solved the task stay near 0. Middle, spectra "
        "fall with their index, far below 0. Right, a cloud of points for each group: solved "
        "networks lie right of ln ρ = 0 and near gradient 0, failed ones below."
    )
    return caption, alt


def _generalisation(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> tuple[str, str]:
    cells = [
        f"{below} of {tested} at {multiple} times the length ({perfect} without an error)"
        for multiple, below, tested, perfect in zip(
            *(f["reach_multiples"], f["reach_below"], f["reach_tested"], f["reach_perfect"]),
            strict=True,
        )
    ]
    caption = (
        f"Networks that solved the task, tested on fresh sequences longer than those they were "
        f"trained on; on the bottom edge, no error or one in 10 000. Below "
        f"{SOLVED:.0%} (dotted): {listed(cells)}."
    )
    if not any(f["reach_below"]):
        caption += (
            " So each has learned the length it was trained on, and none holds its answer beyond."
        )
    last = a["reach_error"][..., -1][a["solved"] >= 0]
    alt = (
        "A panel for each length of training, errors on a logarithmic axis against the length "
        "tested, one line for each network, near the bottom edge at the length of training; "
        f"{int((last >= SOLVED).sum())} of {last.size} end above the dotted line."
    )
    return caption, alt


def _rates(a: Mapping[str, np.ndarray], f: Mapping[str, Any]) -> tuple[str, str]:
    names = ["no clipping", *(f"threshold {threshold:g}" for threshold in f["thresholds"])]
    cells = [
        f"{rate:g}: {listed([f'{n} ({name})' for n, name in zip(counts, names, strict=True)])}"
        for rate, counts in zip(f["rates"], f["sweep_counts"], strict=True)
    ]
    caption = (
        f"What a larger step does, at {f['lengths'][0]} steps from the {BASIC} start, without Ω: "
        f"share of {f['sweep_seeds']} seeds that solve the task. Step size {'; '.join(cells)}."
    )
    alt = "Lines of markers, the share of seeds that solve the task against the step size."
    return caption, alt


def _budget(a: Mapping[str, np.ndarray]) -> str:
    counts = sorted(set(a["updates"].tolist()))
    return listed([f"{n:,}".replace(",", " ") for n in counts], "or")


def _error(a: Mapping[str, np.ndarray], at: int) -> float:
    errors = a["spectrum_error"][at]
    return float(np.median(errors[np.isfinite(errors)]))


def _plain(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"


def _signed(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:+.1f}"
