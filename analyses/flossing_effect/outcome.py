"""How near to 0 flossing brings exponents and gradients, and which networks learn the task."""

from collections.abc import Mapping
from typing import Any

import numpy as np

NEAR = 0.02  # nat per step: an exponent this close to 0 counts as brought there
SOLVED = 0.01  # share of wrong bits

Arrays = Mapping[str, np.ndarray]
Facts = Mapping[str, Any]


def slopes(norms: np.ndarray) -> np.ndarray:
    """Growth of the mean log norm per step back, over the later half of the lags."""
    half = norms.shape[-1] // 2
    return (norms[..., -1] - norms[..., half]) / (norms.shape[-1] - 1 - half)


def leading(facts: Facts) -> int:
    """How many exponents count as leading: half of those that every start is flossed by."""
    return max(1, min(stage["top"] for stages in facts["stages"] for stage in stages) // 2)


def rms(arrays: Arrays, facts: Facts) -> np.ndarray:
    """Root mean square of the leading exponents, axes (delay, start, condition, seed, time)."""
    values = arrays["task_leading"][..., : leading(facts), :]
    return np.sqrt((values**2).mean(-2))


def solved(arrays: Arrays) -> np.ndarray:
    """Networks that do the task at the end, axes (delay, start, condition)."""
    return (arrays["task_errors"][..., -1] < SOLVED).sum(-1)


def farthest(values: np.ndarray) -> float:
    """The value with the largest modulus."""
    flat = np.ravel(values)
    return float(flat[np.argmax(np.abs(flat))])
