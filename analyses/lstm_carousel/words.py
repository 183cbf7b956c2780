"""What the page says about the carousel."""

from collections.abc import Mapping
from typing import Any

from analyses.common.words import Words
from analyses.lstm_carousel import flow
from analyses.lstm_carousel.verdicts import verdicts


def words(arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> Words:
    """Title, summary, captions and verdicts."""
    return Words(
        title="The constant error carousel",
        summary=f"The cell of 1997 passes an error back unchanged only if the paths through its "
        f"gates are cut: the truncated derivative is the identity, bit for bit, over "
        f"{facts['unit_lags']} steps; the true one is not. With gates taken into account, the "
        f"product of four-term derivatives found in textbooks is exact over one step and off by "
        f"{facts['term_four_15']:.0%} (median of {facts['term_networks']} small networks) after "
        f"15. Started as usual, an LSTM forgets at a definite rate like any network; biases of the "
        f"gates, not addition alone, decide how slowly.",
        figures=_captions(facts),
        claims=verdicts(facts),
        place=30,
    )


def _captions(f: Mapping[str, Any]) -> list[dict[str, str]]:
    """Entry of the report of every figure."""
    return [
        {
            "file": "lstm_carousel_truncation.svg",
            "claims": ["S17", "S18"],
            "caption": f"The cell of 1997. Left: cosine between what each lag adds to the "
            f"truncated and to the exact gradient of the weights, {flow.HIDDEN} cells, medians of "
            f"{f['cut_seeds']} networks. Small recurrent weights, as the paper started with, make "
            f"the truncation harmless; from gain 1 on long lags are not those of the exact "
            f"gradient. Middle: ratio of their norms. Right: a single cell under a constant "
            f"input; its derivative through the sum is exactly 1, but that of its output, "
            f"o H′(c), falls as the sum drifts. A negative input-gate bias b slows the drift.",
            "alt": "Left, after a dip at lags 1 and 2 the cosine stays near 1 for gain 0.1, while "
            "for gains 1 and 2 it falls towards 0 with the lag. Middle, the ratio of norms is near "
            "1 for gain 0.1 and wanders for larger gains. Right, straight lines falling to −92 at "
            "bias 0, −22 at bias −2 and hardly at all at bias −6; the noisy line goes up and down.",
        },
        {
            "file": "lstm_carousel_growth.svg",
            "claims": ["S20"],
            "caption": f"Largest |C_t| among {f['growth_seeds']} networks' units (median), for "
            "three inputs: noise, a constant, and one that holds input gate and candidate at 1. "
            "Dashed: the bounds 2t, t and (1 − fᵗ)/(1 − f). Growth without a forget gate is "
            "linear in time at worst, and the last input reaches every bound.",
            "alt": "Four log-log plots. In the first two every curve rises like a straight line "
            "and the highest lies on the dashed bound. In the last two the curves level off, the "
            "highest on the bound, at 3.7 and 55.6.",
        },
        {
            "file": "lstm_carousel_terms.svg",
            "claims": ["S22a", "S22b"],
            "caption": f"Relative error of two formulas for dC_t/dC_k against the lag t − k. "
            f"Left: {f['term_networks']} LSTMs of {f['term_units']} units with N(0, 1) weights, "
            f"median and 5 to 95% band. The four-term product is exact over one step, and at any "
            f"lag if the output gate does not see h (U_o = 0, at the level of rounding; triangles "
            f"on the bottom edge: exactly equal). Right: {f['wide_hidden']} units, as usually "
            f"started (b_f = 1, b_i = 0) and with slow gates (b_f = −b_i = 5).",
            "alt": "Left, the four-term error jumps from rounding at lag 1 to some percent "
            "at lag 2 and rises to about 0.5; that of f alone goes from 0.5 to 1; the curve for "
            "U_o = 0 stays below 1e-14. Right, with bias 1 the same pattern; with bias 5 the "
            "four-term error stays below 0.01 and that of f alone below 0.3.",
        },
        {
            "file": "lstm_carousel_gates.svg",
            "claims": ["S21", "S24"],
            "caption": f"Left: size of the paths through the gates beside the forget gate, "
            f"‖A diag(o tanh′(C))‖ / ‖f‖, {f['path_hidden']} units; they outweigh it above gain "
            f"{f['path_crossing']:.1f}. Middle: distance of G = dC_t/dC_{{t−1}} from the identity "
            f"as the forget bias rises, with the input gate left alone and with b_i = −b_f. Right: "
            f"horizon 1/|λ₁| of the whole LSTM ({f['gain_hidden']} units, filled: it forgets; "
            f"hollow: λ₁ > 0, it explodes) beside −1/ln σ(b_f).",
            "alt": "Left, the ratio rises from 0.05 to 4 with the gain, in proportion to it. "
            "Middle, with the input gate closed the distance falls exponentially; with the input "
            "gate left alone it levels off. Right, with the input gate closed the horizons "
            "rise exponentially near the dashed line; alone they stop and the markers turn hollow.",
        },
        {
            "file": "lstm_carousel_spectra.svg",
            "claims": ["S12"],
            "caption": f"Singular values of the product over {f['spectra_span']} steps of "
            f"noise-driven networks with a state of {f['spectra_state']} numbers, all seeds. "
            f"Left: share within each range. Right: against the index, logarithmic below −1. An "
            f"LSTM with f near 1 keeps one half of its state, the cells, and forgets the other, "
            f"the outputs. Orthogonal weights keep all of it only without tanh.",
            "alt": "Left, stacked bars: linear orthogonal entirely near 1; LSTM with biases 8 half "
            "near 1 and half below 1e-3; LSTM with biases 5 partly; all others entirely below "
            "1e-3. Right, the curves of the LSTMs with large biases are flat at zero for half of "
            "the indices and then drop to −1000.",
        },
        {
            "file": "lstm_carousel_exponents.svg",
            "claims": ["S23"],
            "caption": f"Left: Lyapunov exponents of five networks of {f['rate_hidden']} units "
            f"under the same noise (mean over seeds); band: |λ| < 1/{f['rate_span']}. Right: "
            f"growth of the leading direction at each step, which changes side in plain networks "
            f"as it does in LSTMs, around a mean λ₁ that is definite.",
            "alt": "Left, the exponents of chrono LSTM start at the zero band and fall slowest; "
            "those of tanh and GRU start near −0.5. Right, five histograms; tanh with gain 2 is "
            "broad and centred on zero, tanh, GRU and LSTM lie below zero, chrono LSTM is a narrow "
            "peak at zero.",
        },
        {
            "file": "lstm_carousel_gain.svg",
            "claims": ["S27"],
            "caption": f"λ₁ against the recurrent gain of LSTM (forget bias 1) and tanh network, "
            f"{f['gain_hidden']} units; dots are networks, lines medians. Under noise it turns "
            f"positive at gain {f['gain_cross_lstm_driven']:.2f} (tanh: "
            f"{f['gain_cross_tanh_driven']:.2f}). Gates slow both vanishing and explosion, and "
            f"prevent neither.",
            "alt": "Two panels, without input and under noise. Both curves rise with the gain; the "
            "LSTM starts higher, crosses zero later and ends lower than the tanh network.",
        },
        {
            "file": "lstm_carousel_ablation.svg",
            "claims": ["S26"],
            "caption": f"Left: error while learning to recall one marked value over "
            f"{f['task_steps']} steps (median of {f['task_seeds']}, running mean; variance 1). "
            f"Middle: growth of the leading direction before training. Right: largest cell state. "
            f"Addition keeps the gradient, gates keep the memory clean; a forget gate that starts "
            f"with bias 1 undoes both.",
            "alt": "Left, the errors of both and of both with forget bias 4 fall to below 0.01, "
            "addition alone falls slowly, the others stay near 1. Middle, neither, gates and "
            "forget bias 1 fall steeply, the rest stay near zero. Right, the cell state grows "
            "linearly with addition and stays bounded with a forget gate.",
        },
        {
            "file": "lstm_carousel_structure.svg",
            "claims": ["S15", "S16", "S19"],
            "caption": f"What the cell is made of, counted in cells of {f['structure_units']} "
            "units. Left: blocks of weights; the forget gate came in 2000 as the fourth. Middle: "
            "entries of the derivatives by the output h of the step before that are not zero; the "
            "truncation of 1997 cuts all. Right: modulus of the product of derivatives of one unit "
            "that feeds itself with weight w and slope 1.",
            "alt": "Three bar charts. Three, three and four blocks; many derivatives, none, and "
            "many; products 1, 1 and nearly 0.",
        },
    ]
