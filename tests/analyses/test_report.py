"""The page: every claim has its row, data are escaped, and opening it requests nothing."""

import math
import shutil
import types

import pytest

from analyses import __main__ as analyses
from analyses.common import claims, folders
from analyses.common.words import Words
from analyses.report import page
from analyses.report.requests import external_requests

EVIL = "<script>alert('x')</script> & \"quoted\""
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


def measured(number, verdict):
    found = f"figure for {number}"
    return {"id": number, "verdict": verdict, "measured": found, "analysis": "demo"}


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
    text = built(claims={"S4": ("refuted", "figure for S4")})
    for claim in claims.CLAIMS:
        assert text.count(f'<tr id="{claim.id}">') == 1
    assert "figure for S4" in text
    # the badge of each open claim, and once more in the legend
    assert text.count(f"</span> {claims.UNMEASURED}</span>") == len(claims.CLAIMS)


def test_analyses_stand_by_their_place_and_then_by_name(demo_build, tmp_path, monkeypatch):
    (tmp_path / "quick").mkdir()
    for name in ("again", "demo"):
        shutil.copy(demo_build / "quick" / "demo.npz", tmp_path / "quick" / f"{name}.npz")
    places = {"again": 90, "demo": 10}

    def part(name, _):
        return types.SimpleNamespace(words=lambda *_: Words(name, place=places[name]))

    monkeypatch.setattr(folders, "part", part)
    out = tmp_path / "out" / "index.html"
    for first, second in (("demo", "again"), ("again", "demo")):
        page.build(["again", "demo"], "quick", tmp_path, out)
        text = out.read_text(encoding="utf-8")
        assert text.index(f'id="analysis-{first}"') < text.index(f'id="analysis-{second}"')
        places["demo"] = 90


def test_strings_from_data_are_escaped(built):
    figure = {"file": "line.svg", "caption": EVIL, "alt": EVIL}
    text = built(
        claims={"S1": ("holds", EVIL)},
        checks=[CHECK | {"name": EVIL, "section": EVIL, "reason": EVIL}],
        title=EVIL,
        summary=EVIL,
        figures=[figure],
    )
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 8
    assert 'alt="&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &#34;quoted&#34;"' in text


def test_figures_stand_inside_the_page(built):
    text = built()
    assert "data:image/svg+xml;base64," in text
    assert 'alt="words for the picture"' in text
    assert external_requests(text) == []


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
    assert len(external_requests(f"<p>url(none)</p>{snippet}")) == 1


def test_links_and_embedded_data_are_no_requests():
    text = '<a href="https://x.example">x</a><a href="#S1"></a><img src="data:image/png;base64,A">'
    assert external_requests(text) == []


def test_reference_checks_are_shown_with_their_verdict(built, tmp_path):
    text = built(checks=[CHECK, CHECK | {"verdict": "agrees"}])
    assert "1 of 2 agree" in text
    assert "0.6931472" in text
    assert "−∞" in text
    with pytest.raises(SystemExit, match="check: .*: 1 reference checks differ"):
        analyses.main(["check", str(tmp_path / "out" / "index.html")])


def test_a_page_cut_short_is_noticed(built, tmp_path, capsys):
    text = built()
    path = tmp_path / "out" / "index.html"
    analyses.main(["check", str(path)])
    assert "self-contained" in capsys.readouterr().out
    path.write_text(text[: len(text) // 2], encoding="utf-8")
    with pytest.raises(SystemExit, match="damaged, its end is missing"):
        analyses.main(["check", str(path)])


def test_a_minus_sign_is_one_and_a_file_keeps_its_name(built):
    figure = {"file": "line.svg", "caption": "from -2 to -inf at 1e-16", "alt": "x"}
    text = built(figures=[figure])
    assert "from −2 to −∞ at 1e-16" in text


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
    assert page.number(value) == text
