"""make: a folder is enough for an analysis to be in the report, and a step runs when it has to.

In a copy of the tree with one more analysis, the demonstration of test_command.
"""

import os
import shutil
import subprocess
import sys

import pytest

from analyses.common import record
from tests.analyses.test_command import FILES

CELL = "from rnnjac.cells import leaky  # the only one that uses it\n"
STEPS = ("compute", "draw", "page")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the code with the demonstration in it, and its report of that alone."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("rnnjac", "analyses"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(record.ROOT / name, root / name, ignore=ignore)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy2(record.ROOT / name, root / name)
    room = root / "analyses" / "demo"
    room.mkdir()
    for name, text in FILES.items():
        (room / name).write_text(CELL + text if name == "compute.py" else text)
    # the environment of this run, taken for one that is up to date
    (root / ".venv" / "bin").mkdir(parents=True)
    python = root / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (root / ".venv" / ".report").touch()
    make(root, "report")
    return root


def make(root, *arguments, analyses="demo"):
    """Steps that make runs, or would run, in the copy."""
    command = ["make", *arguments, f"ANALYSES={analyses}"] if analyses else ["make", *arguments]
    place = {**os.environ, "PYTHONPATH": str(root)}
    place.pop("MAKEFLAGS", None)
    done = subprocess.run(command, cwd=root, env=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line.removeprefix('echo "') for line in done.stdout.splitlines()]
    return [line for line in lines if line.startswith(STEPS)]


def steps(root, **options):
    return {line.split()[0] for line in make(root, "-n", "report", **options)}


def touch(root, name):
    """Make a file newer than all that was built, and put its time back afterwards."""
    path = root / name
    before = path.stat()
    newest = max(p.stat().st_mtime_ns for p in (root / "build").rglob("*"))
    os.utime(path, ns=(newest + 10**9, newest + 10**9))
    try:
        return steps(root)
    finally:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_folder_is_enough(copy):
    page = (copy / "build" / "report" / "index.html").read_text()
    assert "A demonstration" in page and "1 of" not in steps(copy)
    assert steps(copy) == set(), "a second report does no work"
    found = make(copy, "-n", "report", analyses="")
    assert any("demo" in line for line in found) is False, "what is there is not made again"
    assert sum(line.startswith("compute") for line in found) >= 10, "the others are found, too"


@pytest.mark.parametrize(
    ("touched", "expected"),
    [
        ("analyses/demo/words.py", {"page"}),
        ("analyses/report/page.html.j2", {"page"}),
        ("analyses/report/page.css", {"page"}),
        ("analyses/demo/figures.py", {"draw", "page"}),
        ("analyses/demo/compute.py", {"compute", "draw", "page"}),
        ("rnnjac/cells/_leaky.py", {"compute", "draw", "page"}),
        ("rnnjac/cells/_minimal_rnn.py", set()),
        ("analyses/cliff/surface.py", set()),
        ("rnnjac/linalg/lu.py", {"compute", "draw", "page"}),
        ("analyses/common/record.py", {"compute", "draw", "page"}),
    ],
)
def test_a_step_runs_when_what_it_used_has_changed(copy, touched, expected):
    assert touch(copy, touched) == expected


@pytest.mark.parametrize("damage", ["", "# whole 3\n", "\0garbage: $(x)\n", "analyses/gone.py\n"])
def test_a_damaged_list_is_not_trusted(copy, damage):
    path = copy / "build" / "quick" / "demo.made"
    whole, times = path.read_text(), path.stat()
    path.write_text(damage if "gone" not in damage else damage + whole)
    try:
        assert "compute" in steps(copy)
    finally:
        path.write_text(whole)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert steps(copy) == set()


def test_damaged_data_are_made_anew(copy):
    data = copy / "build" / "quick" / "demo.npz"
    whole = data.read_bytes()
    data.write_bytes(whole[: len(whole) // 2])
    make(copy, "report")
    assert record.load(data)[0]["x"].size == 3
    assert steps(copy) <= {"draw", "page"}
