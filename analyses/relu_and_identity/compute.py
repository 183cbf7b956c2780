"""Does ReLU turn the product of Jacobians into a power of W, and does it cure vanishing?

Claims S13 and S14, and the IRNN, whose product is the identity as long as no unit falls silent.
"""

from typing import Any, NamedTuple

import jax

from analyses.common.parts import measured
from analyses.relu_and_identity import networks

SEED = 0


class Settings(NamedTuple):
    """How much work is done."""

    units: int
    seeds: int
    euler_steps: int
    rank_steps: int
    gain_units: int
    gain_steps: int
    warmup: int  # steps that are run but not counted
    gains: int
    matrices: int  # of 8 units, each with all its masks


PRESETS = {
    "quick": Settings(32, 6, 100, 100, 128, 300, 100, 11, 100),
    "standard": Settings(64, 10, 200, 300, 256, 1000, 200, 21, 500),
    "paper": Settings(128, 20, 400, 1000, 256, 3000, 500, 31, 2000),
}

PARTS = {
    "Euler identity": lambda s, key: networks.euler(s.units, s.euler_steps, s.seeds, key),
    "critical gain": networks.critical_gain,
    "counterexample": lambda s, key: networks.tilted(),
    "masks": lambda s, key: networks.masks(s.matrices, key),
    "rank": networks.rank,
    "IRNN": lambda s, key: networks.identity(s.units, key),
}


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parts, in float64."""
    jax.config.update("jax_enable_x64", True)
    return measured(PARTS, settings, SEED)
