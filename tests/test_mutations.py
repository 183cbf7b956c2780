"""Errors seen in other packages, made in a copy of this one on purpose: a test must notice each."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import pytest

ROOT = Path(__file__).parent.parent
RIGHT_SIDE = 'return phi(params["W_s"] @ state + drive)'
# the same value, but the slopes stand to the right of the weights in its derivative
WRONG_SIDE = """pre = params["W_s"] @ state + drive
            slopes = jax.lax.stop_gradient(jax.vmap(jax.grad(phi))(pre))
            tangent = params["W_s"] @ (slopes * state)
            return jax.lax.stop_gradient(phi(pre) - tangent) + tangent"""

# what went wrong: the file, what stands there, what a mistake makes of it, a test that must fail
MUTATIONS = {
    "a transpose too many": (
        "rnnjac/linalg/graded.py",
        "extend(product, factor @ product.left)[0]",
        "extend(product, factor.T @ product.left)[0]",
        "tests/test_graded.py::test_the_product_itself",
    ),
    "product in reversed order": (
        "rnnjac/linalg/graded.py",
        "factors.dtype), factors)[0]",
        "factors.dtype), factors[::-1])[0]",
        "tests/test_graded.py::test_the_product_itself",
    ),
    "slopes on the wrong side": (
        "rnnjac/cells/elman.py",
        RIGHT_SIDE,
        WRONG_SIDE,
        "tests/test_jacobian.py::test_state_jacobian_is_slopes_times_weights",
    ),
    "LSTM Jacobian without its cell state": (
        "rnnjac/cells/lstm.py",
        'c = sigmoid(a["f"]) * state.c +',
        'c = sigmoid(a["f"]) * jax.lax.stop_gradient(state.c) +',
        "tests/test_cells_lstm.py::test_without_recurrent_weights_the_spectrum_is_that_of_the_forget_gates",
    ),
    "a lost direction reported as 0 in a spectrum": (
        "rnnjac/linalg/graded.py",
        "grown = jnp.log(jnp.abs(pivots))",
        "grown = jnp.log(jnp.where(pivots == 0, 1, jnp.abs(pivots)))",
        "tests/test_spectrum.py::test_dead_units_are_lost",
    ),
    "a lost direction reported as 0 in an exponent": (
        "rnnjac/linalg/lu.py",
        "return lower, jnp.log(jnp.abs(jnp.diagonal(packed))), (packed, rows)",
        "size = jnp.abs(jnp.diagonal(packed))\n"
        "    return lower, jnp.log(jnp.where(size == 0, 1, size)), (packed, rows)",
        "tests/test_lyapunov.py::test_lost_directions",
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_test_notices(mutation, tmp_path, dtype):
    if dtype != jnp.float32:
        return  # each costs a process of its own, and precision plays no part
    name, right, wrong, test = mutation
    for folder in ("rnnjac", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    source = (tmp_path / name).read_text()
    assert source.count(right) == 1
    (tmp_path / name).write_text(source.replace(right, wrong))
    assert not _passes(test, tmp_path)


def _passes(test, folder):
    """Whether a test passes in a copy of the project; no other outcome is allowed."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode == 0
