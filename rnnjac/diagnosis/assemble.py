"""Figures of a diagnosis, from what was measured along each sequence."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnjac.diagnosis import gated
from rnnjac.diagnosis.horizon import horizon
from rnnjac.diagnosis.recurrent import Recurrence
from rnnjac.diagnosis.result import (
    Curves,
    Diagnosis,
    Explosion,
    Gates,
    Horizon,
    Lyapunov,
    Precision,
    Rate,
    Rates,
    Recurrent,
    Transient,
    Units,
)
from rnnjac.training import clipping

# A gradient that is a thousandth of another drowns in it: the noise of an average over N sequences
# is about N^(-1/2) of their spread, so that it takes a million of them to see it.
FAR = 1000.0
LOG_FAR = float(np.log(FAR))
# Shares are counted of slopes below this and of gates beyond it on either side: the customary mark
# of saturation, where one step already costs the gradient a factor of ten.
TENTH = 0.1
# Blocks whose spread gives the standard error of the exponent.
BLOCKS = 10


class Measured(NamedTuple):
    """All that one sequence gave, on the host."""

    steps: int
    logs: np.ndarray
    error: np.ndarray
    growth: np.ndarray
    gradients: np.ndarray
    sizes: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    recurrence: Recurrence | None
    layers: list[gated.Layer]
    log_norm: float
    digits: float
    coarse_digits: float


def assembled(found: Sequence[Measured], dtype: str, loss: bool) -> Diagnosis:
    """Diagnosis without findings."""
    steps = np.array([one.steps for one in found])
    growth = np.stack([one.growth for one in found])
    curves = Curves(
        logs=np.stack([one.logs for one in found]),
        error=np.stack([one.error for one in found]),
        growth=np.where(np.arange(growth.shape[1]) <= steps[:, None], growth, np.nan),
        leading=_by_lag(found, 0),
        loss=_by_lag(found, 1) if loss else None,
        slopes=_joined([one.recurrence.slopes for one in found if one.recurrence]),
        keep=_joined([layer.keep for one in found for layer in one.layers]),
    )
    return Diagnosis(
        size=curves.logs.shape[1],
        steps=tuple(int(count) for count in steps),
        breaks=_first_bad(found),
        rates=_rates(curves, steps),
        lyapunov=_lyapunov(growth, steps),
        horizon=_horizon(curves, steps),
        explosion=_explosion(found, growth, steps),
        clipping=_clipping(found) if loss else None,
        recurrent=_recurrent(found[0].recurrence),
        transient=_transient(growth),
        units=_units(found, curves, float(np.finfo(computed(dtype)).eps)),
        gates=_gates(found),
        precision=_precision(found, dtype),
        curves=curves,
    )


def computed(dtype: str) -> str:
    """The dtype that a state of some dtype is computed in."""
    return "float64" if dtype == "float64" else "float32"


def middle(values: Any) -> float:
    """The middle one, of an even number the smaller of the two, so that -inf makes no NaN."""
    values = np.sort(np.ravel(values))
    return float(values[(len(values) - 1) // 2])


def _first_bad(found: Sequence[Measured]) -> int | None:
    """First step behind which a state or a product is NaN or infinite."""
    curves = np.stack([curve for one in found for curve in (one.sizes, one.growth)])
    bad = (np.isnan(curves) | (curves == np.inf)).any(axis=0)
    return int(np.argmax(bad)) if bad.any() else None


def _by_lag(found: Sequence[Measured], row: int) -> np.ndarray:
    """Log norms of one of the gradients, from the end of each sequence back; NaN before it."""
    curves = np.full((len(found), found[0].gradients.shape[1]), np.nan)
    for curve, one in zip(curves, found, strict=True):
        curve[: one.steps + 1] = one.gradients[row, one.steps :: -1]
    return curves


def _joined(parts: list[np.ndarray]) -> np.ndarray | None:
    values = np.concatenate([part.ravel() for part in parts]) if parts else np.zeros(0)
    values = values[np.isfinite(values)]
    return values if values.size else None


def _rates(curves: Curves, steps: np.ndarray) -> Rates:
    n = curves.logs.shape[1]

    def rate(place: int) -> Rate:
        each, error = (a[:, place] / steps for a in (curves.logs, curves.error))
        return Rate(middle(each), float(error.max()), float(each.min()), float(each.max()))

    return Rates(rate(0), rate(n // 2), rate(n - 1))


def _lyapunov(growth: np.ndarray, steps: np.ndarray) -> Lyapunov:
    """Growth after half of each sequence, when it has forgotten the direction it started in."""
    means, squares = [], []
    for curve, count in zip(growth, steps, strict=True):
        if np.isneginf(curve[count]):
            return Lyapunov(-np.inf, 0.0, True)
        half = int(count) // 2
        times = np.unique(np.linspace(half, count, BLOCKS + 1).astype(int))
        gained = np.diff(curve[times]) / np.diff(times)
        means.append((curve[count] - curve[half]) / (count - half))
        squares.append(gained.var(ddof=1) / gained.size if gained.size > 1 else 0.0)
    between = np.var(means, ddof=1) / len(means) if len(means) > 1 else 0.0
    exponent = float(np.mean(means))
    stderr = float(np.sqrt(max(between, np.mean(squares) / len(means))))
    # Newton's method over all steps at once converges in few iterations unless a change grows by
    # more than e within the sequence
    length = middle(steps)
    low, high = (length * (exponent + side * stderr) for side in (-2, 2))
    return Lyapunov(exponent, stderr, True if high < 1 else False if low > 1 else None)


def _horizon(curves: Curves, steps: np.ndarray) -> Horizon:
    def lags(rows: np.ndarray, factor: float, first: int) -> int:
        pairs = zip(rows, steps, strict=True)
        return int(middle([horizon(row[first : n + 1], factor, int(n)) for row, n in pairs]))

    leading = [lags(curves.leading, factor, 1) for factor in (np.e, FAR)]
    loss: list[Any] = [None, None]
    if curves.loss is not None:
        loss = [lags(curves.loss, factor, 0) for factor in (np.e, FAR)]
    window = leading[1] if loss[1] is None else loss[1]
    whole = window >= middle(steps)
    return Horizon(leading[0], leading[1], loss[0], loss[1], window, whole)


def _explosion(found: Sequence[Measured], growth: np.ndarray, steps: np.ndarray) -> Explosion:
    ends = growth[:, -1]
    most = int(np.argmax(ends))
    half, count = steps[most] // 2, steps[most]
    sizes = found[most].sizes
    with np.errstate(invalid="ignore"):
        grown = sizes[count] - sizes[half] > 0.5 * (growth[most, count] - growth[most, half])
    recurrence = found[most].recurrence
    bounded = recurrence is not None and recurrence.activation in ("tanh", "sigmoid")
    unbounded = bool(ends[most] > 0 and grown and not bounded)
    return Explosion(float((ends > LOG_FAR).mean()), float(ends[most]), unbounded)


def _clipping(found: Sequence[Measured]) -> clipping.Suggestion | None:
    norms = np.exp(np.clip([one.log_norm for one in found], None, np.log(np.finfo(float).max)))
    return clipping.suggest(norms) if np.isfinite(norms).all() else None


def _recurrent(found: Recurrence | None) -> Recurrent | None:
    if found is None:
        return None
    W, leak = found.matrix, found.leak
    whole = leak * np.eye(len(W)) + (1 - leak) * W
    radius = float(np.abs(np.linalg.eigvals(whole)).max())
    norm = float(np.linalg.norm(whole, 2))
    bound = None
    if found.gamma is not None:
        bound = float(abs(leak) + (1 - leak) * found.gamma * np.linalg.norm(W, 2))
    decides = "none"
    if bound is not None and bound < 1:
        decides = "gamma sigma_max < 1: gradients vanish"
    elif found.activation == "identity" and radius < 1:
        decides = "linear, radius < 1: gradients vanish"
    elif found.activation == "identity" and radius > 1:
        decides = "linear, radius > 1: gradients may explode"
    return Recurrent(radius, norm, bound, found.activation, decides)


def _transient(growth: np.ndarray) -> Transient:
    ends = growth[:, -1]
    # of the sequence in which most is lost again behind the peak
    most = int(np.argmax(growth.max(axis=1) - np.maximum(ends, -LOG_FAR)))
    step = int(np.argmax(growth[most]))
    return Transient(float(growth[most, step]), step, float(ends[most]))


def _units(found: Sequence[Measured], curves: Curves, eps: float) -> Units:
    lost = np.isneginf(curves.logs)
    # what is not known to be above -inf, and is below the rounding of the leading direction
    lost |= np.isinf(curves.error) & (curves.logs < curves.logs[:, :1] + np.log(eps))
    recurrence, slopes = found[0].recurrence, curves.slopes
    by_columns = recurrence is not None and recurrence.preactivation
    passing = np.any([one.columns if by_columns else one.rows for one in found], axis=0)
    saturated = log_slope = None
    if slopes is not None:
        scale = recurrence.gamma if recurrence and recurrence.gamma else 1.0
        saturated = float((np.abs(slopes) < TENTH * scale).mean())
        tiny = np.finfo(float).tiny
        log_slope = float(np.log(np.maximum(np.abs(slopes), tiny)).mean())
    survivors = middle((curves.logs > -LOG_FAR).sum(axis=1))
    return Units(
        int(survivors),
        int(middle(lost.sum(axis=1))),
        saturated,
        log_slope,
        float((~passing).mean()),
    )


def _precision(found: Sequence[Measured], dtype: str) -> Precision:
    """Digits in the dtype of the state; float16 is computed in float32, and told as that."""
    digits, coarse = (
        middle(each) for each in zip(*((m.digits, m.coarse_digits) for m in found), strict=True)
    )
    if dtype == "bfloat16":
        return Precision(dtype, coarse, coarse)
    return Precision(computed(dtype), digits, coarse)


def _gates(found: Sequence[Measured]) -> Gates | None:
    layers = [layer for one in found for layer in one.layers]
    if not layers:
        return None
    keep = np.concatenate([layer.keep.ravel() for layer in layers])
    tiny = np.finfo(float).tiny
    each = np.concatenate([np.log(np.maximum(layer.keep, tiny)).mean(axis=0) for layer in layers])
    paths = {name: 0.0 for layer in layers for name in layer.paths}
    for layer in layers:
        for name, share in layer.paths.items():
            paths[name] += share / len(layers)
    path = max(paths, key=lambda name: paths[name])
    with np.errstate(divide="ignore"):
        horizon, longest = (float(-1 / np.minimum(rate, 0)) for rate in (each.mean(), each.max()))
    shares = float((keep > 1 - TENTH).mean()), float((keep < TENTH).mean())
    return Gates(layers[0].kind, float(keep.mean()), horizon, longest, *shares, path, paths[path])
