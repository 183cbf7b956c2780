"""What was measured on temporal order: numbers, and what they say about claims S9, S10 and S28."""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.temporal_order.networks import SOLVED
from analyses.temporal_order.training import CLIPPED, METHODS, OMEGA, PLAIN

HOLDS, CONDITION, REFUTED = "holds", "holds with a condition", "refuted"
BASIC = "basic tanh"
HOLD = 1.0  # nat: a gradient that stays within a factor e over its way neither fades nor grows
VANISHED = math.log(1000)  # nat: of a gradient that is down to a thousandth
SURE = 0.05  # chance of a difference at least as large if clipping made none
_MINUS = re.compile(r"(?<![\w⁻])-(?=\d)")  # a minus sign, not the hyphen of 1e-16


def facts(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Counts and medians that the report quotes."""
    f: dict[str, Any] = {
        "lengths": arrays["lengths"].tolist(),
        "starts": arrays["starts"].tolist(),
        "seeds": int(arrays["solved"].shape[-1]),
        "diverged": int((arrays["diverged"] >= 0).sum()),
        "networks": int(arrays["solved"].size),
        "lengths_text": listed([str(n) for n in arrays["lengths"]], "or"),
        "updates_text": listed(sorted({f"{n:,}".replace(",", " ") for n in arrays["updates"]})),
    }
    return f | _counts(arrays) | _shares(arrays) | _vanished(arrays) | _clipping(arrays)


def _counts(a: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Seeds that solved the task and how soon, [length][start][method]."""
    good = a["solved"] >= 0
    when = np.where(good, a["solved"], np.nan)
    medians = [[[_median(seeds) for seeds in row] for row in table] for table in when]
    reach = a["reach_error"][..., 1:]  # at lengths not trained on
    tested = good[..., None] & np.isfinite(reach)
    return {
        "counts": good.sum(-1).tolist(),
        "medians": medians,
        "method_counts": good.sum((0, 1, 3)).tolist(),
        "method_networks": int(good[:, :, 0].size),
        "worst_error": float(a["reach_error"][..., 0][good].max(initial=0)),
        "reach_multiples": a["multiples"][1:].tolist(),
        "reach_tested": tested.sum((0, 1, 2, 3)).tolist(),
        "reach_below": (tested & (reach < SOLVED)).sum((0, 1, 2, 3)).tolist(),
        "reach_perfect": (tested & (reach == 0)).sum((0, 1, 2, 3)).tolist(),
    }


def _shares(a: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Shares of networks whose gradient vanishes, holds or explodes on its way to marker 1."""
    good = a["solved"] >= 0
    sets = {
        "start": a["start_marker"].ravel(),
        "end": a["marker"].ravel(),
        "solved": a["marker"][good],
        "failed": a["marker"][~good],
        "failed_plain": a["marker"][:, :, PLAIN][~good[:, :, PLAIN]],
    }
    f: dict[str, Any] = {"solved": int(good.sum()), "failed": int((~good).sum())}
    for name, logs in sets.items():
        parts = (logs < -HOLD, np.abs(logs) <= HOLD, logs > HOLD)
        shares = [float(part.mean()) if part.size else math.nan for part in parts]
        f[f"{name}_vanish"], f[f"{name}_hold"], f[f"{name}_explode"] = shares
        f[f"{name}_median"] = _median(logs)
    norms = a["history_largest_norm"][:, :, PLAIN]
    f["largest_norm"] = float(np.nanmax(norms))
    f["usual_norm"] = float(np.nanmedian(a["history_gradient_norm"][:, :, PLAIN]))
    f["radius_start"] = _median(a["start_radius"])
    f["radius_solved"] = _median(a["radius"][good])
    f["radius_failed"] = _median(a["radius"][~good])
    f["radius_solved_least"] = float(a["radius"][good].min(initial=math.inf))
    return f


def _vanished(a: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Networks that learned from a vanished gradient, or that remember across one."""
    good = a["solved"] >= 0
    start = np.broadcast_to(a["start_marker"][:, :, None], good.shape)
    faint = start < -VANISHED
    reach, marker = a["reach_error"], a["reach_marker"]
    keeps = good[..., None] & (reach < SOLVED)
    latched = keeps & (marker < -VANISHED)
    f = {
        "faint": int(faint.sum()),
        "faint_solved": int((faint & good).sum()),
        "faint_solved_least": float(start[good].min(initial=math.inf)),
        "not_faint": int((~faint).sum()),
        "not_faint_solved": int((~faint & good).sum()),
        "faint_solved_methods": (faint & good).sum((0, 1, 3)).tolist(),
        "keeps": int(keeps.sum()),
        "latched": int(latched.sum()),
        "latched_nets": int(latched.any(-1).sum()),
    }
    if latched.any():
        at = np.unravel_index(np.where(latched, marker, np.inf).argmin(), marker.shape)
        f["latched_marker"] = float(marker[at])
        f["latched_error"] = float(reach[at])
        f["latched_length"] = int(a["lengths"][at[0]] * a["multiples"][at[-1]])
    return f


def _clipping(a: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Pairs with the same start and batches of which only one, with clipping or without, solved."""
    table = a["solved"] >= 0
    f = _pairs("table", table[:, :, PLAIN].ravel(), table[:, :, CLIPPED].ravel())
    sweep = a["sweep_solved"] >= 0  # (rate, none or a threshold, seed)
    large = a["rates"] > a["rate"]
    f |= _pairs("large", sweep[large, 0].ravel(), sweep[large, 1].ravel())
    return f | {
        "rate": float(a["rate"]),
        "rates": a["rates"].tolist(),
        "larger": a["rates"][large].tolist(),
        "thresholds": a["thresholds"].tolist(),
        "sweep_counts": sweep.sum(-1).tolist(),
        "sweep_seeds": int(sweep.shape[-1]),
        "sweep_diverged": int((a["sweep_diverged"] >= 0).sum()),
        "large_counts": sweep[large].sum((0, 2)).tolist(),
    }


def _pairs(name: str, plain: np.ndarray, clipped: np.ndarray) -> dict[str, Any]:
    """Pairs that one of two methods alone solved, and how likely so uneven a split is by chance."""
    only_plain, only_clipped = int((plain & ~clipped).sum()), int((clipped & ~plain).sum())
    n, k = only_plain + only_clipped, min(only_plain, only_clipped)
    tail = sum(math.comb(n, i) for i in range(k + 1)) / 2**n
    return {
        f"{name}_plain": int(plain.sum()),
        f"{name}_clipped": int(clipped.sum()),
        f"{name}_pairs": int(plain.size),
        f"{name}_only_plain": only_plain,
        f"{name}_only_clipped": only_clipped,
        f"{name}_chance": min(1.0, 2 * tail),
    }


def verdicts(f: Mapping[str, Any]) -> list[dict[str, str]]:
    """Rows of the table of claims."""
    rows = {"S9": _s9(f), "S28": _s28(f)}
    if f["faint"] or f["latched"]:  # else nothing was seen of a vanished gradient
        rows["S10"] = _s10(f)
    return [
        {"id": claim, "verdict": verdict, "measured": _MINUS.sub("−", measured)}
        for claim, (verdict, measured) in sorted(rows.items(), key=lambda row: int(row[0][1:]))
    ]


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


def summary(f: Mapping[str, Any]) -> str:
    """Sentences for the head of the section."""
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


def _by_method(counts: list[int]) -> str:
    return listed([f"{count} by {name}" for count, name in zip(counts, METHODS, strict=True)])


def listed(words: list[str], joint: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else math.nan


def _count(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0f}"


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.0%}"


def _power(log: float) -> str:
    """e^log as a power of ten."""
    return "10" + f"{log / math.log(10):.0f}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
