"""Does the largest eigenvalue of the recurrent weights say whether gradients vanish or explode?

Pascanu, Mikolov and Bengio (2013) give conditions; the 2018 post turns them into a rule. Here the
rule, and claims S1 to S11 around it, meet the measured rates.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analyses.common import command as cli
from analyses.common.progress import progress_bar
from analyses.eigenvalue_decay import examples as decay_examples
from analyses.eigenvalue_decay import figures as decay_figures
from analyses.eigenvalue_decay import gain as decay_gain
from analyses.eigenvalue_decay import identities as decay_identities
from analyses.eigenvalue_decay import networks as decay_networks
from analyses.eigenvalue_decay import training as decay_training
from analyses.eigenvalue_decay import verdicts as decay_verdicts

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
    "identities": lambda settings, key: decay_identities.measure(key),
    "examples": decay_examples.measure,
    "networks": decay_networks.sweep,
    "gain": decay_gain.measure,
    "training": decay_training.measure,
}


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parts, in float64."""
    jax.config.update("jax_enable_x64", True)
    return measure(settings)


def measure(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parts, in the default precision."""
    kind = jnp.zeros(()).dtype
    arrays, facts = {}, {"size": settings.size, "counted": settings.steps - settings.warmup}
    progress = progress_bar(PARTS.items(), unit="part")
    for number, (name, part) in enumerate(progress):
        progress.set_postfix_str(name)
        found = part(settings, jax.random.fold_in(jax.random.key(SEED), number))
        arrays |= found[0]
        facts |= found[1]
    meta = {
        "title": "Eigenvalue magnitude against gradient decay",
        "summary": f"The rule that gradients explode when the dominant eigenvalue of the recurrent "
        f"weights exceeds 1, and vanish when it is below, is exact for linear networks. In "
        f"{facts['networks']} networks of {settings.size} units it is held against the largest "
        f"Lyapunov exponent λ₁, the rate of growth of the Jacobian product, and against the "
        f"gradient itself. What the weights do guarantee is the bound ln(γ σ_max), γ being the "
        f"largest slope of the activation and σ_max the spectral norm of W.",
        "seed": SEED,
        "dtype": kind.name,
        "facts": facts,
        "claims": decay_verdicts.verdicts(facts, float(jnp.finfo(kind).eps)),
        "figures": decay_figures.captions(facts),
    }
    return {name: np.asarray(value) for name, value in arrays.items()}, meta


def draw(arrays: dict[str, np.ndarray], meta: dict[str, Any], out: Path) -> None:
    decay_figures.draw(arrays, meta["facts"], out)


if __name__ == "__main__":
    cli.main("eigenvalue_decay", compute, draw, PRESETS)
