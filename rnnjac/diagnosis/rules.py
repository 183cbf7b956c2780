"""The table of rules: what makes a finding of figures, why there, and what is then to be changed.

A rule holds for a diagnosis `d` or not; rules are asked in the order of the table, causes before
their consequences, and the first five that hold are the findings. Where a rule names others in
``after``, it holds only if none of them did: they have explained it already.

Two thresholds come up again and again. A factor of 1000 over the sequence (`LOG_FAR`): what is a
thousandth of another gradient drowns in its sampling noise. And a factor of 10 (`LOG_TEN`): the
upper end of the rule for clipping, beyond which a gradient is cut even by those who clip late.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from rnnjac.diagnosis.conditions import (
    LOG_TEN,
    chaotic,
    chrono,
    clip,
    explodes,
    fallen,
    lasting,
    length,
    misleads,
    saturated,
    times,
    too_many_dead,
    vanishes,
    window,
)
from rnnjac.diagnosis.result import Diagnosis, Finding

MOST = 5


class Rule(NamedTuple):
    """A finding's name, when it holds, the reason of its threshold, its words and its source."""

    name: str
    holds: Callable[[Diagnosis], bool]
    reason: str
    figure: Callable[[Diagnosis], float]
    seen: Callable[[Diagnosis], str]
    change: Callable[[Diagnosis], str]
    source: str
    after: tuple[str, ...] = ()


def with_findings(d: Diagnosis) -> Diagnosis:
    """The diagnosis, with the findings that its figures give."""
    held: list[Rule] = []
    for rule in RULES[:1] if d.breaks is not None else RULES:
        explained = {name for name in rule.after} & {other.name for other in held}
        if not explained and rule.holds(d):
            held.append(rule)
    findings = (Finding(r.name, r.seen(d), r.figure(d), r.change(d), r.source) for r in held[:MOST])
    return d._replace(findings=tuple(findings))


RULES = (
    Rule(
        "not finite",
        lambda d: d.breaks is not None,
        "beside NaN no other figure means anything, and no other rule is asked",
        lambda d: float(d.breaks or 0),
        lambda d: f"states or Jacobians are NaN or infinite from step {d.breaks} on",
        lambda d: "go back to weights from before it; then a lower learning rate, or clip",
        "Pascanu et al. (2013), 3.2",
    ),
    Rule(
        "some sequences explode",
        lambda d: 0 < d.explosion.share <= 0.5 and len(d.steps) > 1,
        "grown by 1000 in one sequence or more, but not in most: the rest is not to blame",
        lambda d: d.explosion.share,
        lambda d: (
            f"in {round(d.explosion.share * len(d.steps))} of {len(d.steps)} sequences gradients "
            f"grow, up to {times(d.explosion.growth)}"
        ),
        clip,
        "Pascanu et al. (2013), 3.2",
    ),
    Rule(
        "states diverge",
        lambda d: explodes(d) and d.explosion.unbounded,
        "states grow at more than half the rate of the gradient: nothing bounds them",
        lambda d: d.rates.leading.value,
        lambda d: f"states grow with the gradient, which gains {times(lasting(d))}",
        lambda d: (
            f"scale the recurrent matrix by {math.exp(-d.rates.leading.value):.2g}, start it as "
            "(a multiple of) the identity or orthogonal, or use a bounded activation"
        ),
        "Le et al. (2015)",
    ),
    Rule(
        "chaotic",
        chaotic,
        "eps exp(lambda T) > 1: rounding decides what the state is before the sequence ends",
        lambda d: d.lyapunov.exponent,
        lambda d: (
            f"bounded states with the exponent {d.lyapunov.exponent:.3g} a step: the gradient "
            f"gains {times(lasting(d))} and says nothing of far steps; clipping does not help"
        ),
        lambda d: (
            "reduce the gain of the recurrent matrix, or train on windows of some "
            f"{max(1, round(1 / d.lyapunov.exponent))} to {window(d)} steps; gradient flossing"
        ),
        "Engelken et al. (2023); Metz et al. (2021)",
    ),
    Rule(
        "explodes",
        lambda d: explodes(d) and not d.explosion.unbounded and not chaotic(d),
        "grown by 1000 in most sequences",
        lambda d: lasting(d),
        lambda d: f"the leading gradient grows, {times(lasting(d))} over the sequence",
        lambda d: (
            f"scale the recurrent matrix by {math.exp(-d.rates.leading.value):.2g} or start it "
            f"orthogonal; {clip(d)}"
        ),
        "Pascanu et al. (2013), 2.1 and 3.2",
    ),
    Rule(
        "transient",
        lambda d: (
            not explodes(d)
            and d.transient.peak > LOG_TEN
            and d.transient.peak - d.transient.end > LOG_TEN
        ),
        "grown tenfold, then fallen tenfold: clipped at its peak, and no rate shows it",
        lambda d: d.transient.peak,
        lambda d: (
            f"gradients grow {times(d.transient.peak)} by step {d.transient.step}, then decay: "
            "the matrix is far from normal"
        ),
        lambda d: "start with an orthogonal or otherwise normal matrix; clip meanwhile",
        "Trefethen & Embree (2005); Henaff et al. (2016)",
        after=("some sequences explode",),
    ),
    Rule(
        "dead units",
        lambda d: d.gates is None and too_many_dead(d),
        "a random matrix without so many units loses 1000 over the sequence, or half are dead",
        lambda d: d.units.dead,
        lambda d: f"{d.units.dead:.0%} of the units pass nothing on at any step",
        lambda d: "raise their biases, lower the learning rate, or use a leaky activation or tanh",
        "Lu et al. (2020)",
    ),
    Rule(
        "saturated",
        saturated,
        "slopes below 0.1 alone cost 1000 over the sequence, and slopes more than the matrix",
        lambda d: d.units.saturated or 0.0,
        lambda d: f"{d.units.saturated:.0%} of the slopes are below 0.1; {fallen(d)}",
        lambda d: (
            "scale inputs, input weights and biases down, until slopes are near 1; or a leaky, "
            "residual or gated cell, whose state does not pass the slope"
        ),
        "Glorot & Bengio (2010)",
        after=("dead units",),
    ),
    Rule(
        "forget gates shut",
        lambda d: vanishes(d) and d.gates is not None and d.gates.shut > 0.5,
        "most gates are below 0.1: the cell hardly keeps anything for two steps",
        lambda d: d.gates.mean if d.gates else 0.0,
        lambda d: f"gates that keep the state are at {d.gates.mean:.2g}; {fallen(d)}",
        chrono,
        "Gers et al. (2000); Tallec & Ollivier (2018)",
    ),
    Rule(
        "forgets",
        lambda d: vanishes(d) and d.gates is not None,
        "a thousandth is left, and what is kept per step is up to the gates",
        lambda d: d.gates.horizon if d.gates else 0.0,
        lambda d: (
            f"gates keep {d.gates.mean:.2g} per step, {d.gates.horizon:.3g} steps, of "
            f"{length(d)} asked; {fallen(d)}"
        ),
        chrono,
        "Jozefowicz et al. (2015); Tallec & Ollivier (2018)",
        after=("forget gates shut",),
    ),
    Rule(
        "small weights",
        lambda d: vanishes(d) and d.recurrent is not None,
        "a thousandth is left, and it is the matrix, not the slopes, that costs most",
        lambda d: d.recurrent.radius if d.recurrent else 0.0,
        lambda d: f"{fallen(d)}; the spectral radius is {d.recurrent.radius:.3g}",
        lambda d: (
            "start the recurrent matrix orthogonal or as the identity, gain "
            f"{min(10.0, math.exp(-(d.units.log_slope or 0.0))):.2g} for these slopes; or gates"
        ),
        "Saxe et al. (2014); Le et al. (2015)",
        after=("saturated", "dead units", "transient"),
    ),
    Rule(
        "vanishes",
        lambda d: vanishes(d) and d.recurrent is None and d.gates is None,
        "a thousandth is left; what of the cell it is due to is not known here",
        lambda d: lasting(d),
        fallen,
        lambda d: "more gain, an orthogonal start, a residual or leaky path, or gates",
        "Pascanu et al. (2013), 2.1",
        after=("dead units", "transient"),
    ),
    Rule(
        "directions lost",
        lambda d: d.units.lost > d.size / 2,
        "more than half: the output of a gated cell follows from its memory, so half may go",
        lambda d: float(d.units.lost),
        lambda d: f"{d.units.lost} of {d.size} directions of the state are lost altogether",
        lambda d: "widen the bottleneck (rank) of the step, or add a residual path around it",
        "Saxe et al. (2014); Pennington et al. (2017)",
        after=("dead units", "transient", "forget gates shut", "states diverge"),
    ),
    Rule(
        "digits lost",
        lambda d: d.precision.digits < 1,
        "off by a tenth and more: at a relative error of 1 it is no direction of descent at all",
        lambda d: d.precision.digits,
        lambda d: f"the gradient keeps {d.precision.digits:.1f} digits in {d.precision.dtype}",
        lambda d: (
            "compute it in float64 (JAX_ENABLE_X64=1), take rnnjac.activations for their exact "
            "slopes, or keep units out of saturation"
        ),
        "Higham (2002)",
        after=("chaotic", "states diverge", "explodes"),
    ),
    Rule(
        "radius misleads",
        lambda d: d.recurrent is not None and misleads(d),
        "above 1 where the gradient vanishes, or below 1 where it grows",
        lambda d: d.recurrent.radius if d.recurrent else 0.0,
        lambda d: (
            f"the spectral radius, {d.recurrent.radius:.3g}, says nothing here: the leading rate "
            f"is {d.rates.leading.value:.3g} a step"
        ),
        lambda d: "go by the rate; only gamma sigma_max < 1 would decide, and only for vanishing",
        "Pascanu et al. (2013), 2.1",
    ),
)
