"""Does the largest eigenvalue of the recurrent weights say whether gradients vanish or explode?

Pascanu, Mikolov and Bengio (2013) give conditions; the 2018 post turns them into a rule. Here the
rule, and claims S1 to S11 around it, meet the measured rates.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from analyses.common.parts import measured
from analyses.eigenvalue_decay import examples, gain, identities, networks, training

SEED = 0


class Settings(NamedTuple):
    """How much work is done."""

    # the sweep through ρ(W) = 1
    size: int
    steps: int
    warmup: int  # steps that are run but not counted
    radii: int  # even
    seeds: int
    full_radii: int  # radii at which every singular value is computed
    # λ₁ against the gain
    gain_size: int
    gain_steps: int
    gains: int
    gain_seeds: int
    # training
    tasks: int  # 1 or 2
    train_size: int
    train_steps: int
    train_seeds: int
    batch: int
    rounds: int
    updates: int  # in each round
    rate: float
    watched: int  # sequences looked at after each round
    # single units
    weights: int
    latch_starts: int
    shifts: int


PRESETS = {
    "quick": Settings(
        *(32, 240, 80, 12, 3, 3),
        *(200, 600, 14, 2),
        *(2, 32, 50, 4, 16, 2, 100, 2e-3, 8),
        *(160, 1000, 60),
    ),
    "standard": Settings(
        *(64, 320, 100, 20, 6, 6),
        *(300, 2000, 24, 4),
        *(2, 64, 100, 8, 20, 4, 300, 1e-3, 16),
        *(400, 10_000, 120),
    ),
    "paper": Settings(
        *(128, 360, 120, 40, 20, 10),
        *(1000, 5000, 40, 4),
        *(2, 100, 100, 20, 20, 10, 2000, 1e-3, 64),
        *(1600, 100_000, 240),
    ),
}

PARTS = {
    "identities": lambda settings, key: identities.measure(key),
    "examples": examples.measure,
    "networks": networks.sweep,
    "gain": gain.measure,
    "training": training.measure,
}


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parts, in float64."""
    jax.config.update("jax_enable_x64", True)
    arrays, facts = measured(PARTS, settings, SEED)
    counted = settings.steps - settings.warmup
    eps = float(np.finfo(float).eps)
    return arrays, facts | {"size": settings.size, "counted": counted, "eps": eps}
