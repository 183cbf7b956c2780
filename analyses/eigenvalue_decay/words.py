"""What the page says about the eigenvalue rule."""

from collections.abc import Mapping
from typing import Any

from analyses.common.words import Words
from analyses.eigenvalue_decay import gain
from analyses.eigenvalue_decay.verdicts import verdicts


def words(arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> Words:
    """Title, summary, captions and verdicts."""
    return Words(
        title="Eigenvalue magnitude against gradient decay",
        summary=f"The rule that gradients explode when the dominant eigenvalue of the recurrent "
        f"weights exceeds 1, and vanish when it is below, is exact for linear networks. In "
        f"{facts['networks']} networks of {facts['size']} units it is held against the largest "
        f"Lyapunov exponent λ₁, the rate of growth of the Jacobian product, and against the "
        f"gradient itself. What the weights do guarantee is the bound ln(γ σ_max), γ being the "
        f"largest slope of the activation and σ_max the spectral norm of W.",
        figures=_captions(facts),
        claims=verdicts(facts),
        place=20,
    )


def _captions(f: Mapping[str, Any]) -> list[dict[str, str]]:
    """Entry of the report of every figure."""
    return [
        {
            "file": "eigenvalue_decay.png",
            "claims": ["S4", "S5"],
            "caption": f"Largest Lyapunov exponent λ₁ of {f['networks']} networks of {f['size']} "
            f"units, over {f['counted']} steps. Above: against ln ρ(W); the rule puts every point "
            f"on a side of zero, and is wrong in the shaded quadrants. Linear networks lie on the "
            f"dashed line λ₁ = ln ρ(W), and so do tanh networks that settle at 0; the others leave "
            f"it: {f['above_wrong']} of {f['above_count']} nonlinear networks with ρ > 1 vanish, "
            f"{f['below_wrong']} of {f['below_count']} with ρ < 1 explode. Crosses are tanh "
            f"networks after a short training, with the rate of their loss gradient. Below: "
            f"against ln(γ σ_max); no point lies above the dashed line."
            + (f" {f['lost']} networks lose the gradient exactly (bottom edge)." * (f["lost"] > 0)),
            "alt": "Eight scatter plots, one column for each activation. In the upper row the "
            "linear networks form one diagonal line; the tanh and ReLU networks spread over all "
            "four quadrants, the non-normal ones highest; logistic networks all lie below zero. "
            "In the lower row every point lies on or below the diagonal.",
        },
        {
            "file": "eigenvalue_decay_gradient.png",
            "claims": ["S4", "S5"],
            "caption": f"Rate of a backpropagated gradient against λ₁ of the same network: median "
            f"difference {f['gradient_gap_median']:.3f}, largest {f['gradient_gap_max']:.3f} nat "
            f"per step. λ₁, not ln ρ(W), says how fast the gradient shrinks or grows. Right: "
            f"against ln ρ of the average Jacobian, which is closer than W itself but no law: the "
            f"average forgets that factors do not commute.",
            "alt": "Two scatter plots. Left, all points lie on the diagonal. Right, points of the "
            "driven networks scatter on both sides of it.",
        },
        {
            "file": "eigenvalue_decay_spectra.svg",
            "caption": "Every singular value of the product of Jacobians in driven tanh networks, "
            "as log σ per step after a quarter, half and all of the steps (faint to strong), for "
            "the smallest and the largest spectral radius. Dashed: ln ρ(W), the one number of the "
            "rule. Below −2 the axis is logarithmic.",
            "alt": "Four panels, one for each kind of matrix, with falling curves of log singular "
            "values per step against their index. The curves of the three times nearly coincide. "
            "They start below the dashed line, except for the non-normal kind at radius 0.5, "
            "which starts above it and falls furthest.",
        },
        {
            "file": "eigenvalue_decay_examples.svg",
            "claims": ["S4", "S5"],
            "caption": f"Three networks that contradict the rule (dashed, ρᵗ). Left: "
            f"W = [[2, −4], [1, −1.75]] has spectral radius {f['tilted_radius']:.4f}; an input "
            f"that saturates its second unit leaves a Jacobian with eigenvalue "
            f"{f['tilted_step_radius']:.6f}. Middle: strictly upper triangular, entries 0.5: every "
            f"eigenvalue is 0, ‖W^k‖ rises to {f['nilpotent_peak']:.0f} at k = "
            f"{f['nilpotent_peak_at']} and is exactly 0 at k = 30 (triangle). Right: a tanh unit "
            f"with w = 2 settles at {f['unit_fixed_point']:.7f}, where its multiplier is "
            f"{f['unit_multiplier']:.7f}.",
            "alt": "Three plots on logarithmic axes. Left, the norm grows to 1e15 in 50 steps "
            "while the rule falls to 1e-8. Middle, the norm rises to ten thousand, falls, and ends "
            "in a triangle for zero at step 30. Right, the product falls to 1e-39 while the rule "
            "rises to 1e15.",
        },
        {
            "file": "eigenvalue_decay_gain.svg",
            "claims": ["S8"],
            "caption": f"λ₁ against the gain g of random recurrent weights; dots are networks, "
            f"lines are theory. Linear: ln g. Tanh without input: chaotic above g = 1, with slope "
            f"{f['gain_tanh_slope']:.2f} instead of 1 beyond g = 3. Under noise of deviation "
            f"{gain.NOISE:g} the exponent is lower still. Symmetric weights settle to one "
            f"state or flip between two, so that λ₁ ends at or below 0 (largest value above "
            f"g = 1 in the steps run: {f['gain_symmetric_max']:.3f}).",
            "alt": "Four sets of dots against a logarithmic gain axis. The linear ones follow a "
            "straight line; tanh follows it up to gain 1 and then a flatter curve; the driven "
            "ones lie below and cross zero later; the symmetric ones stay at or below zero.",
        },
        {
            "file": "eigenvalue_decay_unit.svg",
            "claims": ["S10", "S11"],
            "caption": f"The single unit S ← tanh(w S). Left: rate against w; from any start but "
            f"exactly 0 it is negative on either side of w = 1. Middle: with w = 5 under noise, "
            f"the gradient reaches e^{f['latch_log_gradient']:.0f} (median), and the "
            f"information that the sign of the state holds about the sign of the start stays at "
            f"{f['latch_noisy_bits']:.2f} bit ({f['latch_bits']:.2f} bit without noise). Right: "
            f"effect of a shift of the start (0.3): none if small, 2 if it crosses 0 (bottom edge: "
            f"exactly 0; just above it, one rounding).",
            "alt": "Left, a curve with a peak of zero at weight 1, falling to −12 at weight 8, and "
            "the line ln w above it. Middle, a log gradient falling straight to −1400 while the "
            "information curve stays flat. Right, the effect of small shifts shrinks at every step "
            "while that of shifts above 0.3 stays at 2.",
        },
        {
            "file": "eigenvalue_decay_training.svg",
            "claims": ["S6", "S7", "S9"],
            "caption": f"Tanh networks from five starts, on tasks of "
            f"{round(1 / f['train_eps'])} steps, before and after {f['train_updates']} updates. "
            f"Above: how often each value of the slope φ′ occurs (line: before, filled: after). "
            f"Below, at the start and at the end: share of networks whose loss gradient vanishes, "
            f"holds (within a factor e over the sequence) or explodes.",
            "alt": "Five histograms, most of them highest near slope 1, that of gain 2 also near "
            "0. Below them stacked bars, two for each start: before training "
            f"{f['init_vanish']:.0%} of the four usual starts vanish and "
            f"{f['init_explode_wide']:.0%} of those with gain 2 explode, after training "
            f"{f['trained_vanish']:.0%} and {f['trained_explode_wide']:.0%}.",
        },
        {
            "file": "eigenvalue_decay_identities.svg",
            "claims": ["S1", "S2", "S3"],
            "caption": "The chain rule itself, in a tanh network. Left: norm of what each lag adds "
            "to the gradient of the recurrent weights, as a share of their sum. Right: relative "
            "difference of each formula from automatic differentiation (dotted: one rounding); "
            f"with the factors in the other order it is {f['diagonal_right_wrong']:.2f} for one "
            f"step and {f['product_reversed']:.1f} for the product.",
            "alt": "Left, bars that fall with the lag. Right, dots: the formulas as claimed lie "
            "near 1e-15, the two in the other order near 1 and above.",
        },
    ]
