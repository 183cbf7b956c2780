"""What the page says about ReLU networks: claims S13 and S14, and the IRNN."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.common.claims import CONDITION, HOLDS, REFUTED
from analyses.common.words import Words


def words(arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> Words:
    """Title, summary, captions and verdicts."""
    return Words(
        title="ReLU and identity",
        summary=_summary(facts),
        figures=_captions(facts),
        claims={"S13": _s13(facts), "S14": _s14(facts)},
        place=40,
    )


def _summary(facts: Mapping[str, Any]) -> str:
    return (
        f"A ReLU network multiplies masked matrices D W, not powers of W. Half of the "
        f"units being active, Gaussian networks keep their gradients at gain √2 instead of 1; what "
        f"silent units held is lost exactly. For zero input and bias the state itself is the "
        f"product times the start, an exact check: met to {facts['euler_gap']:.0e} of ‖J‖‖S_0‖."
    )


def _s13(f: Mapping[str, Any]) -> tuple[str, str]:
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


def _s14(f: Mapping[str, Any]) -> tuple[str, str]:
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


def _captions(f: Mapping[str, Any]) -> list[dict[str, str]]:
    """Entry of the report of every figure."""
    return [
        {
            "file": "relu_gain.svg",
            "claims": ["S13", "S14"],
            "caption": f"Largest Lyapunov exponent λ₁ of Gaussian networks of {f['gain_units']} "
            f"units. Left: against the gain; dots are networks without input, lines medians. Half "
            f"of the ReLU units are active at a time, so that λ₁ = ln(g/√2) (dashed) rather than "
            f"ln g (dotted), the rate of a plain power of W. Right: against ln ρ(W); in the shaded "
            f"quadrant ρ(W) > 1 and yet the gradient vanishes: {f['gain_above_vanish']} of "
            f"{f['gain_above']} networks with ρ > 1.",
            "alt": "Left, the ReLU dots follow the dashed line, crossing zero near gain 1.5, well "
            "below the dotted line, and tanh under noise bends away further down. Right, the dots "
            "form a line parallel to the diagonal, about 0.5 below it.",
        },
        {
            "file": "relu_masks.svg",
            "claims": ["S13"],
            "caption": f"Left: log σ₁ of the product for W = [[2, −4], [1, −1.75]], of spectral "
            f"radius {f['tilted_radius']:.4f}, at rest at (1, 0) where the second unit is silent: "
            f"it doubles at each step, while the plain power of W shrinks. Right: spectral radius "
            f"of D W over that of W, for all masks D of {f['mask_matrices']} Gaussian matrices of "
            f"{f['mask_units']} units; line, median; bands, the middle 90% and all.",
            "alt": "Left, one line rises to 36 in 50 steps, the other falls to −16 with wiggles. "
            "Right, the median ratio rises from 0 with no active unit to 1 with all active; the "
            "widest band reaches above 1 for 2 to 7 active units.",
        },
        {
            "file": "relu_rank.svg",
            "claims": ["S14"],
            "caption": f"Left: directions not yet lost after each lag, in driven networks of "
            f"{f['rank_units']} units at the critical gain, three biases: singular values that are "
            f"not exactly zero (lines, mean over networks) and the least number of active units so "
            f"far (dots). Right: IRNN, W = I; with positive inputs the product is the identity for "
            f"{f['identity_steps']} steps, with inputs of both signs units stop at 0 one by one "
            f"and lose what they held.",
            "alt": "Left, three falling lines, the higher the bias the higher the line, dots on "
            "them. Right, a flat line at the number of units and one that starts at half of it "
            "and falls to one or none.",
        },
    ]
