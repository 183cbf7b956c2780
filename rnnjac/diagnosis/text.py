"""A diagnosis as a table for a terminal."""

import math
import textwrap
from collections.abc import Iterator

from rnnjac.diagnosis.result import Diagnosis, Rate

WIDTH = 100


def table(d: Diagnosis) -> str:
    """Lines of at most `WIDTH` characters, 40 at most: figures first, then findings."""
    found = [*figures(d), ("", "")] if d.findings else list(figures(d))
    wide = max(len(name) for name, _ in found)
    lines = [title(d), *(f"  {name:{wide}}  {text}".rstrip() for name, text in found)]
    for number, finding in enumerate(d.findings, 1):
        indent = {"subsequent_indent": "     ", "width": WIDTH}
        lines += textwrap.wrap(f"  {number}. {finding.name}: {finding.seen}", **indent)
        indent["initial_indent"] = "     "
        lines += textwrap.wrap(f"-> {finding.change} [{finding.source}]", **indent)
    return "\n".join(lines if d.findings else [*lines, "  nothing to change"])


def title(d: Diagnosis) -> str:
    """What was looked at, and how many findings there are."""
    several = len(d.steps) > 1
    steps = f"{min(d.steps)} to {max(d.steps)}" if len(set(d.steps)) > 1 else f"{d.steps[0]}"
    what = f"{len(d.steps)} sequences of" if several else "one sequence of"
    count = {0: "no finding", 1: "one finding"}.get(len(d.findings), f"{len(d.findings)} findings")
    return f"Diagnosis: {d.size} state numbers, {what} {steps} steps: {count}"


def figures(d: Diagnosis) -> Iterator[tuple[str, str]]:
    """Names and values of all figures, one line each."""
    several, steps = len(d.steps) > 1, max(d.steps)
    for name, rate in d.rates._asdict().items():
        yield f"rate, {name}", _rate(rate, several)
    exponent = f"{number(d.lyapunov.exponent)} +- {number(d.lyapunov.stderr)} per step"
    yield "Lyapunov exponent", exponent
    h = d.horizon
    yield "memory, leading", _steps(h.leading, h.leading_far, steps)
    if h.loss is not None and h.loss_far is not None:
        yield "memory, loss", _steps(h.loss, h.loss_far, steps)
    window = f"{h.window} steps" + (", the whole sequence" if h.whole else "")
    yield "truncated BPTT", window
    survive = f"{d.units.survivors} of {d.size} keep a thousandth; {d.units.lost} lost"
    yield "directions", survive
    grown = f"in {d.explosion.share:.0%} of the sequences" if several else _yes(d.explosion.share)
    yield "explodes", f"{grown}; largest log growth {number(d.explosion.growth)}"
    if d.clipping is not None:
        c = d.clipping
        cut = "; ".join(f"{t:.3g} cuts {p:.0%}" for t, p in zip(c[:3], c[3:], strict=True))
        yield "clip the norm at", cut
    peak = f"log {number(d.transient.peak)} at step {d.transient.step}"
    yield "largest growth", f"{peak}, {number(d.transient.end)} at the end"
    yield from _cell(d)
    p = d.precision
    would = "would do" if p.bfloat16 >= 1 else "would not do"
    yield "digits kept", f"{p.digits:.1f} in {p.dtype}; {p.bfloat16:.1f} in bfloat16, which {would}"
    parallel = {True: "yes", False: "no, changes grow", None: "not clear"}[d.lyapunov.parallel]
    yield "parallel in time", parallel


def _cell(d: Diagnosis) -> Iterator[tuple[str, str]]:
    r, g, u = d.recurrent, d.gates, d.units
    if r is not None:
        bound = "unknown" if r.bound is None else f"{r.bound:.4g}"
        sizes = f"spectral radius {r.radius:.4g}, norm {r.norm:.4g}, gamma sigma_max {bound}"
        yield "recurrent matrix", sizes
        yield "condition", "none decides" if r.decides == "none" else r.decides
    saturated = "" if u.saturated is None else f"{u.saturated:.0%} of slopes below 0.1; "
    yield "units", f"{saturated}{u.dead:.0%} dead"
    if g is not None:
        yield "gates", f"{g.kind}: mean {g.mean:.3g}, {g.open:.0%} open, {g.shut:.0%} shut"
        yield "gates keep", f"{g.horizon:.3g} steps, the longest unit {g.longest:.3g}"
        yield "gradient goes by", f"{g.path}, {g.carried:.0%}"


def _rate(rate: Rate, several: bool) -> str:
    error = "error not bounded" if math.isinf(rate.error) else f"error {number(rate.error)}"
    spread = f", from {number(rate.low)} to {number(rate.high)}" if several else ""
    return f"{number(rate.value)} per step ({error}{spread})"


def _steps(near: int, far: int, most: int) -> str:
    shown = [f"{'at least ' * (lag >= most)}{lag} steps" for lag in (near, far)]
    return f"down by e after {shown[0]}, by 1000 after {shown[1]}"


def _yes(share: float) -> str:
    return "yes" if share else "no"


def number(value: float) -> str:
    """Three digits, and -inf as a word that is plain."""
    return "-inf" if value == -math.inf else f"{value:.3g}"
