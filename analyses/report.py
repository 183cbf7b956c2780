"""The one page that joins every analysis: claims, reference checks, figures, provenance.

The page is a single file: style and figures stand inside it, and opening it requests nothing.
"""

import argparse
import base64
import html.parser
import math
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from analyses import claims, record

TEMPLATE = Path(__file__).with_name("report.html.j2")
IMAGES = {".svg": "image/svg+xml", ".png": "image/png"}
AGREES = "agrees"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
VERSIONS = ("python", *record.PACKAGES)


def build(names: Sequence[str], data: Path, figures: Path, out: Path) -> str:
    """Write the page of the named analyses to ``out``; return one line that sums it up."""
    analyses = [_analysis(name, data / f"{name}.npz", figures) for name in names]
    table = claims.merge(claim for item in analyses for claim in item["claims"])
    checks = [check for item in analyses for check in item["checks"]]
    page = render(table, checks, analyses)
    if requests := external_requests(page):
        raise record.RecordError(f"page: expected no request; got {', '.join(requests)}")
    record.write_atomically(out, lambda file: file.write(page.encode()))
    measured = sum(claim.verdict != claims.UNMEASURED for claim in table)
    agreeing = sum(check["verdict"] == AGREES for check in checks)
    return f"{measured} of {len(table)} claims measured, {agreeing} of {len(checks)} checks agree"


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
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        claims=table,
        tally=[(verdict, counts[verdict]) for verdict in (*claims.VERDICTS, claims.UNMEASURED)],
        kinds=KINDS,
        checks=_by_section(checks),
        check_count=len(checks),
        agree_count=sum(check["verdict"] == AGREES for check in checks),
        analyses=analyses,
        versions=VERSIONS,
    )


# verdict -> (class of its badge, sign in front of its words); the words carry the meaning
KINDS = {
    "holds": ("yes", "✓"),
    "holds with a condition": ("some", "◐"),
    "refuted": ("no", "✕"),
    claims.UNMEASURED: ("open", "·"),
    AGREES: ("yes", "✓"),
    "differs": ("no", "✕"),
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


def external_requests(page: str) -> list[str]:
    """Addresses that a browser would fetch on opening ``page``, the page itself aside."""
    reader = _Requests()
    reader.feed(page)
    return [address for address in reader.found if not address.startswith(("data:", "#"))]


class _Requests(html.parser.HTMLParser):
    FETCHING = frozenset({"src", "srcset", "data", "poster", "background"})
    IN_STYLE = re.compile(r"""(?:url\(\s*|@import\s+)['"]?([^'")]+)""")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        for name, value in attrs:
            if value and (name in self.FETCHING or (tag == "link" and name == "href")):
                self.found.append(value)
            elif value and name == "style":
                self.found += self.IN_STYLE.findall(value)

    def handle_data(self, data: str) -> None:
        if self.tag == "style":
            self.found += self.IN_STYLE.findall(data)

    def handle_endtag(self, tag: str) -> None:
        self.tag = ""


def _analysis(name: str, path: Path, figures: Path) -> dict[str, Any]:
    _, meta = record.load(path)
    drawn = [{**figure, "uri": _data_uri(figures / figure["file"])} for figure in meta["figures"]]
    return {
        "name": name,
        "title": meta.get("title", name.replace("_", " ").capitalize()),
        "summary": meta.get("summary", ""),
        "claims": meta["claims"],
        "checks": meta.get("checks", []),
        "figures": drawn,
        "provenance": meta["provenance"],
    }


def _data_uri(path: Path) -> str:
    if path.suffix not in IMAGES:
        raise record.RecordError(f"{path}: expected a figure in {' or '.join(IMAGES)}")
    if not path.is_file():
        raise record.RecordError(f"{path}: no such figure; draw it first")
    return f"data:{IMAGES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _by_section(checks: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    sections: dict[str, list[dict[str, Any]]] = {}
    for check in checks:
        sections.setdefault(check["section"], []).append(check)
    return sections


def _check(path: Path) -> str:
    """Exit unless the page at ``path`` is whole, requests nothing and shows no differing check."""
    page = path.read_text(encoding="utf-8")
    if not page.rstrip().endswith("</html>"):
        raise record.RecordError(f"{path}: damaged, its end is missing")
    if requests := external_requests(page):
        raise record.RecordError(f"{path}: expected no request; got {', '.join(requests)}")
    differing = re.findall(r'data-check="differs"', page)
    if differing:
        raise record.RecordError(f"{path}: {len(differing)} reference checks differ")
    return "whole, self-contained, every reference check agrees"


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the page, or with --check look at one that is built."""
    parser = argparse.ArgumentParser(prog="python -m analyses.report", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="analyses, in the page's order")
    parser.add_argument("--data", type=Path, default=Path("build/quick"))
    parser.add_argument("--figures", type=Path, default=Path("build/figures/quick"))
    parser.add_argument("--out", type=Path, default=Path("build/report/index.html"))
    parser.add_argument("--check", type=Path, metavar="PAGE", help="look at a page and stop")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            print(_check(options.check))
        else:
            print(build(options.names, options.data, options.figures, options.out))
    except record.RecordError as problem:
        sys.exit(f"report: {problem}")


if __name__ == "__main__":
    main()
