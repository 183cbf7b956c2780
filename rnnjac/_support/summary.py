"""Results in a few lines and in a few numbers, in place of raw arrays."""

from collections.abc import Callable
from typing import Any

import jax
import jax.core
import numpy as np


def summary(title: str, rows: dict[str, str]) -> str:
    """A title, and below it a line for each row."""
    wide = max(len(name) for name in rows)
    return "\n".join([title, *(f"  {name:{wide}}  {text}" for name, text in rows.items())])


def shown(result: Any, lines: Callable[[Any], str]) -> str:
    """``lines(result)`` of a NamedTuple; the fields where they are no numbers (in `jax.jit`)."""
    if all(_known(leaf) for leaf in jax.tree.leaves(result)):
        return lines(result)
    fields = zip(result._fields, result, strict=True)
    return f"{type(result).__name__}({', '.join(f'{name}={value}' for name, value in fields)})"


def first_median_last(values: Any) -> str:
    """Of descending values: '-0.1 first, -3.2 median, -45 last'."""
    values = np.asarray(values, float)
    if values.size == 1:
        return f"{values[0]:.4g}"
    return f"{values[0]:.4g} first, {median(values):.4g} median, {values[-1]:.4g} last"


def median(values: np.ndarray) -> float:
    """The middle one of descending values, the later one of two, so that -inf makes no NaN."""
    return float(values[len(values) // 2])


def counted(number: int, one: str, many: str) -> str:
    """'1 step', '3 steps'."""
    return f"{number} {one if number == 1 else many}"


def _known(leaf: Any) -> bool:
    numbers = isinstance(leaf, (jax.Array, np.ndarray, np.generic, float, int))
    return numbers and not isinstance(leaf, jax.core.Tracer)
