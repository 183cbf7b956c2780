"""What the page says about learned gates: claim S25."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.common.claims import CONDITION, HOLDS, REFUTED
from analyses.common.words import Words
from analyses.gates_learn.captions import captions
from analyses.gates_learn.estimates import estimates
from analyses.gates_learn.selection import SOLVED
from analyses.gates_learn.training import CONSTANT, LEARNED

MATTERS = 0.05  # share of the sequences that must go wrong once gates are held

Arrays = Mapping[str, np.ndarray]
Found = Mapping[str, Any]  # what estimates.estimates gives


def words(arrays: Arrays, facts: Mapping[str, Any]) -> Words:
    """Title, summary, captions and the verdict."""
    found = estimates(arrays)
    return Words(
        title="Does the network decide when its gradient vanishes?",
        summary=_summary(found, arrays, facts),
        figures=captions(arrays, found),
        claims={"S25": s25(found, arrays)},
        place=60,
    )


def _summary(f: Found, arrays: Arrays, facts: Mapping[str, Any]) -> str:
    order, digits = facts["order"], facts["digits"]
    return (
        f"LSTMs of {order['hidden']} units, forget bias 1, learn two tasks: which of two "
        f"marked symbols came first among {facts['length']} (temporal order), and which digit it "
        f"is from 64 pixels one by one. Adam, {order['updates']} batches of {order['batch']} and "
        f"{digits['updates']} of {digits['batch']}, step size from {order['rate']:g} and "
        f"{digits['rate']:g} to 0, gradients clipped to norm {order['clip']:g}; {facts['seeds']} "
        "seeds. Each start is also trained with forget gates that cannot move: one learned number "
        "for each unit. A third trial takes the trained network and holds each gate at its own "
        "mean. " + _learned(f, arrays)
    )


def _learned(f: Found, arrays: Arrays) -> str:
    """How well the tasks were learned, in one sentence."""
    solved, errors = f["solved"], arrays["order_errors"][:, :, 1]
    digits = arrays["digits_errors"][:, :, 1].mean(1)
    return (
        f"Temporal order is learned (error below {100 * SOLVED:g} %) by {solved[LEARNED].sum()} of "
        f"{solved.shape[1]} networks with learned gates and {solved[CONSTANT].sum()} with constant "
        f"ones (median error {100 * np.median(errors[LEARNED]):.1f} and "
        f"{100 * np.median(errors[CONSTANT]):.1f} %); the mean test error on digits is "
        f"{100 * digits[LEARNED]:.0f} and {100 * digits[CONSTANT]:.0f} %."
    )


def s25(f: Found, arrays: Arrays) -> tuple[str, str]:
    """Verdict and the figures found."""
    return verdict(f), _order(f, arrays) + _digits(f, arrays) + _condition(f)


def verdict(f: Found) -> str:
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
        return HOLDS
    return CONDITION if any(responds) or any(matters) else REFUTED


def _order(f: Found, arrays: Arrays) -> str:
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


def _digits(f: Found, arrays: Arrays) -> str:
    errors, frozen = arrays["digits_errors"][:, :, 1], arrays["digits_frozen"][LEARNED, :, 1]
    return (
        f"Digits: through training log f at ink against blank changes by {f['digits_shift'].text} "
        f"nat, and the gradient's change across ink is {f['digits_growth'].text} nat with learned "
        f"and {f['digits_growth_constant'].text} with constant gates; test errors "
        f"{_percent(errors[LEARNED])} with learned gates, {_percent(frozen)} when these are held, "
        f"{_percent(errors[CONSTANT])} with constant ones."
    )


def _condition(f: Found) -> str:
    if verdict(f) != CONDITION or not f["solved"][CONSTANT].any():
        return ""
    worse = [
        name
        for name, task in (("temporal order", "order"), ("digits", "digits"))
        if f[f"{task}_gain"].sure and f[f"{task}_gain"].mean > 0
    ]
    less_well = f" ({' and '.join(worse)} less well)" if worse else ""
    return f" Condition: the task must call for it; both are learned without{less_well}."


def _percent(values: np.ndarray) -> str:
    low, high = 100 * np.min(values), 100 * np.max(values)
    return f"{low:.0f} to {high:.0f} %" if round(high) > round(low) else f"{high:.0f} %"
