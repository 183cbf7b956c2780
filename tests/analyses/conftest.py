"""What `make check` looks at: the numbers, pictures and words of the quick report.

A test that uses ``quick`` needs `make report` before it and is marked ``data``; `make test` leaves
it out.
"""

import functools
import types
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pytest

from analyses.common import command, folders, pictures, record
from analyses.common.words import Words
from analyses.report import page

BUILD = record.ROOT / "build"


class Quick(NamedTuple):
    """Stored numbers of an analysis, the words they lead to, and the folder of its figures."""

    arrays: dict[str, Any]
    facts: dict[str, Any]
    provenance: dict[str, Any]
    words: Any
    figures: Path


@functools.cache
def load(name):
    arrays, meta = record.load(command.data_file(name, "quick", BUILD))
    words = folders.part(name, "words").words(arrays, meta["facts"])
    figures = command.figure_folder("quick", BUILD)
    return Quick(arrays, meta["facts"], meta["provenance"], words, figures)


@pytest.fixture(scope="session")
def quick():
    """Function of the name of an analysis that gives what its quick preset has stored."""
    return load


def a_line():
    """A small figure: one line from 1 to 4."""
    figure, ax = plt.subplots(figsize=(pictures.WIDTH, 3))
    ax.plot([0, 1, 2], [1, 2, 4], label="doubling")
    ax.set(xlabel="time", ylabel="size")
    return figure


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Function that writes the page of one analysis with the given words and returns its text."""

    def build(answers=(), **words):
        figures = [{"file": "line.svg", "caption": "caption", "alt": "words for the picture"}]
        words = Words(**{"title": "Demo", "figures": figures} | words)
        module = types.SimpleNamespace(words=lambda *_: words, answers=lambda *_: answers)
        monkeypatch.setattr(folders, "part", lambda name, part: module)
        monkeypatch.setattr(folders, "has", lambda name, part: bool(answers))
        drawn = command.figure_folder("quick", tmp_path)
        drawn.mkdir(parents=True, exist_ok=True)
        pictures.save({"line.svg": a_line}, drawn)
        facts = record.provenance(0, "float64") | {"preset": "quick"}
        meta = {"facts": {}, "provenance": facts}
        record.save(command.data_file("demo", "quick", tmp_path), {"x": np.zeros(1)}, meta)
        out = tmp_path / "out" / "index.html"
        page.build(["demo"], "quick", tmp_path, out)
        assert sorted(p.name for p in out.parent.iterdir()) == ["index.html", "index.made"]
        return out.read_text(encoding="utf-8")

    return build


def pytest_collection_modifyitems(items):
    for item in items:
        if "quick" in getattr(item, "fixturenames", ()):
            item.add_marker("data")
