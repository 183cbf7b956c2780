"""What the counts on temporal order say about claims S9, S10 and S28."""

import math
from collections.abc import Mapping
from typing import Any

from analyses.common.claims import CONDITION, HOLDS, REFUTED
from analyses.common.words import listed
from analyses.temporal_order.training import METHODS, OMEGA

SURE = 0.05  # chance of a difference at least as large if clipping made none


def verdicts(f: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Verdict and figure of each claim on which something was seen."""
    found = {"S9": _s9(f), "S28": _s28(f)}
    if f["faint"] or f["latched"]:  # else nothing was seen of a vanished gradient
        found["S10"] = _s10(f)
    return found


def _s9(f: Mapping[str, Any]) -> tuple[str, str]:
    at_first = f["start_vanish"] > f["start_explode"]
    later = f["end_vanish"] > f["end_explode"]
    verdict = HOLDS if at_first and later else CONDITION if at_first or later else REFUTED
    return verdict, (
        f"Temporal order, {f['networks']} networks, gradient from the end back to the first "
        f"marker: at the start {f['start_vanish']:.0%} vanish, {f['start_hold']:.0%} hold within a "
        f"factor e and {f['start_explode']:.0%} explode. After training {f['end_vanish']:.0%}, "
        f"{f['end_hold']:.0%} and {f['end_explode']:.0%}; of the {f['solved']} that solved the "
        f"task {_percent(f['solved_vanish'])}, {_percent(f['solved_hold'])} and "
        f"{_percent(f['solved_explode'])}, of the {f['failed']} that did not "
        f"{_percent(f['failed_vanish'])}, {_percent(f['failed_hold'])} and "
        f"{_percent(f['failed_explode'])}. Without clipping single gradients reach a norm of "
        f"{f['largest_norm']:.3g}, the median of the means being {f['usual_norm']:.2g}."
    )


def _s10(f: Mapping[str, Any]) -> tuple[str, str]:
    remembers, learns = f["latched"] > 0, f["faint_solved"] > 0
    verdict = REFUTED if remembers and learns else CONDITION if remembers or learns else HOLDS
    text = (
        f"Of {f['faint']} networks whose gradient at the first marker was below a thousandth "
        f"of that at the end when training began, {f['faint_solved']} solved temporal order "
        f"({_by_method(f['faint_solved_methods'])}), of {f['not_faint']} others "
        f"{f['not_faint_solved']}."
    )
    if remembers:
        text += (
            f" And in {f['latched']} of {f['keeps']} tests that networks pass the gradient "
            f"is that faint, and yet the first marker decides: at {f['latched_length']} steps "
            f"one is down to {_power(f['latched_marker'])} with {f['latched_error']:.2%} errors."
        )
    else:
        text += (
            f" In all {f['keeps']} tests that networks pass, at the length of training or beyond, "
            f"the gradient at the first marker is above a thousandth."
        )
    return verdict, text


def _s28(f: Mapping[str, Any]) -> tuple[str, str]:
    better = {
        name: f[f"{name}_only_clipped"] > f[f"{name}_only_plain"] and f[f"{name}_chance"] < SURE
        for name in ("table", "large")
    }
    more = f["table_clipped"] + f["large_clipped"] > f["table_plain"] + f["large_plain"]
    verdict = HOLDS if all(better.values()) else CONDITION if any(better.values()) else REFUTED
    if verdict == REFUTED and more:
        verdict = CONDITION
    text = (
        f"Step size {f['rate']:g}: SGD solves {f['table_plain']} of {f['table_pairs']}, with "
        f"clipping {f['table_clipped']} ({f['table_only_clipped']} pairs with the same start only "
        f"with it, {f['table_only_plain']} only without; chance {f['table_chance']:.2g}), with "
        f"clipping and Ω {f['method_counts'][OMEGA]}."
    )
    if f["large_pairs"]:
        clipped = [
            f"{count} clipped at {threshold:g}"
            for count, threshold in zip(f["large_counts"][1:], f["thresholds"], strict=True)
        ]
        text += (
            f" Step size {listed([f'{rate:g}' for rate in f['larger']])}, {f['lengths'][0]} steps: "
            f"of {f['large_pairs']} SGD solves {f['large_plain']}, {listed(clipped)} "
            f"({f['large_only_clipped']} pairs only when clipped at {f['thresholds'][0]:g}, "
            f"{f['large_only_plain']} only without; chance {f['large_chance']:.2g})."
        )
    condition = {
        (False, True): " So clipping pays once a step is long enough to be thrown far.",
        (True, False): " The advantage is not sure for larger steps.",
        (False, False): " No difference is sure.",
    }
    return verdict, text + condition.get((better["table"], better["large"]), "")


def _by_method(counts: list[int]) -> str:
    return listed([f"{count} by {name}" for count, name in zip(counts, METHODS, strict=True)])


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.0%}"


def _power(log: float) -> str:
    """e^log as a power of ten."""
    return "10" + f"{log / math.log(10):.0f}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
