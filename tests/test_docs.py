"""Every block of code in README and in docs/ runs, page by page, as a reader would run it."""

import importlib.util
import json
import re
import textwrap
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest

import rnnjac
from rnnjac import cells

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
FAQ = DOCS / "faq.md"
PAGES = sorted({*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb"), ROOT / "README.md"} - {FAQ})

FENCED = re.compile(r"^```(?:\{code-cell\} python|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# settings of a cell: "---" to "---", or lines of ":name: value"
SETTINGS = re.compile(r"\A(?:---\n.*?^---\n|(?::.*\n)+)", re.DOTALL | re.MULTILINE)
# an indented block behind an empty line
INDENTED = re.compile(r"(?<=\n\n)(?: {4}\S.*\n)+")


def blocks(page):
    """Code of a page from top to bottom."""
    if page.suffix == ".ipynb":
        cells = json.loads(page.read_text())["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [SETTINGS.sub("", code) for code in FENCED.findall(page.read_text())]


def questions():
    for part in FAQ.read_text().split("\n## ")[1:]:
        title, body = part.split("\n", 1)
        for block in INDENTED.findall("\n" + body):
            yield pytest.param(textwrap.dedent(block), id=title)


@pytest.fixture
def as_a_reader(tmp_path, monkeypatch):
    """An empty folder, and JAX's own settings."""
    monkeypatch.chdir(tmp_path)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
    plt.close("all")


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.stem) for page in PAGES if blocks(page)]
)
def test_a_page_runs_from_top_to_bottom(page, as_a_reader):
    names = {"__name__": "page"}
    for number, code in enumerate(blocks(page)):
        if "import torch" in code and importlib.util.find_spec("torch") is None:
            continue
        # ten thousand updates are for a reader who has the time, hundreds for `make docs`
        code = code.replace("10_000", "20").replace("1_000", "10")
        code = re.sub(r"^UPDATES = \d+", "UPDATES = 20", code, flags=re.MULTILINE)
        exec(compile(code, f"{page.name}, block {number}", "exec"), names)


@pytest.fixture(scope="module")
def names():
    """What the answers take as given: the network of the pages and what a reader would have."""
    cell = cells.lstm(4, 16)
    params, state = cell.init(jax.random.key(0)), cell.initial_state()
    inputs = jax.random.normal(jax.random.key(1), (200, 4))
    log: list = []
    writer = type("Writer", (), {"log": staticmethod(log.append)})
    return {
        "rnnjac": rnnjac,
        "system": (cell.step, params, state, inputs),
        "step": cell.step,
        "params": params,
        "state": state,
        "probe": inputs,
        "g": jax.tree.map(jnp.ones_like, state),
        "norms": np.array([1.0, 2.0, 30.0]),
        "writer": writer,
        "block": lambda layer, h: h + jnp.tanh(layer @ h) / 2,
        "h0": jnp.ones(32),
        "stacked_layers": jnp.eye(32)[None].repeat(24, axis=0),
    }


@pytest.mark.parametrize("code", list(questions()))
def test_an_answer_runs(code, names):
    exec(code, dict(names))


def test_there_is_an_answer_to_every_question():
    assert len(FAQ.read_text().split("\n## ")) == 17


def test_notebooks_are_stored_without_what_they_printed():
    notebooks = [json.loads(page.read_text()) for page in DOCS.rglob("*.ipynb")]
    assert len(notebooks) == 3
    assert not any(cell.get("outputs") for each in notebooks for cell in each["cells"])


def test_a_link_between_the_pages_leads_somewhere():
    for page in (*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb"), ROOT / "README.md"):
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_built_pages_are_checked_for_links_and_for_what_they_load(tmp_path):
    spec = importlib.util.spec_from_file_location("check_links", DOCS / "check_links.py")
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    assert list(check.problems(tmp_path)) == [f"no page in {tmp_path}"]
    good = '<h1 id="top"></h1><a href="#top"></a><a href="https://example.org"></a>'
    (tmp_path / "good.html").write_text(good)
    assert list(check.problems(tmp_path)) == []
    bad = {
        '<a href="gone.html"></a>': "no gone.html",
        '<img src="gone.svg">': "no gone.svg",
        '<a href="good.html#gone"></a>': "no place good.html#gone",
        '<script src="https://example.org/x.js"></script>': "loads https://example.org/x.js",
        '<link rel="stylesheet" href="//example.org/x.css">': "loads //example.org/x.css",
    }
    for text, problem in bad.items():
        (tmp_path / "bad.html").write_text(text)
        assert list(check.problems(tmp_path)) == [f"bad.html: {problem}"]


def test_every_public_name_is_described():
    text = "\n".join(page.read_text() for page in (DOCS / "api").glob("*.md"))
    described = set(re.findall(r"auto(?:function|class):: (\w+)", text))
    modules = [rnnjac, *(getattr(rnnjac, name) for name in MODULES)]
    missing = {
        f"{module.__name__}.{name}"
        for module in modules
        for name in dir(module)
        if not name.startswith("_") and name not in described | NOT_DESCRIBED
        if getattr(getattr(module, name), "__module__", "").startswith("rnnjac")
        and callable(getattr(module, name))
    }
    assert missing == set()


MODULES = (
    "activations",
    "cells",
    "clipping",
    "gates",
    "initializers",
    "interop",
    "observables",
    "regularizers",
    "tasks",
    "training",
)
# imported or shared there, for no one else
NOT_DESCRIBED = {"at_least_float32", "compiled", "lstm_arguments"}
