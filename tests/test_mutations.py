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
        "rnnjac/system/matrices.py",
        "return factor @ state",
        "return factor.T @ state",
        "tests/test_graded.py::test_the_product_itself",
    ),
    "product in reversed order": (
        "rnnjac/system/flow.py",
        "lambda rows: rows[time]",
        "lambda rows: rows[-1 - time]",
        "tests/test_graded.py::test_the_product_itself",
    ),
    "slopes on the wrong side": (
        "rnnjac/cells/_elman.py",
        RIGHT_SIDE,
        WRONG_SIDE,
        "tests/test_jacobian.py::test_state_jacobian_is_slopes_times_weights",
    ),
    "LSTM Jacobian without its cell state": (
        "rnnjac/cells/_lstm.py",
        'c = sigmoid(a["f"]) * state.c +',
        'c = sigmoid(a["f"]) * jax.lax.stop_gradient(state.c) +',
        "tests/test_cells_lstm.py::test_without_recurrent_weights_the_spectrum_is_that_of_the_forget_gates",
    ),
    "a lost direction reported as 0 in a spectrum": (
        "rnnjac/linalg/powers.py",
        "jnp.where(is_lost(exponent), -jnp.inf,",
        "jnp.where(is_lost(exponent), 0.0,",
        "tests/test_spectrum.py::test_dead_units_are_lost",
    ),
    "a lost direction reported as 0 in an exponent": (
        "rnnjac/linalg/lu.py",
        "return lower, jnp.log(jnp.abs(jnp.diagonal(packed))), (packed, rows)",
        "size = jnp.abs(jnp.diagonal(packed))\n"
        "    return lower, jnp.log(jnp.where(size == 0, 1, size)), (packed, rows)",
        "tests/test_lyapunov.py::test_lost_directions",
    ),
    "steps before the first block counted in its growth": (
        "rnnjac/measures/lyapunov.py",
        "prepend=jnp.where(alive, uneven, 0)[None]",
        "prepend=jnp.zeros((1, k), totals.dtype)",
        "tests/test_lyapunov.py::test_standard_errors_are_those_of_the_blocks",
    ),
    "a biased variance of the blocks": (
        "rnnjac/measures/lyapunov.py",
        "/ jnp.maximum(count - 1, 1) / count",
        "/ count / count",
        "tests/test_lyapunov.py::test_standard_errors_are_those_of_the_blocks",
    ),
    "overlaps left over that nobody hears of": (
        "rnnjac/linalg/jacobi.py",
        "return jnp.max(jnp.maximum(overlaps * ratio, overlaps * overlaps), axis=1)",
        "return 0 * jnp.max(jnp.maximum(overlaps * ratio, overlaps * overlaps), axis=1)",
        "tests/test_jacobi.py::test_what_the_rotations_left_over",
    ),
    "too few sweeps": (
        "rnnjac/linalg/jacobi.py",
        "MAX_SWEEPS = 40",
        "MAX_SWEEPS = 12",
        "tests/test_jacobi.py::test_slow_convergence_is_waited_for",
    ),
    "the smallest normal number taken for subnormal": (
        "rnnjac/system/jacobians.py",
        "subnormal = jnp.abs(images) < float(",
        "subnormal = jnp.abs(images) <= float(",
        "tests/test_spectrum.py::test_the_smallest_normal_number_counts",
    ),
    "intervals longer than what they are expected to lose allows": (
        "rnnjac/system/interval.py",
        "ROOM = 4.0",
        "ROOM = 1.0",
        "tests/test_interval.py::test_an_interval_that_might_lose_too_much_is_not_tried",
    ),
    "an interval that lost too much kept": (
        "rnnjac/system/interval.py",
        "(loss <= limit)",
        "(loss <= 30 * limit)",
        "tests/test_interval.py::test_what_lost_too_much_is_done_again",
    ),
    "rows that might count left out": (
        "rnnjac/measures/reach.py",
        "jnp.finfo(values.dtype).eps / logs.size",
        "jnp.finfo(values.dtype).eps",
        "tests/test_reach.py::test_rows_are_left_out_where_all_together_move_nothing",
    ),
    "an order that no longer fits kept": (
        "rnnjac/linalg/running.py",
        "DEGRADED = 1e3",
        "DEGRADED = 1e30",
        "tests/test_running.py::test_rebalancing_mends_what_degrades",
    ),
    "the same noise in every block": (
        "rnnjac/linalg/signs.py",
        "place % ROWS",
        "0 * place",
        "tests/test_rounding.py::test_noise_differs_from_block_to_block",
    ),
}

# in every `make test`: those that would make all the numbers wrong. A copy holds two of which
# neither touches what the test of the other looks at.
ALWAYS = (
    ("product in reversed order", "a lost direction reported as 0 in a spectrum"),
    ("slopes on the wrong side", "LSTM Jacobian without its cell state"),
)
SELDOM = [(name,) for name in MUTATIONS if name not in sum(ALWAYS, ())]


@pytest.mark.parametrize(
    "names", [*ALWAYS, *(pytest.param(names, marks=pytest.mark.slow) for names in SELDOM)], ids=str
)
def test_a_test_notices(names, tmp_path, dtype):
    if dtype != jnp.float32:
        return  # each costs a process of its own, and precision plays no part
    for folder in ("rnnjac", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    tests = []
    for file, right, wrong, test in map(MUTATIONS.get, names):
        source = (tmp_path / file).read_text()
        assert source.count(right) == 1
        (tmp_path / file).write_text(source.replace(right, wrong))
        tests.append(test)
    noticed = _failing(tests, tmp_path)
    assert all(any(found.startswith(test) for found in noticed) for test in tests), noticed


def _failing(tests, folder):
    """The tests that fail in a copy of the project; no other outcome is allowed."""
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED")]
