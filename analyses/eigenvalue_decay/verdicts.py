"""What the measured figures say about claims S1 to S11."""

import math
from collections.abc import Mapping
from typing import Any

from analyses.common.claims import CONDITION, HOLDS, REFUTED

Facts = Mapping[str, Any]
Finding = tuple[str, str]


def verdicts(facts: Facts) -> dict[str, Finding]:
    """Verdict and figure found for each claim."""
    rules = (_s1, _s2, _s3, _s4, _s5, _s6, _s7, _s8, _s9, _s10, _s11)
    return {f"S{number}": rule(facts) for number, rule in enumerate(rules, 1)}


def _s1(f: Facts) -> Finding:
    right = f["sum_of_terms"] < 1e4 * f["eps"] and f["cut_beyond_lag_0"] < 1e4 * f["eps"]
    return HOLDS if right else REFUTED, (
        f"The terms of all lags add up to the gradient of reverse mode (relative difference "
        f"{f['sum_of_terms']:.0e}); with the state cut, only lag 0 is left "
        f"({f['cut_beyond_lag_0']:.0e})."
    )


def _s2(f: Facts) -> Finding:
    right = max(f["diagonal_left"], f["forms_intertwine"]) < 1e5 * f["eps"]
    return HOLDS if right else REFUTED, (
        f"diag(tanh′) W_s agrees with forward mode to {f['diagonal_left']:.0e} when the state is "
        f"what leaves tanh; W_s diag(tanh′) would be off by {f['diagonal_right_wrong']:.0%}, and "
        f"is right when the state is what enters it ({f['diagonal_right_other_form']:.0e}). "
        f"JˣW = WJʰ to {f['forms_intertwine']:.0e}; one-step eigenvalues agree, while log σ of "
        f"the products differs by {f['forms_singular_values']:.2f}."
    )


def _s3(f: Facts) -> Finding:
    right = f["product_ways"] < 1e5 * f["eps"] and f["product_reversed"] > 0.01
    return CONDITION if right else REFUTED, (
        f"Latest factor on the left, from the step after the start: four ways agree to "
        f"{f['product_ways']:.0e}. In reversed order the product is off by "
        f"{f['product_reversed']:.1f} times its largest entry."
    )


def _s4(f: Facts) -> Finding:
    refuted = f["above_wrong"] > 0 and f["unit_multiplier"] < 1
    return REFUTED if refuted else HOLDS, (
        f"ρ(W) > 1 and yet λ₁ < 0 in {_by_activation(f, 'above')}; "
        f"a tanh unit with w = 2 rests at {f['unit_fixed_point']:.7f} with multiplier "
        f"{f['unit_multiplier']:.7f}. In {f['linear_count'] - f['linear_wrong']} of "
        f"{f['linear_count']} linear networks the rule is right. No rate passed ln(γ σ_max): "
        f"largest excess {f['bound_excess']:.0e}."
    )


def _s5(f: Facts) -> Finding:
    refuted = f["below_wrong"] > 0 or f["tilted_log_norm"] > 0
    return REFUTED if refuted else HOLDS, (
        f"W = [[2, −4], [1, −1.75]] has ρ = {f['tilted_radius']:.4f}, but held at (0, 8) its "
        f"‖J₅₀‖ is {_power(f['tilted_log_norm'])}. ρ(W) < 1 and yet λ₁ > 0 in "
        f"{_by_activation(f, 'below')}, of which {f['below_wrong_normal']} have a symmetric or "
        f"orthogonal W. With all eigenvalues 0, "
        f"‖W^k‖ first reaches {f['nilpotent_peak']:.0f}, and is 0 at k = 30."
    )


def _s6(f: Facts) -> Finding:
    right = f["tanh_slope_at_0"] == 1.0 == f["tanh_slope_max"]
    return CONDITION if right else REFUTED, (
        f"At most 1 is right, always less than 1 is not: the largest slope is "
        f"{f['tanh_slope_max']:g}, at 0. That of the logistic function is "
        f"{f['sigmoid_slope_max']:g}."
    )


def _s7(f: Facts) -> Finding:
    return HOLDS if f["slope_below_1"] > 0.99 else CONDITION, (
        f"{f['slope_below_1']:.2%} of all slopes through training are below 1, but "
        f"{f['slope_above_09']:.0%} exceed 0.9, and in {f['slope_below_1_yet_growing']} of "
        f"{f['slope_runs']} checks every slope was below 1 while the gradient grew. What counts is "
        f"the mean of φ′²: {f['slope_square_init']:.2f} at the start, within "
        f"{f['slope_square_theory_gap']:.2f} of mean field."
    )


def _s8(f: Facts) -> Finding:
    small, large = f["gain_small_max"] < 0, f["gain_tanh_last"] > 0
    verdict = CONDITION if small and (large or f["gain_linear_last"] > 0) else REFUTED
    return verdict, (
        f"Small weights vanish (largest λ₁ below gain 0.8: {f['gain_small_max']:.2f}). Large ones: "
        f"dλ₁/d ln g = {f['gain_linear_slope']:.3f} for linear networks but "
        f"{f['gain_tanh_slope']:.2f} for tanh, λ₁({f['gain_largest']:g}) = "
        f"{f['gain_tanh_last']:.3f} (mean field {f['gain_theory_last']:.3f}, linear "
        f"{f['gain_linear_last']:.2f}); symmetric weights of radius {f['gain_largest']:g} vanish "
        f"at {f['gain_symmetric_last']:.1f}, and g = 2 under noise of deviation 2 at "
        f"{f['gain_noise_at_2']:.3f} (mean field {f['gain_noise_at_2_theory']:.3f})."
    )


def _s9(f: Facts) -> Finding:
    common = f["init_vanish"] > f["init_explode"] and f["trained_vanish"] > f["trained_explode"]
    always = common and f["init_explode_wide"] < 0.5
    verdict = HOLDS if always else CONDITION if common else REFUTED
    return verdict, (
        f"Four usual starts, {f['train_cells']} networks: {f['init_vanish']:.0%} vanish, "
        f"{f['init_hold']:.0%} hold within a factor e, {f['init_explode']:.0%} explode; after "
        f"{f['train_updates']} updates {f['trained_vanish']:.0%}, {f['trained_hold']:.0%}, "
        f"{f['trained_explode']:.0%}. Started at gain 2, {f['init_explode_wide']:.0%} explode."
    )


def _s10(f: Facts) -> Finding:
    kept = f["latch_bits"] > 0.99 * f["latch_entropy"]
    verdict = CONDITION if kept and f["latch_small_effect"] < 1e-6 else HOLDS
    return verdict, (
        f"True of small changes only. A tanh unit with w = 5: median "
        f"log |dS_{f['latch_steps']}/dS₀| = {f['latch_log_gradient']:.0f}, yet the "
        f"sign of the start is kept in full ({f['latch_bits']:.3f} of "
        f"{f['latch_entropy']:.3f} bit; under noise "
        f"{f['latch_noisy_bits']:.2f}, of {f['latch_noisy_bits_first']:.2f} after one step). Small "
        f"shifts of the start end at {f['latch_small_effect']:.0e}, those across 0 at "
        f"{f['latch_large_effect']:.2f}."
    )


def _s11(f: Facts) -> Finding:
    half = f["scan_growing"] == 0 and f["scan_last_at_0"] > 0
    return CONDITION if half else REFUTED, (
        f"Below 1 it vanishes. Above 1 it grows without limit only if linear or started exactly at "
        f"0 (w = 8: ln 8 = {f['scan_last_at_0']:.3f}); from other starts it grew in "
        f"{f['scan_growing']} of {f['scan_count']} cases, with rate {f['scan_last']:.2f} at w = 8."
    )


def _by_activation(f: Facts, side: str) -> str:
    """Counts of the networks on one side of ρ = 1 whose sign is not that of the rule."""
    each = f[f"{side}_count"] // 3
    names = (("tanh", "tanh"), ("relu", "ReLU"), ("sigmoid", "logistic"))
    return ", ".join(f"{f[f'{side}_wrong_{key}']} of {each} {name}" for key, name in names) + (
        " networks"
    )


def _power(log: float) -> str:
    """e^log with two digits, for logs of any size."""
    exponent, rest = divmod(log / math.log(10), 1)
    mantissa = round(10**rest, 1)
    sup = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa:.1f}·10{sup}"
