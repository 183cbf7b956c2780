"""The one page that joins every analysis: claims, reference checks, figures, provenance.

The page is a single file: style and figures stand inside it, and opening it requests nothing.
"""

import math
import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from analyses.common import claims, command, folders, made_from, record
from analyses.common.checks import AGREES, DIFFERS
from analyses.common.words import Answer, with_minus_signs
from analyses.report import embed
from analyses.report.requests import external_requests

TEMPLATE, STYLE = (Path(__file__).with_name(f"page.{ending}") for ending in ("html.j2", "css"))
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
VERSIONS = ("python", *record.PACKAGES)


def build(names: Sequence[str], preset: str, build: Path, out: Path) -> str:
    """Write the page of the named analyses to ``out``; return one line that sums it up."""
    analyses = sorted((_analysis(name, preset, build) for name in names), key=_place)
    _number(analyses)
    table = claims.merge(claim for item in analyses for claim in item["claims"])
    checks = [check for item in analyses for check in item["checks"]]
    page = render(table, checks, analyses)
    if requests := external_requests(page):
        raise record.RecordError(f"page: expected no request; got {', '.join(requests)}")
    record.write_atomically(out, lambda file: file.write(page.encode()))
    made_from.write(out.with_suffix(".made"), [TEMPLATE, STYLE])
    measured = sum(claim.verdict != claims.UNMEASURED for claim in table)
    agreeing = sum(check["verdict"] == AGREES for check in checks)
    return (
        f"{measured} of {len(table)} claims measured, {agreeing} of {len(checks)} checks agree, "
        f"{len(page) / 1e6:.1f} MB"
    )


def render(
    table: Sequence[claims.Claim],
    checks: Sequence[dict[str, Any]],
    analyses: Sequence[dict[str, Any]],
) -> str:
    """The page as text; every string that comes from data is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    counts = Counter(claim.verdict for claim in table)
    figures = [figure for item in analyses for figure in item["figures"]]
    answers = sorted((a for item in analyses for a in item["answers"]), key=lambda a: a["place"])
    inside = sum(len(row["uri"]) + len(row["data"]) for row in (*figures, *answers))
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        style=markupsafe.Markup(STYLE.read_text(encoding="utf-8")),
        claims=table,
        tally=[(verdict, counts[verdict]) for verdict in (*claims.VERDICTS, claims.UNMEASURED)],
        kinds=KINDS,
        checks=_by_section(checks),
        check_count=len(checks),
        agree_count=sum(check["verdict"] == AGREES for check in checks),
        analyses=analyses,
        answers=answers,
        figure_count=len(figures),
        megabytes=f"{inside / 1e6:.1f}",
        versions=VERSIONS,
    )


# verdict -> (class of its badge, sign in front of its words); the words carry the meaning
KINDS = {
    "holds": ("yes", "✓"),
    "holds with a condition": ("some", "◐"),
    "refuted": ("no", "✕"),
    claims.UNMEASURED: ("open", "·"),
    AGREES: ("yes", "✓"),
    DIFFERS: ("no", "✕"),
}


def number(value: Any, digits: int = 7) -> str:
    """``value`` as a reader wants it: few digits, a true minus sign, −∞, a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    digits = 2 if abs(value) < 1e-4 else digits  # smaller still is rounding or noise
    mantissa, _, exponent = f"{value + 0.0:.{digits}g}".partition("e")
    if exponent:
        power = "10" + str(int(exponent)).translate(SUPERSCRIPTS)
        mantissa = {"1": power, "-1": f"-{power}"}.get(mantissa, f"{mantissa}·{power}")
    return mantissa.replace("-", "−")


def _analysis(name: str, preset: str, build: Path) -> dict[str, Any]:
    """What the template shows of one analysis: its words, put together now, and its figures."""
    arrays, meta = command.stored(name, preset, build)
    words = _printed(folders.part(name, "words").words(arrays, meta["facts"])._asdict())
    drawn = command.figure_folder(preset, build)
    words["figures"] = [_figure(row, words["claims"], drawn) for row in words["figures"]]
    words["claims"] = [
        {
            "id": number,
            "verdict": verdict,
            "measured": measured,
            "analysis": name,
            "figures": tuple(row for row in words["figures"] if number in row["claims"]),
        }
        for number, (verdict, measured) in words["claims"].items()
    ]
    try:
        claims.validate(words["claims"])
    except ValueError as problem:
        raise record.RecordError(f"{name}: {problem}") from problem
    found = []
    if folders.has(name, "answers"):
        found = folders.part(name, "answers").answers(arrays, meta["facts"])
    answers = [_answer(answer, words["figures"]) for answer in found]
    return {**words, "answers": answers, "name": name, "provenance": meta["provenance"]}


def _figure(row: Mapping[str, Any], measured: Container[str], drawn: Path) -> dict[str, Any]:
    """What the template shows of a figure, and which of the claims measured it shows."""
    path = drawn / row["file"]
    shown = [claim for claim in row.get("claims", ()) if claim in measured]
    added = {"claims": shown, "uri": embed.image(path), "data": embed.stored_table(path)}
    return {**row, **added, "stem": path.stem, "id": f"figure-{path.stem}"}


def _answer(answer: Answer, figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the template shows of an answer, with the figure that shows all of it."""
    shown = {row["file"]: row for row in figures}
    if answer.figure not in shown:
        raise record.RecordError(f"{answer.figure}: expected a figure of the analysis that answers")
    words = answer._asdict() | {"sentence": with_minus_signs(answer.sentence)}
    return {**words, **embed.panel(answer), "figure": shown[answer.figure]}


def _number(analyses: Sequence[Mapping[str, Any]]) -> None:
    """Give every figure its number on the page."""
    figures = (figure for item in analyses for figure in item["figures"])
    for number, figure in enumerate(figures, 1):
        figure["number"] = number


def _place(item: Mapping[str, Any]) -> tuple[int, str]:
    return item["place"], item["name"]


def _printed(words: Any) -> Any:
    """All text in ``words`` with true minus signs."""
    if isinstance(words, str):
        return with_minus_signs(words)
    if isinstance(words, Mapping):
        # a file keeps its name
        return {k: words[k] if k == "file" else _printed(words[k]) for k in words}
    return [_printed(w) for w in words] if isinstance(words, (list, tuple)) else words


def _by_section(checks: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    sections: dict[str, list[dict[str, Any]]] = {}
    for check in checks:
        sections.setdefault(check["section"], []).append(check)
    return sections


def check(path: Path) -> str:
    """One line on the page at ``path`` if it is whole, requests nothing and no check differs."""
    page = path.read_text(encoding="utf-8")
    if not page.rstrip().endswith("</html>"):
        raise record.RecordError(f"{path}: damaged, its end is missing")
    if requests := external_requests(page):
        raise record.RecordError(f"{path}: expected no request; got {', '.join(requests)}")
    differing = re.findall(rf'data-check="{DIFFERS}"', page)
    if differing:
        raise record.RecordError(f"{path}: {len(differing)} reference checks differ")
    return "whole, self-contained, every reference check agrees"
