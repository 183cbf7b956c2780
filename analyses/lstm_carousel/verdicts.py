"""What the measured figures say about claims S12, S15 to S24, S26 and S27."""

from collections.abc import Mapping
from typing import Any

from analyses.common.claims import CONDITION, HOLDS, REFUTED

Facts = Mapping[str, Any]
Finding = tuple[str, str]


def verdicts(facts: Facts) -> dict[str, Finding]:
    """Verdict and figure found for each claim."""
    return {claim: rule(facts) for claim, rule in RULES.items()}


def _s12(f: Facts) -> Finding:
    cure = f["spectra_lstm_8_one"] > 0.4 and f["spectra_linear_off"] < 1e4 * f["eps"]
    usual = f["spectra_lstm_1_one"] > 0.4
    return HOLDS if cure and usual else CONDITION if cure else REFUTED, (
        f"Near 1 must mean singular values, and near 0 is forgetting, not a cure. Over "
        f"{f['spectra_span']} steps, {f['spectra_lstm_8_one']:.0%} of those of an LSTM with "
        f"b_f = −b_i = 8 stay within a factor e of 1 and {f['spectra_lstm_8_zero']:.0%} fall below "
        f"1e-3 (b_f = −b_i = 5: {f['spectra_lstm_5_one']:.0%} and {f['spectra_lstm_5_zero']:.0%}; "
        f"b_f = 1, b_i = 0: {f['spectra_lstm_1_one']:.0%}). Orthogonal weights: all are 1 to "
        f"{f['spectra_linear_off']:.0e} if linear, {f['spectra_orthogonal_one']:.0%} with tanh."
    )


def _s15(f: Facts) -> Finding:
    two = f["structure_exact_blocks"] == 3 and f["structure_exact_off"] == 0
    return CONDITION if two else HOLDS, (
        f"Two gates in 1997: its weights have {f['structure_exact_blocks']} blocks, input gate, "
        f"output gate and candidate, and dc/dc at constant h is exactly 1. The third came in 2000 "
        f"({f['structure_later_blocks']} blocks, dc/dc = f, largest "
        f"{f['structure_later_kept']:.2f} in one drawn step). The conflict is real: one weight "
        f"that must store one of 50 values and ignore the rest leaves {f['sum_residual']:.2f} of "
        f"the variance, in closed form."
    )


def _s16(f: Facts) -> Finding:
    exact = f["unit_carousel_off"] == 0 == f["unit_flip_off"]
    return HOLDS if exact and f["unit_leak_last"] < 0.5 else REFUTED, (
        f"Identity with w = 1: the product is exactly 1 at each of {f['unit_lags']} lags; w = 0.99 "
        f"leaves {f['unit_leak_last']:.1e}. w = −1 keeps the modulus exactly too but no sum: a "
        f"constant input counts to {f['unit_flip_count']:g}, not {f['unit_carousel_count']:g}. The "
        f"paper asks for 1, without the modulus."
    )


def _s17(f: Facts) -> Finding:
    kept = f["drift_memory_off"] == 0
    hidden = f["drift_slope_0"] < -10
    return CONDITION if kept and hidden else HOLDS if kept else REFUTED, (
        f"dc_t/dc_0 is exactly 1 at every lag without forgetting (with f = σ(1) half is gone in "
        f"{f['half_life']:.2f} steps). But under a constant input the sum drifts to "
        f"{f['drift_sum_0']:.0f} in {f['drift_steps']} steps and ln dh_t/dc_0 to "
        f"{f['drift_slope_0']:.1f} ({f['drift_slope_noise']:.1f} at its lowest under noise). "
        f"Input-gate biases −2, −4, −6 hold it at {f['drift_slope_-2']:.1f}, "
        f"{f['drift_slope_-4']:.1f}, {f['drift_slope_-6']:.1f}."
    )


def _s18(f: Facts) -> Finding:
    exact = f["cut_off"] == 0
    differs = f["cut_cosine_1"] < 1 - 1e3 * f["eps"]
    return CONDITION if exact and differs else HOLDS if exact else REFUTED, (
        f"True of the truncated estimate: dC_t/dC_k is the identity bit for bit in "
        f"{f['cut_products']} products, lags to {f['unit_lags']}. Against the exact gradient of "
        f"the weights over {f['cut_steps']} steps its cosine (norm ratio) is "
        + ", ".join(
            f"{f[f'cut_cosine_{g}']:.2f} ({f[f'cut_ratio_{g}']:.2f})"
            for g in ("0.1", "0.5", "1", "2")
        )
        + f" at recurrent gains 0.1, 0.5, 1, 2, and at the longest lag "
        f"{f['cut_cosine_last_0.1']:.2f}, {f['cut_cosine_last_0.5']:.2f}, "
        f"{f['cut_cosine_last_1']:.2f}, {f['cut_cosine_last_2']:.2f} (medians)."
    )


def _s19(f: Facts) -> Finding:
    wrong = f["structure_exact_blocks"] == 3 and f["structure_cut_from_h"] == 0
    n = f["structure_units"]
    return REFUTED if wrong else HOLDS, (
        f"No forget gate existed. The cell has {f['structure_exact_blocks']} arguments, net_c, "
        f"net_in and net_out, and the truncation cuts these: of the derivatives with respect to "
        f"h, {f['structure_exact_from_h']} entries of {2 * n * n} are nonzero before it and "
        f"{f['structure_cut_from_h']} after."
    )


def _s20(f: Facts) -> Finding:
    bounded = f["growth_share"] <= 1 + 1e3 * f["growth_steps"] ** 0.5 * f["eps"]
    return CONDITION if bounded else REFUTED, (
        f"It grows, but never beyond 2t (1997) or t (tanh candidate): largest share of the bound "
        f"{f['growth_share']:.4f}, reached when gate and candidate are held at 1. Under noise it "
        f"grows like t^{f['growth_slope_noise']:.2f}, under a constant input like "
        f"t^{f['growth_slope_constant']:.2f}. With f = σ(1) it stays at "
        f"{f['growth_kept']:.2f}, at most 1/(1 − f) = {f['growth_kept_bound']:.2f}; σ(4): "
        f"{f['growth_kept_long']:.1f} of {f['growth_kept_long_bound']:.1f}."
    )


def _s21(f: Facts) -> Finding:
    right = f["path_one"] > 0.05
    return HOLDS if right else CONDITION, (
        f"‖A diag(o tanh′(C))‖ / ‖f‖ is {f['path_one']:.2f} at recurrent gain 1 and forget bias 1 "
        f"({f['path_hidden']} units), {f['path_low']:.2f} at gain 0.1, {f['path_high']:.1f} at "
        f"gain 10; above gain {f['path_crossing']:.1f} the gate paths outweigh f."
    )


def _s22a(f: Facts) -> Finding:
    wrong = f["term_three_least"] > 0.01 and f["term_four"] < 1e3 * f["eps"]
    return REFUTED if wrong else HOLDS, (
        f"It has three terms and lacks the direct one, diag(f): off by {f['term_three']:.0%} "
        f"(median of {f['term_networks']} networks; least {f['term_three_least']:.0%}). With the "
        f"fourth the derivative of one step is right to {f['term_four']:.0e}."
    )


def _s22b(f: Facts) -> Finding:
    one = f["term_one_step"] < 1e3 * f["eps"] and f["term_no_output"] < 1e5 * f["eps"]
    many = f["term_four_15"] < 0.01
    return HOLDS if one and many else CONDITION if one else REFUTED, (
        f"One step: exact to {f['term_one_step']:.0e}. The product is off by "
        f"{f['term_four_2']:.1%}, {f['term_four_5']:.0%}, {f['term_four_15']:.0%} after 2, 5, 15 "
        f"steps (90% of networks after 15: {f['term_four_15_low']:.0%} to "
        f"{f['term_four_15_high']:.0%}), that of f alone by {f['term_forget_2']:.0%}, "
        f"{f['term_forget_5']:.0%}, {f['term_forget_15']:.0%}: it holds the output gate fixed. "
        f"With U_o = 0 it is exact ({f['term_no_output']:.0e}); the first missing term, "
        f"A₂ diag(tanh C₁ o₁(1 − o₁)) U_o diag(o₀(1 − tanh² C₀)), closes the gap at 2 steps to "
        f"{f['term_missing_left']:.0e}. {f['wide_hidden']} units, b_f = 1: {f['wide_four']:.0%} "
        f"after {f['wide_lags']} steps."
    )


def _s23(f: Facts) -> Finding:
    turning = f["rate_above_tanh, gain 2"] * (1 - f["rate_above_tanh, gain 2"]) > 0.01
    definite = f["rate_sure"] > 0.5 * f["rate_runs"]
    return REFUTED if turning and definite else CONDITION, (
        f"A tanh network of gain 2 grows at {f['rate_above_tanh, gain 2']:.0%} of the steps, an "
        f"LSTM at {f['rate_above_LSTM']:.0%} (chrono {f['rate_above_chrono LSTM']:.0%}). Yet the "
        f"rate is definite: λ₁ is more than 3 standard errors from 0 in {f['rate_sure']} of "
        f"{f['rate_runs']} runs. They differ in size: λ₁ = {f['rate_top_tanh']:.2f} (tanh), "
        f"{f['rate_top_GRU']:.2f} (GRU), {f['rate_top_LSTM']:.2f} (LSTM), "
        f"{f['rate_top_chrono LSTM']:.3f} (chrono), with {f['rate_slow_tanh']:.1f}, "
        f"{f['rate_slow_GRU']:.1f}, {f['rate_slow_LSTM']:.1f} and {f['rate_slow_chrono LSTM']:.1f} "
        f"exponents below 1/{f['rate_span']} in modulus."
    )


def _s24(f: Facts) -> Finding:
    both = f["raised_both"] < 0.1 * f["raised_both_5"]
    return CONDITION if both else REFUTED, (
        f"Only if the input gate closes too: ‖G − I‖ at b_f = 8 is {f['raised_both']:.4f} with "
        f"b_i = −8 and {f['raised_alone']:.2f} with b_i = 0, where λ₁ = "
        f"{f['raised_rate_alone_8']:.4f}. And f < 1: measured horizons −1/λ₁ without recurrent "
        f"weights are {f['horizon_0']:.1f}, {f['horizon_1']:.1f}, {f['horizon_2']:.1f}, "
        f"{f['horizon_3']:.0f} steps for f = σ(1), 0.95, 0.99, σ(5), as −1/ln f has it."
    )


def _s26(f: Facts) -> Finding:
    names = ("neither", "gates", "addition", "both", "both, forget bias 4", "both, forget bias 1")
    error = {name: f[f"task_error_{name}"] for name in names}
    needed = error["both"] < 0.5 * min(error["addition"], error["gates"], error["neither"])
    any_bias = error["both, forget bias 1"] < 0.5 * error["addition"]
    return HOLDS if needed and any_bias else CONDITION if needed else REFUTED, (
        f"Recall of one marked value over {f['task_steps']} steps, median error after "
        f"{f['task_updates']} updates (variance 1): neither {error['neither']:.2f}, gates alone "
        f"{error['gates']:.2f}, addition alone {error['addition']:.2f}, both {error['both']:.3f}; "
        f"with a forget gate of bias 4 {error['both, forget bias 4']:.3f}, of bias 1 "
        f"{error['both, forget bias 1']:.2f}. Rates λ₁ at the start: {f['task_rate_neither']:.2f}, "
        f"{f['task_rate_gates']:.2f}, {f['task_rate_addition']:.3f}, {f['task_rate_both']:.3f}, "
        f"{f['task_rate_both, forget bias 4']:.3f}, {f['task_rate_both, forget bias 1']:.2f}."
    )


def _s27(f: Facts) -> Finding:
    lstm, tanh = f["gain_cross_lstm_driven"], f["gain_cross_tanh_driven"]
    explodes = f["gain_last_lstm_driven"] > 0
    return CONDITION if explodes and lstm > tanh else HOLDS if explodes else REFUTED, (
        f"It bounds without preventing: λ₁ turns positive at recurrent gain {lstm:.2f} under noise "
        f"({tanh:.2f} for tanh) and {f['gain_cross_lstm_alone']:.2f} without input "
        f"({f['gain_cross_tanh_alone']:.2f}); at gain {f['gain_largest']:g} it is "
        f"{f['gain_last_lstm_driven']:.2f} ({f['gain_last_tanh_driven']:.2f}). The bound on ‖A‖ "
        f"was met to {f['path_bound']:.0%} at most."
    )


RULES = {
    "S12": _s12,
    "S15": _s15,
    "S16": _s16,
    "S17": _s17,
    "S18": _s18,
    "S19": _s19,
    "S20": _s20,
    "S21": _s21,
    "S22a": _s22a,
    "S22b": _s22b,
    "S23": _s23,
    "S24": _s24,
    "S26": _s26,
    "S27": _s27,
}
