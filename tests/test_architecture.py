"""The shape of the code itself: which module may import which, file sizes, cost of the import."""

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = sorted((ROOT / "rnnjac").rglob("*.py"))
CODE = [p for d in ("rnnjac", "analyses", "benchmarks", "tests") for p in (ROOT / d).rglob("*.py")]

# What stands at the top of the library, folder or file, imports only from earlier layers or from
# itself; what shares a layer knows nothing of its neighbours.
LAYERS = (
    "_support",
    "activations|batches|linalg",
    "bounds",
    "initializers",
    "cells|system|tasks",
    "measures",
    "training",
    "interop|plot",
    "diagnosis",
    "command_line",
    "__main__",
)
LEVEL = {name: level for level, layer in enumerate(LAYERS) for name in layer.split("|")}

# What knows less than its layer may: all that it imports from outside itself.
ONLY = {
    "rnnjac/linalg": {"_support"},
    "rnnjac/system": {"_support", "linalg"},
    "rnnjac/tasks": {"_support"},
    "rnnjac/measures/observables.py": {"_support"},
    "rnnjac/interop": {"_support", "cells"},
    "rnnjac/plot.py": {"_support"},
}

# Public names of modules that lie in a layer.
SHORTER = {
    "carousel": "measures.carousel",
    "clipping": "training.clipping",
    "gates": "cells.gates",
    "observables": "measures.observables",
    "regularizers": "training.regularizers",
    "regularizers.gradient_flossing": "training.regularizers.gradient_flossing",
    "regularizers.omega": "training.regularizers.omega",
}

LINES = 320
IMPORT_SHARE = 0.4  # of what it takes to import jax, a second or so


def relative(path):
    return str(path.relative_to(ROOT))


def part(path):
    """Folder or file at the top of the library that a file lies in: 'cells' of cells/lstm.py."""
    return path.relative_to(ROOT / "rnnjac").with_suffix("").parts[0]


def dotted_name(path):
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


@functools.cache
def nodes(source):
    return list(ast.walk(ast.parse(source)))


def imported(source, path):
    """Absolute dotted names of all that a file imports, wherever in it the import stands."""
    package = dotted_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in nodes(source):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                yield f"{module}.{alias.name}"


def file_of(dotted):
    """File that defines a dotted name of the library: that of a module, or of what holds it."""
    names = dotted.split(".")
    while True:
        place = ROOT.joinpath(*names)
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path in LIBRARY:
                return path
        names.pop()


def library_imports(path):
    """Files of the library that a file of it imports.

    ``from rnnjac import x``, where x is a public name and no module, reaches the whole package.
    """
    found = imported(path.read_text(), path)
    return {file_of(name) for name in found if name.split(".")[0] == "rnnjac"}


MODULES = [p for p in LIBRARY if p != ROOT / "rnnjac" / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_run_one_way(path):
    own = part(path)
    assert own in LEVEL, f"{own} is new: give it a layer in this file"
    others = {part(p) for p in library_imports(path)} - {own}
    wrong = {name for name in others if name not in LEVEL or LEVEL[name] >= LEVEL[own]}
    assert not wrong, f"{own} imports {sorted(wrong)}, which do not lie below it"


@pytest.mark.parametrize("place", ONLY)
def test_some_know_less_than_their_layer_may(place):
    within = [p for p in MODULES if relative(p) == place or relative(p).startswith(f"{place}/")]
    assert within
    found = {part(p) for path in within for p in library_imports(path) if p not in within}
    assert found <= ONLY[place]


def test_no_files_import_each_other_in_a_circle():
    graphlib.TopologicalSorter({path: library_imports(path) for path in LIBRARY}).prepare()


@pytest.mark.parametrize("path", LIBRARY, ids=relative)
def test_library_stands_alone(path):
    roots = {name.split(".")[0] for name in imported(path.read_text(), path)}
    assert not roots & {"analyses", "benchmarks", "tests"}
    if relative(path) not in ("rnnjac/plot.py", "rnnjac/diagnosis/figure.py"):
        assert "matplotlib" not in roots


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import jax.numpy as jnp", {"jax.numpy"}),
        ("from . import graded", {"rnnjac.graded"}),
        ("from .graded import combine", {"rnnjac.graded.combine"}),
        ("def f():\n    from rnnjac import spectrum", {"rnnjac.spectrum"}),
    ],
)
def test_the_import_reader_sees_every_form(source, expected):
    assert set(imported(source, ROOT / "rnnjac" / "bounds.py")) == expected


@pytest.mark.parametrize(
    ("dotted", "expected"),
    [
        ("rnnjac.linalg.lu", "rnnjac/linalg/lu.py"),
        ("rnnjac.linalg.lu.lu", "rnnjac/linalg/lu.py"),
        ("rnnjac.cells._elman", "rnnjac/cells/_elman.py"),
        ("rnnjac.cells.Cell", "rnnjac/cells/__init__.py"),
        ("rnnjac.spectrum", "rnnjac/__init__.py"),
    ],
)
def test_names_are_traced_to_their_files(dotted, expected):
    assert relative(file_of(dotted)) == expected


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_files_stay_short(path):
    count = len(path.read_text().splitlines())
    assert count <= LINES, f"{count} lines: a file past about 300 lines is two files"


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_no_file_unpickles(path):
    source = path.read_text()
    roots = {name.split(".")[0] for name in imported(source, path)}
    assert not roots & {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    for node in nodes(source):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False


def run_python(code):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_import_loads_nothing_that_it_does_not_need():
    code = (
        "import sys, rnnjac; "
        "print({'matplotlib', 'flax', 'equinox', 'torch', 'analyses'} & set(sys.modules))"
    )
    assert run_python(code) == ["set()"]


@pytest.mark.parametrize("first", ["carousel", "regularizers.omega"])
def test_public_names_of_modules_in_layers_give_the_modules_themselves(first):
    code = (
        f"import rnnjac.{first}; from importlib import import_module as m; "
        f"print(all(m('rnnjac.' + a) is m('rnnjac.' + b) for a, b in {SHORTER}.items()))"
    )
    assert run_python(code) == ["True"]


def test_import_is_cheap():
    # CPU times, as a ratio: neither other processes nor a slow machine count against the import
    code = (
        "import time; start = time.process_time(); import jax; between = time.process_time(); "
        "import rnnjac; print((time.process_time() - between) / (between - start))"
    )
    best = float("inf")
    for _ in range(5):  # noise only ever adds, so the first run under the limit settles it
        best = min(best, float(run_python(code)[0]))
        if best <= IMPORT_SHARE:
            return
    pytest.fail(f"import rnnjac costs {best:.2f} times what jax does")
