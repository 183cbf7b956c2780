"""Estimates over networks of what gates do, to the gradient and to the task."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from analyses.gates_learn.selection import solved
from analyses.gates_learn.training import CONSTANT, LEARNED

SURE = 3.0  # standard errors


class Estimate(NamedTuple):
    """Mean over networks and its standard error; NaN where there are too few of them."""

    mean: float
    error: float

    @property
    def text(self) -> str:
        if np.isnan(self.error):
            return "(too few networks)"
        return f"{self.mean:+.3f} ± {self.error:.3f}"

    @property
    def sure(self) -> bool:
        return abs(self.mean) > SURE * self.error

    @property
    def size(self) -> float:
        """The mean in standard errors."""
        return abs(self.mean) / self.error if self.error > 0 else np.nan


def estimate(values: np.ndarray) -> Estimate:
    """Mean of independent networks."""
    values = np.asarray(values, float)
    if values.size < 2:
        return Estimate(float(values.mean()) if values.size else np.nan, np.nan)
    return Estimate(float(values.mean()), float(values.std(ddof=1) / values.size**0.5))


def less(one: Estimate, other: Estimate) -> Estimate:
    """Difference of the means of two sets of networks."""
    return Estimate(one.mean - other.mean, float(np.hypot(one.error, other.error)))


def estimates(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Estimates for both tasks; on temporal order from the networks that learned it."""
    learned_it = solved(arrays)
    found: dict[str, Any] = {"solved": learned_it, "digits_seeds": arrays["digits_errors"].shape[1]}
    every = np.ones_like(learned_it[0, :1]).repeat(found["digits_seeds"])
    for task, kept, constant in (
        ("order", learned_it[LEARNED], learned_it[CONSTANT]),
        ("digits", every, every),
    ):
        gates, growth, errors, frozen = (
            arrays[f"{task}_{name}"] for name in ("contrast", "growth_contrast", "errors", "frozen")
        )
        before, after = (gates[LEARNED, kept, when, 0] for when in (0, 1))
        learned = estimate(growth[LEARNED, kept, 1, 0])
        earlier = estimate(growth[LEARNED, kept, 0, 0])
        alone = estimate(growth[CONSTANT, constant, 1, 0])
        found |= {
            f"{task}_gate_before": estimate(before),
            f"{task}_gate_after": estimate(after),
            f"{task}_shift": estimate(after - before),
            f"{task}_growth_before": earlier,
            f"{task}_growth": learned,
            f"{task}_growth_constant": alone,
            # where no network with constant gates learns the task, against the untrained ones
            f"{task}_own": less(learned, earlier if np.isnan(alone.error) else alone),
            # all networks: to fail is part of the answer here
            f"{task}_gain": less(*(estimate(errors[kind, :, 1]) for kind in (CONSTANT, LEARNED))),
            f"{task}_held": estimate(frozen[LEARNED, kept, 1] - errors[LEARNED, kept, 1]),
            f"{task}_swapped": estimate(arrays[f"{task}_swapped"][LEARNED, kept, 1, 0]),
            f"{task}_moves": [estimate(v).mean for v in arrays[f"{task}_moves"][LEARNED, kept].T],
        }
    return found
