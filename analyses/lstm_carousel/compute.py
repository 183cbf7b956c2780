"""What does the LSTM do for the gradient, and how much of it is due to the carousel?

Hochreiter and Schmidhuber (1997) show constant error flow for a truncated gradient; textbooks give
a four-term derivative of the cell state. Both meet the exact product of Jacobians, and claims S12,
S15 to S24, S26 and S27 are held against it.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from analyses.common.parts import measured
from analyses.lstm_carousel import ablation, flow, rates, terms

SEED = 0


class Settings(NamedTuple):
    """How much work is done."""

    # the cell of 1997
    flow_steps: int
    flow_seeds: int
    # the derivative of the cell state
    growth_steps: int
    term_networks: int  # of 4 units, N(0, 1) weights
    hidden: int
    seeds: int
    wide_lags: int
    path_gains: int
    path_steps: int
    # rates
    half: int  # units of the LSTMs whose singular values are shown; plain networks have twice that
    rate_steps: int
    warmup: int  # steps that are run but not counted
    gain_hidden: int
    gain_steps: int
    gains: int
    gain_seeds: int
    # ablation
    task_hidden: int
    task_seeds: int
    task_steps: int
    task_updates: int
    task_batch: int
    task_rate: float


PRESETS = {
    "quick": Settings(
        *(100, 8),
        *(500, 200, 24, 3, 60, 9, 100),
        *(12, 400, 100, 64, 400, 13, 3),
        *(12, 3, 30, 300, 32, 2e-2),
    ),
    "standard": Settings(
        *(200, 16),
        *(2000, 1000, 48, 6, 100, 17, 200),
        *(24, 2000, 200, 128, 2000, 21, 4),
        *(16, 6, 50, 1000, 32, 1e-2),
    ),
    "paper": Settings(
        *(200, 40),
        *(5000, 5000, 64, 10, 100, 25, 400),
        *(64, 10_000, 500, 256, 10_000, 31, 6),
        *(32, 10, 100, 2000, 32, 5e-3),
    ),
}

PARTS = {
    "carousel": flow.measure,
    "terms": terms.measure,
    "rates": rates.measure,
    "ablation": ablation.measure,
}


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parts, in float64."""
    jax.config.update("jax_enable_x64", True)
    arrays, facts = measured(PARTS, settings, SEED)
    return arrays, facts | {"eps": float(np.finfo(float).eps)}
