"""What does the LSTM do for the gradient, and how much of it is due to the carousel?

Hochreiter and Schmidhuber (1997) show constant error flow for a truncated gradient; textbooks give
a four-term derivative of the cell state. Both meet the exact product of Jacobians, and claims S12,
S15 to S24, S26 and S27 are held against it.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analyses.common import command as cli
from analyses.common.progress import progress_bar
from analyses.lstm_carousel import ablation as carousel_ablation
from analyses.lstm_carousel import figures as carousel_figures
from analyses.lstm_carousel import flow as carousel_flow
from analyses.lstm_carousel import rates as carousel_rates
from analyses.lstm_carousel import terms as carousel_terms
from analyses.lstm_carousel import verdicts as carousel_verdicts

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
    "carousel": carousel_flow.measure,
    "terms": carousel_terms.measure,
    "rates": carousel_rates.measure,
    "ablation": carousel_ablation.measure,
}


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parts, in float64."""
    jax.config.update("jax_enable_x64", True)
    return measure(settings)


def measure(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parts, in the default precision."""
    kind = jnp.zeros(()).dtype
    arrays, facts = {}, {}
    for number, part in enumerate(progress_bar(PARTS.values(), unit="part")):
        key = jax.random.fold_in(jax.random.key(SEED), number)
        curves, numbers = part(settings, key)
        arrays |= curves
        facts |= numbers
    meta = {
        "title": "The constant error carousel",
        "summary": f"The cell of 1997 passes an error back unchanged only if the paths through its "
        f"gates are cut: the truncated derivative is the identity, bit for bit, over "
        f"{facts['unit_lags']} steps; the true one is not. With gates taken into account, the "
        f"product of four-term derivatives found in textbooks is exact over one step and off by "
        f"{facts['term_four_15']:.0%} (median of {facts['term_networks']} small networks) after "
        f"15. Started as usual, an LSTM forgets at a definite rate like any network; biases of the "
        f"gates, not addition alone, decide how slowly.",
        "seed": SEED,
        "dtype": kind.name,
        "facts": facts,
        "claims": carousel_verdicts.verdicts(facts, float(jnp.finfo(kind).eps)),
        "figures": carousel_figures.captions(facts),
    }
    return {name: np.asarray(value) for name, value in arrays.items()}, meta


def draw(arrays: dict[str, np.ndarray], meta: dict[str, Any], out: Path) -> None:
    carousel_figures.draw(arrays, meta["facts"], out)


if __name__ == "__main__":
    cli.main("lstm_carousel", compute, draw, PRESETS)
