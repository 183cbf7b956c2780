"""Where the analyses lie: each is a folder with compute.py, figures.py and words.py.

    compute.py  PRESETS and compute(settings) -> (arrays, facts), settings = PRESETS["quick"]
    figures.py  draw(arrays, facts, out): the pictures, from these numbers alone
    words.py    words(arrays, facts) -> Words: title, captions, verdicts
    answers.py  answers(arrays, facts) -> [Answer]: what stands at the head of the page, if anything

``arrays`` are NumPy arrays by name, ``facts`` whatever JSON can hold. Nothing else names an
analysis: the commands, make and the page find its folder.
"""

import importlib
from pathlib import Path
from types import ModuleType

from analyses.common.record import RecordError

ANALYSES = Path(__file__).resolve().parent.parent
SHARED = frozenset({"common", "report"})
WANTED = {
    "compute": ("PRESETS", "compute"),
    "figures": ("draw",),
    "words": ("words",),
    "answers": ("answers",),
}


def names() -> list[str]:
    """Every analysis, in alphabetical order."""
    found = {path.parent.name for path in ANALYSES.glob("*/*.py")}
    return sorted(found - SHARED)


def has(name: str, module: str) -> bool:
    """Whether an analysis has a file of that name."""
    return (ANALYSES / name / f"{module}.py").is_file()


def part(name: str, module: str) -> ModuleType:
    """A module of an analysis, one of `WANTED`, refused if it lacks what it is for."""
    if name not in names():
        raise RecordError(f"{name}: expected one of {', '.join(names())}")
    if not has(name, module):
        raise RecordError(f"{name}: expected a file analyses/{name}/{module}.py; got none")
    loaded = importlib.import_module(f"analyses.{name}.{module}")
    for wanted in WANTED[module]:
        if not hasattr(loaded, wanted):
            raise RecordError(f"{name}: expected `{wanted}` in analyses/{name}/{module}.py")
    return loaded
