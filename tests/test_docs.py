"""Every block of code in README and in the questions runs, as a reader would run it."""

import re
import textwrap
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells, initializers

ROOT = Path(__file__).resolve().parent.parent
README = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
# an indented block behind an empty line
INDENTED = re.compile(r"(?<=\n\n)(?: {4}\S.*\n)+")


def questions():
    for part in (ROOT / "docs" / "faq.md").read_text().split("\n## ")[1:]:
        title, body = part.split("\n", 1)
        for block in INDENTED.findall("\n" + body):
            yield pytest.param(textwrap.dedent(block), id=title)


@pytest.fixture(scope="module")
def names():
    """What the answers take as given: a network of 4 units and what a reader would have."""
    cell = cells.elman(2, 4, recurrent=initializers.orthogonal(), dtype=jnp.float32)
    params, state = cell.init(jax.random.key(0)), cell.initial_state()
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=(120, 2)), jnp.float32)
    log: list = []
    writer = type("Writer", (), {"log": staticmethod(log.append)})
    return {
        "rnnjac": rnnjac,
        "system": (cell.step, params, state, inputs),
        "step": cell.step,
        "params": params,
        "state": state,
        "probe": inputs,
        "g": jnp.ones_like(state),
        "norms": np.array([1.0, 2.0, 30.0]),
        "writer": writer,
        "block": lambda layer, h: h + jnp.tanh(layer @ h) / 2,
        "h0": jnp.ones(3, jnp.float32),
        "stacked_layers": 0.1 * jnp.ones((24, 3, 3), jnp.float32),
    }


@pytest.mark.parametrize("code", list(questions()))
def test_an_answer_runs(code, names):
    exec(code, dict(names))


def test_there_is_an_answer_to_every_question():
    assert len((ROOT / "docs" / "faq.md").read_text().split("\n## ")) == 17


@pytest.mark.parametrize("number", range(len(README)))
def test_an_example_of_the_readme_runs(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    weights = {"weight_ih_l0": (8, 3), "weight_hh_l0": (8, 2), "bias_ih_l0": 8, "bias_hh_l0": 8}
    arrays = {f"rnn.{k}": draw.normal(size=s).astype(np.float32) for k, s in weights.items()}
    np.savez("encoder.npz", **arrays)
    # ten thousand updates are for a reader who has the time
    code = README[number].replace("10_000", "20").replace("1_000", "10")
    # a reader has JAX's own settings
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        exec(code, {"__name__": "example"})
