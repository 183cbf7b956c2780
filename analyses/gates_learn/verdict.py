"""What the measurements say about the claim: numbers, their errors, and words."""

from typing import Any, NamedTuple

import numpy as np

from analyses.gates_learn.training import CONSTANT, LEARNED

SOLVED = 0.05  # a network that errs more often has not learned the temporal order task
SURE = 3.0  # standard errors
MATTERS = 0.05  # share of the sequences that must go wrong once gates are held


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


def facts(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Estimates for both tasks; on temporal order from the networks that learned it."""
    solved = arrays["order_errors"][:, :, 1] < SOLVED
    found: dict[str, Any] = {"solved": solved, "digits_seeds": arrays["digits_errors"].shape[1]}
    every = np.ones_like(solved[0, :1]).repeat(found["digits_seeds"])
    for task, kept, constant in (
        ("order", solved[LEARNED], solved[CONSTANT]),
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


def verdict(f: dict[str, Any]) -> str:
    """Of the claim that gates, being learned, decide when a gradient vanishes.

    It holds if on both tasks the gates learn to respond, the gradient falls there by more than in
    networks whose gates are constant, and such networks do worse. It is refuted if on neither task
    the gates respond or matter to the networks that have them. Else it depends.
    """
    tasks = ("order", "digits")
    responds = [f[f"{task}_shift"].sure for task in tasks]
    own = [f[f"{task}_own"].sure and f[f"{task}_own"].mean < 0 for task in tasks]
    needs = [f[f"{task}_gain"].sure and f[f"{task}_gain"].mean > 0 for task in tasks]
    matters = [f[f"{task}_held"].mean > MATTERS for task in tasks]
    if all(responds) and all(own) and all(needs):
        return "holds"
    return "holds with a condition" if any(responds) or any(matters) else "refuted"


def claim(arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """The row for the table of claims."""
    f = facts(arrays)
    measured = _order(f, arrays) + _digits(f, arrays) + _condition(f)
    return {"id": "S25", "verdict": verdict(f), "measured": measured}


def _order(f: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    solved, seeds = f["solved"].sum(1), f["solved"].shape[1]
    if solved[LEARNED] < 2:
        return (
            f"Temporal order: only {solved[LEARNED]} of {seeds} networks learned it, and "
            f"{solved[CONSTANT]} of {seeds} with constant gates; too few to tell. "
        )
    shift, growth, alone = (f[f"order_{name}"] for name in ("shift", "growth", "growth_constant"))
    held = arrays["order_frozen"][LEARNED, f["solved"][LEARNED], 1]
    size = f" ({shift.size:.0f} standard errors)" if shift.error > 0 else ""
    return (
        f"Temporal order, {solved[LEARNED]} of {seeds} networks that learned it: through training "
        f"log f at a marker changes by {shift.text} nat{size} against its neighbours, from "
        f"{f['order_gate_before'].text} to {f['order_gate_after'].text}; the spread of each gate "
        f"over the steps goes from {f['order_moves'][0]:.2f} to {f['order_moves'][1]:.2f} nat. "
        f"Going back, the gradient changes by {growth.text} nat more across a marker than beside "
        f"it (a factor {np.exp(growth.mean):.2f}; before training "
        f"{f['order_growth_before'].text}), by {alone.text} where f is one constant for each unit: "
        f"{'a' if f['order_own'].sure else 'no'} sure difference. {solved[CONSTANT]} of {seeds} "
        "such networks learn the task too; but a trained network whose gates are then held at "
        f"their means errs on {_percent(held)} of the sequences. "
    )


def _digits(f: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    errors, frozen = arrays["digits_errors"][:, :, 1], arrays["digits_frozen"][LEARNED, :, 1]
    return (
        f"Digits: through training log f at ink against blank changes by {f['digits_shift'].text} "
        f"nat, and the gradient's change across ink is {f['digits_growth'].text} nat with learned "
        f"and {f['digits_growth_constant'].text} with constant gates; test errors "
        f"{_percent(errors[LEARNED])} with learned gates, {_percent(frozen)} when these are held, "
        f"{_percent(errors[CONSTANT])} with constant ones."
    )


def _condition(f: dict[str, Any]) -> str:
    if verdict(f) != "holds with a condition" or not f["solved"][CONSTANT].any():
        return ""
    worse = [
        name
        for name, task in (("temporal order", "order"), ("digits", "digits"))
        if f[f"{task}_gain"].sure and f[f"{task}_gain"].mean > 0
    ]
    less_well = f" ({' and '.join(worse)} less well)" if worse else ""
    return f" Condition: the task must call for it; both are learned without{less_well}."


def summary(arrays: dict[str, np.ndarray]) -> str:
    """One sentence for the head of the report: how well the tasks were learned."""
    solved, errors = facts(arrays)["solved"], arrays["order_errors"][:, :, 1]
    digits = arrays["digits_errors"][:, :, 1].mean(1)
    return (
        f"Temporal order is learned (error below {100 * SOLVED:g} %) by {solved[LEARNED].sum()} of "
        f"{solved.shape[1]} networks with learned gates and {solved[CONSTANT].sum()} with constant "
        f"ones (median error {100 * np.median(errors[LEARNED]):.1f} and "
        f"{100 * np.median(errors[CONSTANT]):.1f} %); the mean test error on digits is "
        f"{100 * digits[LEARNED]:.0f} and {100 * digits[CONSTANT]:.0f} %."
    )


def _percent(values: np.ndarray) -> str:
    low, high = 100 * np.min(values), 100 * np.max(values)
    return f"{low:.0f} to {high:.0f} %" if round(high) > round(low) else f"{high:.0f} %"
