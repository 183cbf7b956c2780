"""Does ReLU turn the product of Jacobians into a power of W, and does it cure vanishing?

Claims S13 and S14, and the IRNN, whose product is the identity as long as no unit falls silent.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analyses import cli, relu_figures, relu_networks
from analyses.progress import progress_bar

SEED = 0
HOLDS, CONDITION, REFUTED = "holds", "holds with a condition", "refuted"
_MINUS = re.compile(r"(?<!\w)-(?=\d)")  # a minus sign, not the hyphen of 1e-16


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
    "Euler identity": lambda s, key: relu_networks.euler(s.units, s.euler_steps, s.seeds, key),
    "critical gain": relu_networks.critical_gain,
    "counterexample": lambda s, key: relu_networks.tilted(),
    "masks": lambda s, key: relu_networks.masks(s.matrices, key),
    "rank": relu_networks.rank,
    "IRNN": lambda s, key: relu_networks.identity(s.units, key),
}


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parts, in float64."""
    jax.config.update("jax_enable_x64", True)
    return measure(settings)


def measure(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parts, in the default precision."""
    kind = jnp.zeros(()).dtype
    arrays, facts = {}, {}
    progress = progress_bar(PARTS.items(), unit="part")
    for number, (name, part) in enumerate(progress):
        progress.set_postfix_str(name)
        curves, numbers = part(settings, jax.random.fold_in(jax.random.key(SEED), number))
        arrays |= curves
        facts |= numbers
    meta = {
        "title": "ReLU and identity",
        "summary": f"A ReLU network multiplies masked matrices D W, not powers of W. Half of the "
        f"units being active, Gaussian networks keep their gradients at gain √2 instead of 1; what "
        f"silent units held is lost exactly. For zero input and bias the state itself is the "
        f"product times the start, an exact check: met to {facts['euler_gap']:.0e} of ‖J‖‖S_0‖.",
        "seed": SEED,
        "dtype": kind.name,
        "facts": facts,
        "claims": verdicts(facts, float(jnp.finfo(kind).eps)),
        "figures": relu_figures.captions(facts),
    }
    return {name: np.asarray(value) for name, value in arrays.items()}, meta


def verdicts(facts: Mapping[str, Any], eps: float) -> list[dict[str, str]]:
    """Rows for S13 and S14; ``eps`` is the machine epsilon of the run."""
    rows = {"S13": _s13(facts, eps), "S14": _s14(facts, eps)}
    return [
        {"id": claim, "verdict": verdict, "measured": _MINUS.sub("−", measured)}
        for claim, (verdict, measured) in rows.items()
    ]


def _s13(f, eps):
    not_needed = f["tilted_radius"] < 1 and f["tilted_rate"] > 0.5
    not_enough = f["gain_above_vanish"] > 0
    return REFUTED if not_needed and not_enough else CONDITION, (
        f"A product of masked matrices, equal to a power of W only while every unit is active (W = "
        f"I, positive inputs: the identity bit for bit over {f['identity_steps']} steps). S_t = "
        f"J_t,0 S_0 holds to {f['euler_gap']:.0e} of ‖J‖‖S_0‖ in {f['euler_networks']} networks, "
        f"{f['euler_steps']} steps (of ‖S_t‖: median {f['euler_gap_median']:.0e}, at worst "
        f"{f['euler_gap_of_state']:.0e}, where rounding outgrows the state). ρ > 1 is not "
        f"needed: W = [[2, −4], [1, −1.75]] has ρ = {f['tilted_radius']:.4f}, but ‖J‖ grows by "
        f"{np.exp(f['tilted_rate']):.6f} a step, to 10^{f['tilted_log10']:.2f} after "
        f"{f['tilted_steps']}. Nor enough: {f['gain_above_vanish']} of {f['gain_above']} Gaussian "
        f"networks with ρ > 1 vanish; {f['gain_active']:.3f} of the units are active, and λ₁ = 0 "
        f"at gain {f['gain_critical']:.2f} ± {f['gain_critical_spread']:.2f} without input and "
        f"{f['gain_critical_noise']:.2f} under noise (√2 for many units)."
    )


def _s14(f, eps):
    slower = f["gain_relu_noise"] > f["gain_tanh_critical"]
    loses = f["rank_last_0"] < f["rank_units"]
    return HOLDS if slower and loses else REFUTED, (
        f"In part: at gain {f['gain_nearest']:.2f} under noise λ₁ = {f['gain_relu_noise']:.3f} "
        f"({f['gain_tanh_critical']:.3f} for tanh), but silent units lose directions "
        f"exactly: of {f['rank_units']}, {f['rank_first']:.1f} are left after one step and "
        f"{f['rank_last_-0.5']:.1f}, {f['rank_last_0']:.1f}, {f['rank_last_0.5']:.1f} after "
        f"{f['rank_steps']} at biases −0.5, 0, 0.5, the least number of active units on the way "
        f"(largest difference {f['rank_off']}). An IRNN under inputs of both signs keeps "
        f"{f['identity_left_100']:.0%} after 100 steps."
    )


def draw(arrays: dict[str, np.ndarray], meta: dict[str, Any], out: Path) -> None:
    relu_figures.draw(arrays, meta["facts"], out)


if __name__ == "__main__":
    cli.main("relu_and_identity", compute, draw, PRESETS)
