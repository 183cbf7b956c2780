"""What `make check` looks at: the numbers, pictures and words of the quick report.

A test that uses ``quick`` needs `make report` before it and is marked ``data``; `make test` leaves
it out.
"""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from analyses.common import command, folders, record
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


@pytest.fixture(scope="session")
def eps(dtype):
    return tolerances.eps(dtype)


def pytest_collection_modifyitems(items):
    for item in items:
        if "quick" in getattr(item, "fixturenames", ()):
            item.add_marker("data")
