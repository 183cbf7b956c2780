"""Conditions that a diagnosis may meet, and the words for them: parts of the rules."""

import math

import numpy as np

from rnnjac.diagnosis.assemble import LOG_FAR, TENTH, computed, middle
from rnnjac.diagnosis.result import Diagnosis

LOG_TEN = math.log(10)


def length(d: Diagnosis) -> int:
    """Steps of a sequence, the middle one of many."""
    return int(middle(d.steps))


def lasting(d: Diagnosis) -> float:
    """Log of what is left of the leading gradient after the whole sequence."""
    return middle(d.curves.logs[:, 0])


def vanishes(d: Diagnosis) -> bool:
    """Whether less than a thousandth of the leading gradient is left."""
    return lasting(d) < -LOG_FAR


def explodes(d: Diagnosis) -> bool:
    """Whether it grows by more than a thousand in more than half of the sequences."""
    return d.explosion.share > 0.5


def chaotic(d: Diagnosis) -> bool:
    """Whether rounding alone grows to the size of the state within the sequence, which is bounded.

    eps e^(lambda T) > 1.
    """
    digits = -math.log(np.finfo(computed(d.precision.dtype)).eps)
    return explodes(d) and not d.explosion.unbounded and d.lyapunov.exponent * length(d) > digits


def saturated(d: Diagnosis) -> bool:
    """Whether slopes below 0.1 alone cost a thousand, and slopes more than the matrix does."""
    u, r = d.units, d.recurrent
    if not vanishes(d) or u.saturated is None or u.log_slope is None or r is None:
        return False
    enough = u.saturated * -math.log(TENTH) * length(d) > LOG_FAR
    return enough and u.log_slope < min(0.0, _log(r.radius))


def too_many_dead(d: Diagnosis) -> bool:
    """Whether dead units alone cost a thousand, or are more than half.

    Without a share p of its units the spectral radius of a random matrix is (1 - p)^(1/2) of what
    it was (circular law), some exp(-p / 2).
    """
    return d.units.dead > min(0.5, 2 * LOG_FAR / length(d))


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def times(log: float) -> str:
    """A factor, given its log: '35 times', '1e+40 times'."""
    return "without end" if math.isinf(log) else f"{power(log)} times"


def power(log: float) -> str:
    """A number, given its log, however large: '35', '1e+40'."""
    return f"{math.exp(log):.3g}" if abs(log) < LOG_FAR else f"1e{log / LOG_TEN:+.0f}"


def clip(d: Diagnosis) -> str:
    """The advice to clip, with thresholds where norms were measured."""
    if d.clipping is None:
        return "clip the gradient's norm at half to ten times its average (give `loss` for numbers)"
    low, high = d.clipping.low, d.clipping.high
    return f"clip the gradient's norm at {low:.3g} to {high:.3g}, half to ten times its average"


def chrono(d: Diagnosis) -> str:
    """The advice on gate biases, for the length that was asked."""
    T = max(length(d), 2)
    bias = math.log(max(T - 1, 1))
    return (
        f"start the biases by initializers.chrono({T}) (forget bias up to {bias:.2g}, input bias "
        "its negative), or set all forget biases to that"
    )


def fallen(d: Diagnosis) -> str:
    """How fast the leading gradient falls, and what is left of it."""
    left = lasting(d)
    what = "nothing of it" if math.isinf(left) else f"{power(left)} of it"
    return f"the leading gradient is down by e after {d.horizon.leading} steps, {what} is left"


def window(d: Diagnosis) -> int:
    """Steps in which a change grows a thousandfold."""
    return max(1, round(LOG_FAR / d.lyapunov.exponent))


def misleads(d: Diagnosis) -> bool:
    """Whether the spectral radius is on one side of 1 and what gradients do on the other."""
    if d.recurrent is None:
        return False
    grows = explodes(d) or d.transient.peak > LOG_FAR
    return (d.recurrent.radius > 1 and vanishes(d)) or (d.recurrent.radius < 1 and grows)
