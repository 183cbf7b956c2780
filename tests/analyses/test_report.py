"""The page: every claim has its row, data are escaped, and opening it requests nothing."""

import math

import numpy as np
import pytest

from analyses.common import claims, record
from analyses.report import page as report

EVIL = "<script>alert('x')</script> & \"quoted\""
PIXEL = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
CHECK = {
    "section": "maps",
    "name": "logistic",
    "expected": math.log(2),
    "measured": -math.inf,
    "difference": math.inf,
    "tolerance": 1e-9,
    "reason": "four standard errors",
    "verdict": "differs",
}


def measured(id, verdict, script="analyses/demo.py"):
    return {"id": id, "verdict": verdict, "measured": f"figure for {id}", "script": script}


@pytest.fixture
def built(tmp_path):
    """Function that writes one analysis with the given meta and returns the text of its page."""

    def build(**meta):
        (tmp_path / "line.svg").write_bytes(PIXEL)
        figures = [{"file": "line.svg", "caption": "caption", "alt": "words for the picture"}]
        facts = record.provenance(0, "float64") | {"preset": "quick"}
        meta = {"claims": [], "figures": figures, "provenance": facts} | meta
        record.save(tmp_path / "demo.npz", {"x": np.zeros(1)}, meta)
        report.build(["demo"], tmp_path, tmp_path, tmp_path / "out" / "index.html")
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["index.html"]
        return (tmp_path / "out" / "index.html").read_text(encoding="utf-8")

    return build


def test_the_table_of_claims_is_whole():
    numbers = [int(claim.id[1:].rstrip("ab")) for claim in claims.CLAIMS]
    assert sorted(set(numbers)) == list(range(1, 29))
    assert len(claims.IDS) == len(claims.CLAIMS)
    assert all(claim.text.endswith(".") and claim.said_by for claim in claims.CLAIMS)


def test_the_severest_finding_decides():
    table = claims.merge(
        [measured("S4", "refuted"), measured("S4", "refuted"), measured("S5", "holds")]
        + [measured("S8", "holds"), measured("S8", "refuted")]
    )
    verdicts = {claim.id: claim.verdict for claim in table}
    assert (verdicts["S4"], verdicts["S5"], verdicts["S8"], verdicts["S9"]) == (
        "refuted",
        "holds",
        "refuted",
        claims.UNMEASURED,
    )
    assert [len(c.findings) for c in table if c.id in ("S4", "S5")] == [2, 1]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (measured("S29", "holds"), "id: expected one of S1 to S28; got 'S29'"),
        (measured("S1", "maybe"), "verdict: expected one of holds, .*; got 'maybe'"),
        (measured("S1", "holds") | {"measured": ""}, "measured: expected the figure found for S1"),
    ],
)
def test_a_wrong_finding_is_refused(entry, message):
    with pytest.raises(ValueError, match=message):
        claims.merge([entry])


def test_every_claim_has_a_row_and_a_verdict(built):
    page = built(claims=[measured("S4", "refuted")])
    for claim in claims.CLAIMS:
        assert page.count(f'<tr id="{claim.id}">') == 1
    assert "figure for S4" in page
    # the badge of each open claim, and once more in the legend
    assert page.count(f"</span> {claims.UNMEASURED}</span>") == len(claims.CLAIMS)


def test_strings_from_data_are_escaped(built):
    figure = {"file": "line.svg", "caption": EVIL, "alt": EVIL}
    page = built(
        claims=[measured("S1", "holds", script=EVIL) | {"measured": EVIL}],
        checks=[CHECK | {"name": EVIL, "section": EVIL, "reason": EVIL}],
        title=EVIL,
        summary=EVIL,
        figures=[figure],
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 9
    assert 'alt="&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &#34;quoted&#34;"' in page


def test_figures_stand_inside_the_page(built):
    page = built()
    assert "data:image/svg+xml;base64," in page
    assert 'alt="words for the picture"' in page
    assert report.external_requests(page) == []


@pytest.mark.parametrize(
    "snippet",
    [
        '<img src="http://x.example/a.png">',
        '<link rel="stylesheet" href="style.css">',
        '<script src="//x.example/a.js"></script>',
        "<style>@import 'http://x.example/a.css';</style>",
        "<style>p { background: url(a.png) }</style>",
        '<p style="background: url(a.png)">',
    ],
)
def test_a_request_is_noticed(snippet):
    assert len(report.external_requests(f"<p>url(none)</p>{snippet}")) == 1


def test_links_and_embedded_data_are_no_requests():
    page = '<a href="https://x.example">x</a><a href="#S1"></a><img src="data:image/png;base64,A">'
    assert report.external_requests(page) == []


def test_reference_checks_are_shown_with_their_verdict(built, tmp_path):
    page = built(checks=[CHECK, CHECK | {"verdict": "agrees"}])
    assert "1 of 2 agree" in page
    assert "0.6931472" in page
    assert "−∞" in page
    with pytest.raises(SystemExit, match="report: .*: 1 reference checks differ"):
        report.main(["--check", str(tmp_path / "out" / "index.html")])


def test_a_page_cut_short_is_noticed(built, tmp_path, capsys):
    page = built()
    path = tmp_path / "out" / "index.html"
    report.main(["--check", str(path)])
    assert "self-contained" in capsys.readouterr().out
    path.write_text(page[: len(page) // 2], encoding="utf-8")
    with pytest.raises(SystemExit, match="damaged, its end is missing"):
        report.main(["--check", str(path)])


def test_a_missing_analysis_or_figure_is_named_in_one_line(built, tmp_path):
    built()
    arguments = ["--data", str(tmp_path), "--figures", str(tmp_path / "none"), "--out", "unused"]
    with pytest.raises(SystemExit, match=r"report: .*line\.svg: no such figure; draw it first"):
        report.main([*arguments, "demo"])
    with pytest.raises(SystemExit, match=r"report: .*absent\.npz: no such data file"):
        report.main([*arguments, "absent"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (-math.inf, "−∞"),
        (0.0, "0"),
        (-0.25, "−0.25"),
        (1.5e-13, "1.5·10⁻¹³"),
        (-1e20, "−10²⁰"),
        (-0.0, "0"),
        ("exact", "exact"),
        (math.nan, "nan"),
    ],
)
def test_numbers_are_printed_for_readers(value, text):
    assert report.number(value) == text
