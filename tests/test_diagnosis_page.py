"""A diagnosis as a table, as numbers, as a figure and as a page."""

import html.parser
import json
import re
import shutil
import subprocess

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot as plt

import rnnjac
from rnnjac.diagnosis.page import page
from rnnjac.diagnosis.result import Finding
from rnnjac.diagnosis.text import WIDTH
from tests import tolerances

EPS = float(jnp.finfo(jnp.zeros(()).dtype).eps)

GAINS = jnp.array([1.5, 0.5, 0.0])


def step(params, state, x):
    return params * (1 + x) * state


def of_first(state, number):
    return state[0]


@pytest.fixture(scope="module")
def batch():
    """Five sequences; the second explodes, and a direction is lost in all."""
    x = jnp.full((5, 60, 1), -0.3).at[1].set(0.0)
    return rnnjac.diagnose(step, GAINS, jnp.ones(3), x, lengths=[60, 60, 50, 40, 60], loss=of_first)


def test_the_table_is_short_and_narrow(batch):
    text = str(batch)
    lines = text.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= WIDTH
    assert lines[0] == "Diagnosis: 3 state numbers, 5 sequences of 40 to 60 steps: 2 findings"
    assert "in 1 of 5 sequences gradients grow" in text.replace("\n     ", " ")
    # columns are aligned: every value begins in one place
    starts = {re.match(r"  (\S.*?)  +\S", line).end() for line in lines[1 : lines.index("")]}
    assert len(starts) == 1


def test_the_numbers_are_plain(batch):
    numbers = batch.to_dict()
    assert numbers == json.loads(json.dumps(numbers))
    assert all(isinstance(v, (int, float, str, bool, type(None))) for v in numbers.values())
    np.testing.assert_allclose(
        numbers["explosion_growth"], 60 * np.log(1.5), rtol=tolerances.LOG_OF_POWER * EPS
    )
    assert numbers["explosion_share"] == 0.2
    assert numbers["findings"] == "some sequences explode,dead units"
    assert (numbers["units_lost"], numbers["rates_last_value"]) == (1, -np.inf)
    assert numbers["recurrent"] is None


def test_the_figure_has_four_panels_with_labels(batch):
    figure = batch.plot()
    figure.canvas.draw()
    assert len(figure.axes) == 4
    for ax in figure.axes:
        assert ax.get_xlabel() and ax.get_ylabel() and ax.get_title(loc="left")
    lines = figure.axes[2].get_lines()
    ends = [line.get_ydata()[np.isfinite(line.get_ydata())][-1] for line in lines]
    np.testing.assert_allclose(max(ends), 60 * np.log(1.5), rtol=tolerances.LOG_OF_POWER * EPS)
    plt.close(figure)


class Reader(html.parser.HTMLParser):
    """All attributes of all elements, and which elements are open."""

    def __init__(self):
        super().__init__()
        self.found, self.text = [], []

    def handle_starttag(self, tag, attributes):
        self.found += [(tag, name, value) for name, value in attributes]

    def handle_data(self, data):
        self.text.append(data)


def read(text):
    reader = Reader()
    reader.feed(text)
    return reader


def test_the_page_needs_nothing_else(batch, tmp_path):
    before = len(plt.get_fignums())
    path = batch.save(tmp_path / "page.html")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    text = path.read_text(encoding="utf-8")
    reader = read(text)
    links = [v for _, name, v in reader.found if name in ("src", "href", "xlink:href", "data")]
    assert links and all(link.startswith("#") for link in links)
    assert "@import" not in text and not re.search(r"url\((?!#)", text)
    ids = [value for _, name, value in reader.found if name == "id"]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links} <= set(ids)
    assert text.count("<svg") == 4 and "prefers-color-scheme: dark" in text
    assert len(plt.get_fignums()) == before


def test_text_of_the_page_is_escaped(batch):
    finding = Finding("<b>", "1 < 2 & 3", 0.0, '"<script>"', "A & B (2000)")
    text = page(batch._replace(findings=(finding,)))
    assert "<script" not in text
    assert "1 < 2 & 3." in "".join(read(text).text)


def test_a_page_that_cannot_be_written_leaves_nothing(batch, tmp_path, monkeypatch):
    (tmp_path / "page.html").write_text("old")

    def fails(d):
        raise RuntimeError("no picture")

    monkeypatch.setattr("rnnjac.diagnosis.page.page", fails)
    with pytest.raises(RuntimeError, match="no picture"):
        batch.save(tmp_path / "page.html")
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "old"


WIDTHS = """<script>
const wide = [];
for (const width of [1280, 400]) {
  const frame = document.createElement("iframe");
  frame.style.width = width + "px";
  frame.srcdoc = PAGE;
  frame.onload = () => {
    wide.push(width + ":" + frame.contentDocument.documentElement.scrollWidth);
    if (wide.length == 2) document.title = wide.sort().join(" ");
  };
  document.documentElement.append(frame);
}
</script>"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_nothing_scrolls_sideways(batch, tmp_path):
    """In a browser, at the widths of a desk and of a telephone."""
    probe = tmp_path / "probe.html"
    source = json.dumps(page(batch)).replace("</", "<\\/")
    probe.write_text(WIDTHS.replace("PAGE", source), encoding="utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu"]
    command += ["--window-size=1400,900", "--virtual-time-budget=5000", "--dump-dom"]
    done = subprocess.run(
        [*command, f"--user-data-dir={tmp_path / 'profile'}", probe.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    shown = re.search(r"<title>(.*?)</title>", done.stdout)
    assert shown, done.stderr[-500:]
    widths = dict(pair.split(":") for pair in shown[1].split())
    assert {name: int(value) <= int(name) for name, value in widths.items()} == {
        "1280": True,
        "400": True,
    }
