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
