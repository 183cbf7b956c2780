"""A diagnosis as a table, as numbers, as a figure and as a page."""

import html.parser
import json
import re

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot as plt

import rnnjac
from rnnjac.diagnosis.page import page
from rnnjac.diagnosis.result import Finding
from rnnjac.diagnosis.text import WIDTH
from tests import pages, tolerances

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


def test_in_a_browser_the_page_has_no_fault(batch, chromium, tmp_path):
    """At the widths of a desk and of a telephone, in light and in dark."""
    assert pages.faults(chromium, batch.save(tmp_path / "page.html")) == []


def test_a_diagnosis_too_wide_for_a_telephone_is_noticed(batch, chromium, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page(batch).replace("<main>", '<main style="width: 60rem">'), "utf-8")
    found = pages.faults(chromium, path)
    assert {text.partition(": ")[0] for text in found} == {"400 light", "400 dark"}
    assert all("scrolls sideways" in text for text in found)
