"""The shape of the code itself: which module may import which, file sizes, cost of the import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = sorted((ROOT / "rnnjac").rglob("*.py"))
CODE = [p for d in ("rnnjac", "analyses", "benchmarks", "tests") for p in (ROOT / d).rglob("*.py")]

# A module imports only from lower layers (or from its own package, as cells.lstm from cells._cell).
LAYERS = (
    ("_checks", "_compiled", "_turns", "frame"),
    ("activations", "clipping", "_checkpoint", "batches"),
    ("bounds",),
    ("initializers",),
    ("cells", "dynamics", "tasks"),
    ("gates",),
    ("carousel",),
    ("jacobian",),
    ("jacobi",),
    ("graded",),
    ("rounding", "merge", "interval", "graded_svd"),
    ("strides",),
    ("spectrum", "lyapunov", "gradient", "reach", "leading"),
    ("observables",),
    ("_updates", "_spectral_metrics"),
    ("regularizers", "training"),
    ("diagnose", "plot", "interop"),
)
LEVEL = {module: level for level, layer in enumerate(LAYERS) for module in layer}

# What knows only arrays stays clear of everything that knows a recurrent net.
ARRAYS_ONLY = {"frame", "graded", "graded_svd", "merge", "rounding", "jacobi", "observables"}
RECURRENT = {module for module in LEVEL if LEVEL[module] >= LEVEL["initializers"]} - ARRAYS_ONLY

LINES = 320
IMPORT_SHARE = 0.4  # of what it takes to import jax, a second or so


def relative(path):
    return str(path.relative_to(ROOT))


def part(dotted):
    """Module of the library that a dotted name lies in: 'rnnjac.cells.lstm' -> 'cells'."""
    names = dotted.split(".")
    return names[1] if len(names) > 1 else "__init__"


def dotted_name(path):
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def imported(source, path):
    """Absolute dotted names of all that a file imports, wherever in it the import stands."""
    package = dotted_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                yield f"{module}.{alias.name}"


def library_imports(path):
    """Top-level modules of the library, other than its own, that a library file imports."""
    own = part(dotted_name(path))
    found = {part(name) for name in imported(path.read_text(), path) if name.startswith("rnnjac.")}
    # `from rnnjac import x` where x is a public name, not a module, reaches the whole package
    return {name if name in LEVEL else "__init__" for name in found} - {own}


MODULES = [p for p in LIBRARY if p != ROOT / "rnnjac" / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_run_one_way(path):
    own = part(dotted_name(path))
    assert own in LEVEL, f"{own} is new: give it a layer in this file"
    wrong = {m for m in library_imports(path) if m not in LEVEL or LEVEL[m] >= LEVEL[own]}
    assert not wrong, f"{own} imports {sorted(wrong)}, which do not lie below it"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_array_modules_know_no_recurrent_net(path):
    if part(dotted_name(path)) in ARRAYS_ONLY:
        assert not library_imports(path) & RECURRENT


@pytest.mark.parametrize("path", LIBRARY, ids=relative)
def test_library_stands_alone(path):
    roots = {name.split(".")[0] for name in imported(path.read_text(), path)}
    assert not roots & {"analyses", "benchmarks", "tests"}
    if relative(path) != "rnnjac/plot.py":
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
    assert set(imported(source, ROOT / "rnnjac" / "jacobi.py")) == expected


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_files_stay_short(path):
    count = len(path.read_text().splitlines())
    assert count <= LINES, f"{count} lines: a file past about 300 lines is two files"


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_no_file_unpickles(path):
    source = path.read_text()
    roots = {name.split(".")[0] for name in imported(source, path)}
    assert not roots & {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False


def run_python(code):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_import_loads_no_matplotlib():
    code = "import sys, rnnjac; print('matplotlib' in sys.modules, 'analyses' in sys.modules)"
    assert run_python(code) == ["False", "False"]


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
