"""The page as a browser shows it: whole, readable in light and dark, to be used without a mouse."""

import io
import time

import matplotlib.pyplot as plt
import numpy as np
import pytest

from analyses.common.words import Answer
from analyses.report import page
from tests import pages
from tests.analyses import drawn
from tests.analyses.conftest import BUILD, write_demo

REPORT = BUILD / "quick" / "report.html"
SHOWN = {"file": "line.svg", "caption": "a line", "alt": "a line", "claims": ["S4", "S5"]}


def answer(**changes):
    words = Answer(
        question="Does it?",
        sentence="It does, 3 times of -3.",
        panel=lambda ax: ax.plot([0, 1], [2, 7], label="rises"),
        alt="a rising line",
        figure="line.svg",
        claims=("S4",),
        place=1,
    )
    return words._replace(**changes)


@pytest.fixture(scope="module")
def small(demo_build, tmp_path_factory):
    """Path of a page with one answer, one figure and one claim found on."""
    path = tmp_path_factory.mktemp("small") / "index.html"
    found = {"S4": ("refuted", "figure for S4")}
    write_demo(demo_build, path, [answer()], figures=[SHOWN], claims=found)
    return path


def test_the_page_has_no_fault(small, chromium):
    assert pages.faults(chromium, small) == []


def without(text, start, end):
    """The text with what stands between the first ``start`` and the ``end`` after it taken out."""
    at = text.index(start) + len(start)
    return text[:at] + text[text.index(end, at) :]


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (
            lambda t: without(t, 'src="data:image/svg+xml;base64,', '"'),
            "image does not load: a ris",
        ),
        (lambda t: t.replace("base64,", "base64,!"), "image does not load: a line"),
        (lambda t: without(t, '<div class="shown">', "</div>"), "no picture: figure-line"),
        (
            lambda t: t.replace("</main>", "<img src='gone.png' alt='gone'></main>"),
            "image does not",
        ),
        (
            lambda t: t.replace('<figure id="figure-line">', "<figure>"),
            "leads nowhere: #figure-line",
        ),
        (lambda t: without(t, 'href="data:text/csv;charset=utf-8,', '"'), "leads nowhere: data:"),
        (lambda t: t.replace("</main>", "<p id='S4'></p></main>"), "twice: S4"),
        (lambda t: t.replace("</main>", "<script>none()</script></main>"), "error: "),
        (
            lambda t: t.replace("</main>", "<pre class='wide' style='width:90rem'>"),
            "scrolls sideways",
        ),
    ],
)
def test_what_is_spoilt_is_noticed(small, chromium, tmp_path, spoil, fault):
    """In a copy, one thing taken away or put wrong; a picture among them."""
    whole = small.read_text(encoding="utf-8")
    copy = tmp_path / "spoilt.html"
    copy.write_text(spoil(whole), encoding="utf-8")
    assert copy.read_text(encoding="utf-8") != whole
    found = pages.faults(chromium, copy)
    assert any(fault in text for text in found), found


FOCUSED = """(() => {
  const at = document.activeElement, box = at.getBoundingClientRect(), look = getComputedStyle(at);
  return {to: at.getAttribute("href"), seen: box.top >= 0 && box.bottom <= innerHeight,
    ring: look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2,
    inside: at.closest("nav") !== null};
})()"""


@pytest.mark.parametrize("width", pages.WIDTHS)
def test_keys_reach_the_contents_and_what_they_lead_to(small, chromium, width):
    with chromium.page(small, width) as tab:
        contents = tab.run('[...document.querySelectorAll("nav a")].map(a => a.hash)')
        tab.press("Tab")
        at = tab.run(FOCUSED)
        assert (at["to"], at["seen"], at["ring"]) == ("#claims", True, True)
        found = []
        for _ in range(tab.run("document.links.length")):
            tab.press("Tab")
            at = tab.run(FOCUSED)
            assert at["seen"] and at["ring"], at
            if at["inside"]:
                found.append(at["to"])
            elif found:
                break
        assert found == contents and len(contents) > 4
    with chromium.page(small, width) as tab:
        tab.press("Tab")
        tab.press("Enter")
        assert tab.run("location.hash") == "#claims"
        top = tab.run('document.querySelector("#claims").getBoundingClientRect().top')
        assert 0 <= top < 800


def luminance(tab, what):
    """Darkest, usual and lightest luminance, 0 to 1, of an element as it is seen."""
    box = tab.run(f"""(() => {{ const at = document.querySelector("{what}");
      at.scrollIntoView(); const box = at.getBoundingClientRect();
      return [box.left, box.top, box.right, box.bottom].map(Math.round); }})()""")
    picture = plt.imread(io.BytesIO(tab.screenshot()))[..., :3]
    left, top, right, bottom = (max(0, value) for value in box)
    grey = picture[top + 4 : bottom - 4, left + 4 : right - 4] @ [0.2126, 0.7152, 0.0722]
    return grey.min(), np.median(grey), grey.max()


@pytest.mark.parametrize("what", ["figure img", ".answer img"])
def test_figures_are_dark_on_light_and_light_on_dark(small, chromium, what):
    with chromium.page(small) as tab:
        darkest, usual, _ = luminance(tab, what)
        assert usual > 0.95 and darkest < 0.3
    with chromium.page(small, dark=True) as tab:
        _, usual, lightest = luminance(tab, what)
        assert usual < 0.15 and lightest > 0.6


def test_data_of_a_figure_are_downloaded_from_the_page_alone(small, chromium, tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    chromium.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    with chromium.page(small) as tab:
        for name, expected in (
            ("line", [[0, 1], [1, 2], [2, 4]]),
            ("answer-1", [[0, 2], [1, 7]]),
        ):
            tab.run(f"""document.querySelector('a[download="{name}.csv"]').click()""")
            file, end = folder / f"{name}.csv", time.monotonic() + 30
            while not file.exists() and time.monotonic() < end:
                time.sleep(0.05)
            rows = drawn.series(file.read_text(encoding="utf-8"), 1, 1)
            np.testing.assert_array_equal(rows[:, :2], expected)


def test_a_claim_links_to_its_figure_and_the_figure_back(built):
    text = built(figures=[SHOWN], claims={"S4": ("refuted", "figure for S4")})
    row = text[text.index('<tr id="S4">') :]
    assert '<a href="#figure-line">Figure 1</a>' in row[: row.index("</tr>")]
    figure = text[text.index('<figure id="figure-line">') :]
    caption = figure[: figure.index("</figure>")].rpartition("Claims ")[2]
    assert '<a href="#S4">S4</a>' in caption and "S5" not in caption  # nothing was found on S5


def test_answers_stand_at_the_head_in_their_order_or_not_at_all(built):
    text = built([answer(question="Second?", place=2), answer()], figures=[SHOWN])
    header = text[: text.index("</header>")]
    assert header.index("Does it?") < header.index("Second?")
    assert "It does, 3 times of −3." in header
    assert 'class="answer"' not in built(figures=[SHOWN])


def test_an_answer_without_its_figure_is_refused(built):
    with pytest.raises(Exception, match=r"gone.svg: expected a figure of the analysis"):
        built([answer(figure="gone.svg")], figures=[SHOWN])


def test_words_of_an_answer_are_escaped(built):
    text = built([answer(question="<b>?", sentence="1 < 2 & 3", alt='"<i>')], figures=[SHOWN])
    assert "<b>?" not in text and "1 &lt; 2 &amp; 3" in text and "&#34;&lt;i&gt;" in text


@pytest.mark.data
class TestQuickReport:
    """The page of the quick report, written by `make report`."""

    def test_it_has_no_fault(self, chromium):
        assert pages.faults(chromium, REPORT) == []

    def test_a_picture_taken_away_is_noticed(self, chromium, tmp_path):
        text = REPORT.read_text(encoding="utf-8")
        last = text.rindex('src="data:image/')
        copy = tmp_path / "copy.html"
        copy.write_text(text[:last] + text[text.index('"', last + 5) + 1 :], encoding="utf-8")
        found = pages.faults(chromium, copy)
        assert len(found) == 2 * len(pages.WIDTHS)
        assert all("image does not load" in fault for fault in found)

    @pytest.mark.parametrize("width", pages.WIDTHS)
    def test_letters_have_one_size(self, chromium, width):
        """All pictures are drawn with the same letters, and shown at nearly one scale."""
        sizes = """[...document.images].map((image) => {
          const look = getComputedStyle(image);
          const shown = image.clientWidth - parseFloat(look.paddingLeft) * 2;
          const inches = image.closest("figure") ? 10 : 3.9;
          return shown / inches; })"""
        with chromium.page(REPORT, width) as tab:
            scales = tab.run(sizes)
        assert len(scales) > 20 and max(scales) < 1.05 * min(scales)

    def test_the_answer_is_on_the_first_screen(self, chromium):
        with chromium.page(REPORT) as tab:
            ends = tab.run("""[...document.querySelectorAll(".answer")].map(
              (answer) => answer.getBoundingClientRect().bottom)""")
        assert len(ends) == 3 and max(ends) <= 800

    def test_claims_and_figures_lead_to_each_other(self, chromium):
        pairs = """(() => { const found = {there: [], back: []};
          for (const a of document.querySelectorAll('.claims a[href^="#figure-"]'))
            found.there.push(a.closest("tr").id + a.hash);
          for (const a of document.querySelectorAll('figcaption a[href^="#S"]'))
            found.back.push(a.hash.slice(1) + "#" + a.closest("figure").id);
          return found; })()"""
        with chromium.page(REPORT) as tab:
            found = tab.run(pairs)
        assert sorted(found["there"]) == sorted(found["back"])
        assert len({pair.partition("#")[0] for pair in found["there"]}) == 29

    @pytest.mark.parametrize(("name", "count"), [("eigenvalue_decay", 2), ("lstm_carousel", 1)])
    def test_an_analysis_brings_its_own_answers(self, name, count, tmp_path):
        out = tmp_path / "part.html"
        page.build([name], "quick", BUILD, out)
        assert out.read_text(encoding="utf-8").count('class="answer"') == count

    def test_the_size_is_stated_and_sane(self):
        text = REPORT.read_text(encoding="utf-8")
        stated = float(text.partition(" MB of it")[0].split()[-1])
        assert stated < len(text) / 1e6 < stated + 0.5 and len(text) < 12e6

    def test_answers_follow_what_was_measured(self, quick):
        from analyses.eigenvalue_decay.answers import answers as of_rule
        from analyses.lstm_carousel.answers import answers as of_lstm

        found = quick("eigenvalue_decay")
        rule, exponent = of_rule(found.arrays, found.facts)
        assert f"{found.facts['above_wrong']} of" in rule.sentence
        other = found.facts | {"above_wrong": 0, "below_wrong": 0, "bound_excess": 0.5}
        changed = of_rule(found.arrays, other)
        assert rule.sentence.startswith("No:") and changed[0].sentence.startswith("In these")
        assert "none" in exponent.sentence and "exceed by up to 5e-01" in changed[1].sentence
        found = quick("lstm_carousel")
        (lstm,) = of_lstm(found.arrays, found.facts)
        (changed,) = of_lstm(found.arrays, found.facts | {"raised_rate_both_8": 0.5})
        assert "it forgets in 5 steps" in lstm.sentence and "explodes in 2;" in changed.sentence
