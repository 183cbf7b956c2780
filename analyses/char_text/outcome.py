"""Which trainings of the character models failed; drawn and said."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.char_text.training import AHEAD, METHODS

NAMES = tuple(method.name for method in METHODS)


def thrown_off(a: Mapping[str, np.ndarray], f: Mapping[str, Any], run: int) -> np.ndarray:
    """Which seeds of a run were thrown off: diverged, or worse than knowing no character at all."""
    limit = f["alone"][AHEAD.index(f["runs"][run]["ahead"])]
    return ~(a["held_out"][run] <= limit) | (a["diverged"][run] >= 0)


def shown_figures(f: Mapping[str, Any]) -> list[str]:
    """All figures, but no curve against a step size of which there are fewer than three."""
    sizes = [{run["rate"] for run in f["runs"] if run["method"] == m} for m in range(len(NAMES))]
    names = ["bits", "training", "steps", "gradients", "spectra"]
    return names if min(map(len, sizes)) > 2 else [name for name in names if name != "steps"]
