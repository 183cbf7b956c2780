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
from tests import tolerances

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


@pytest.fixture(scope="session")
def demo_build(tmp_path_factory):
    """Folder with the numbers and the figure of one analysis, "demo"."""
    folder = tmp_path_factory.mktemp("demo")
    drawn = command.figure_folder("quick", folder)
    drawn.mkdir(parents=True)
    pictures.save({"line.svg": a_line}, drawn)
    facts = record.provenance(0, "float64") | {"preset": "quick"}
    meta = {"facts": {}, "provenance": facts}
    record.save(command.data_file("demo", "quick", folder), {"x": np.zeros(1)}, meta)
    return folder


def write_demo(build, out, answers=(), **words):
    """Write the page of "demo", with the given words, and return its text."""
    figures = [{"file": "line.svg", "caption": "caption", "alt": "words for the picture"}]
    words = Words(**{"title": "Demo", "figures": figures} | words)
    module = types.SimpleNamespace(words=lambda *_: words, answers=lambda *_: answers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folders, "part", lambda name, part: module)
        patch.setattr(folders, "has", lambda name, part: bool(answers))
        page.build(["demo"], "quick", build, out)
    assert sorted(p.name for p in out.parent.iterdir()) == ["index.html", "index.made"]
    return out.read_text(encoding="utf-8")


@pytest.fixture
def built(demo_build, tmp_path):
    """Function that writes the page of one analysis with the given words and returns its text."""
    return functools.partial(write_demo, demo_build, tmp_path / "out" / "index.html")


@pytest.fixture(scope="session")
def eps(dtype):
    return tolerances.eps(dtype)


def pytest_collection_modifyitems(items):
    for item in items:
        if "quick" in getattr(item, "fixturenames", ()):
            item.add_marker("data")
