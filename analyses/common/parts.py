"""The parts of an analysis, measured one after the other."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from rnnjac._support.progress import progress_bar


def keyed(
    parts: Mapping[str, Callable], seed: int, unit: str = "part"
) -> Iterator[tuple[str, Callable, jax.Array]]:
    """Name, function and random key of each part, while a bar shows how far the work is."""
    progress = progress_bar(parts.items(), unit=unit)
    for number, (name, part) in enumerate(progress):
        progress.set_postfix_str(name)
        yield name, part, jax.random.fold_in(jax.random.key(seed), number)


def measured(
    parts: Mapping[str, Callable], settings: Any, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and facts of all parts, functions ``part(settings, key) -> (arrays, facts)``."""
    arrays, facts = {}, {}
    for _, part, key in keyed(parts, seed):
        curves, numbers = part(settings, key)
        arrays |= {name: np.asarray(value) for name, value in curves.items()}
        facts |= numbers
    return arrays, facts
