"""Which networks and how much of their spectra and colours the figures and captions show."""

from collections.abc import Mapping

import numpy as np

from analyses.gates_learn.training import LEARNED

SOLVED = 0.05  # a network that errs more often has not learned the temporal order task
INDICES = 16  # singular values shown
CENTRAL = 0.95  # quantile of |value| at which the colours of a map of pixels end

Arrays = Mapping[str, np.ndarray]


def solved(arrays: Arrays) -> np.ndarray:
    """Which networks have learned temporal order at the end, axes (kind, seed)."""
    return arrays["order_errors"][:, :, 1] < SOLVED


def shown(arrays: Arrays, kind: int) -> np.ndarray:
    """Networks that learned the task, or all if none did."""
    learned = solved(arrays)[kind]
    return learned if learned.any() else ~learned


def example(arrays: Arrays) -> int:
    """The network with the smallest error, and of those the one whose mean gate moves most."""
    errors = arrays["order_errors"][LEARNED, :, 1]
    moves = np.abs(arrays["order_contrast"][LEARNED, :, 1, 0])
    return int(np.lexsort((-moves, errors))[0])
