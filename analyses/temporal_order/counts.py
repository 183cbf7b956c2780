"""Counts and medians of what was measured on temporal order, and which of it is shown."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.temporal_order.networks import BASIC, SOLVED
from analyses.temporal_order.training import CLIPPED, PLAIN

HOLD = 1.0  # nat: a gradient that stays within a factor e over its way neither fades nor grows
VANISHED = math.log(1000)  # nat: of a gradient that is down to a thousandth


def shown_figures(a: Mapping[str, np.ndarray]) -> list[str]:
    """All figures, but no share of success against a length or step size if there is only one."""
    several = {"success": len(a["lengths"]) > 1, "rates": len(a["rates"]) > 1}
    names = ("success", "training", "spectra", "generalisation", "rates")
    return [name for name in names if several.get(name, True)]


def shown_start(a: Mapping[str, np.ndarray]) -> int:
    """The start whose training is drawn."""
    names = a["starts"].tolist()
    return names.index(BASIC) if BASIC in names else 0


def shown_length(a: Mapping[str, np.ndarray]) -> int:
    """The length whose spectra are drawn: that at which networks differ most in their success."""
    good = (a["solved"] >= 0).sum((1, 2, 3))
    return int(np.minimum(good, a["solved"][0].size - good).argmax())


def counts(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Everything that the page quotes."""
    f: dict[str, Any] = {
        "lengths": arrays["lengths"].tolist(),
        "starts": arrays["starts"].tolist(),
        "seeds": int(arrays["solved"].shape[-1]),
        "diverged": int((arrays["diverged"] >= 0).sum()),
        "networks": int(arrays["solved"].size),
        "updates": sorted(set(arrays["updates"].tolist())),
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


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else math.nan
