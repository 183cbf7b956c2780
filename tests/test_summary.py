"""Results as a few lines and as a few numbers; names that are reached from the package."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells
from tests.cells_numpy import normal
from tests.tolerances import LOG_SUM

N, STEPS = 3, 8
# one direction doubles, one halves, one is lost
GAINS = jnp.array([2.0, 0.5, 0.0])


def step(params, state, x):
    return GAINS.astype(state.dtype) * state


@pytest.fixture(scope="module")
def spectrum():
    return rnnjac.spectrum(step, None, jnp.ones(N), length=STEPS)


@pytest.fixture(scope="module")
def exponents():
    return rnnjac.lyapunov_exponents(step, None, jnp.ones(N), length=STEPS)


def test_spectrum_in_lines(spectrum):
    lines = str(spectrum).splitlines()
    assert lines[0] == f"Spectrum: {N} singular values of a product of {STEPS} factors"
    assert "5.545 first, -5.545 median, -inf last" in lines[1]
    assert "0.6931 first, -0.6931 median" in lines[2]
    assert lines[4].endswith("1 direction exactly")


def test_spectrum_in_numbers(spectrum):
    logs = [float(log) for log in spectrum.log_singular_values]
    values = {"first": logs[0], "median": logs[1], "last": -np.inf}
    largest = {"error": float(spectrum.error.max())}
    wanted = {"size": N, "steps": STEPS} | values | largest | {"lost": 1, "unsure": 0}
    assert spectrum.to_dict() == wanted


def test_several_times_are_the_columns_of_a_table(dtype):
    found = rnnjac.spectrum(step, None, jnp.ones(N), length=STEPS, at=[0, 2, STEPS])
    table = found.to_dict()
    np.testing.assert_array_equal(table["steps"], [0, 2, STEPS])
    wanted = np.log(2) * table["steps"]
    np.testing.assert_allclose(table["first"], wanted, rtol=LOG_SUM * jnp.finfo(dtype).eps)
    np.testing.assert_array_equal(table["lost"], [0, 1, 1])
    assert "the last of 3 products" in str(found)


def test_what_is_unsure_is_counted():
    found = rnnjac.Spectrum(jnp.array([0.0, -9.0]), jnp.array([0.1, jnp.inf]), jnp.asarray(4))
    assert found.to_dict()["unsure"] == 1
    assert "0.1 at most; inf for 1" in str(found)


def test_exponents_in_lines_and_numbers(exponents):
    lines = str(exponents).splitlines()
    assert lines[0] == f"LyapunovExponents: {N} exponents from {STEPS} steps"
    found = exponents.to_dict()
    assert found["first"] == float(exponents.exponents[0])
    assert f"{found['first']:.4g} first, {found['median']:.4g} median, -inf last" in lines[1]
    assert (found["size"], found["steps"], found["lost"]) == (N, STEPS, 1)


def test_history_has_times_and_the_order_of_the_exponents(exponents):
    np.testing.assert_array_equal(exponents.times, np.arange(1, STEPS + 1))
    np.testing.assert_array_equal(exponents.history[-1], exponents.exponents)


def test_odd_steps_belong_to_the_first_time():
    found = rnnjac.lyapunov_exponents(step, None, jnp.ones(N), length=50, warmup=3)
    np.testing.assert_array_equal(found.times, 7 + 2 * np.arange(1, 21))


def test_the_former_name_warns(exponents):
    with pytest.warns(FutureWarning, match="exponents"):
        np.testing.assert_array_equal(exponents.values, exponents.exponents)


def test_results_are_shown_under_transformations():
    seen = []

    @jax.jit
    def traced(state):
        found = rnnjac.lyapunov_exponents(step, None, state, length=STEPS)
        seen.append(str(found))
        return found

    batch = jax.vmap(lambda s: rnnjac.lyapunov_exponents(step, None, s, length=STEPS))(
        jnp.ones((2, N))
    )
    traced(jnp.ones(N))
    assert seen[0].startswith("LyapunovExponents(exponents=")
    assert str(batch).startswith("2 runs; of the first\nLyapunovExponents: 3 exponents")


def test_the_other_results_in_lines():
    graded = rnnjac.graded_product(jnp.diag(GAINS)[None])
    text = str(graded)
    assert text.startswith("GradedProduct") and text.endswith("1 direction")
    vectors = rnnjac.singular_vectors(step, None, jnp.ones(N), length=2, top=1)
    assert str(vectors).startswith("SingularVectors: 1 triplet\n")
    cell = cells.lstm(1, 2)
    products = rnnjac.carousel.carousel_products(
        cell.init(jax.random.key(0)), cell.initial_state(), jnp.ones((4, 1))
    )
    assert str(products).startswith("CarouselProducts: 4 lags; the last one:\n")
    for result in (graded, vectors, products):
        assert 3 <= len(str(result).splitlines()) <= 6


def test_everything_is_reached_from_the_package():
    """Without importing matplotlib or anything optional before it is used."""
    code = (
        "import sys, rnnjac; rnnjac.observables.kaplan_yorke_dimension; rnnjac.activations.tanh; "
        "assert 'matplotlib' not in sys.modules; rnnjac.interop.torch; "
        "assert not {'torch', 'flax', 'equinox', 'matplotlib'} & set(sys.modules); "
        "assert 'plot' in dir(rnnjac); rnnjac.plot.spectrum; print(hasattr(rnnjac, 'nothing'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


def test_short_runs_are_sorted_too(dtype):
    """After two steps the frame has not yet found its order; history and exponents keep one."""

    def run(weights):
        multiply = lambda weights, state, x: weights @ state  # noqa: E731
        return rnnjac.lyapunov_exponents(multiply, weights, jnp.ones(6, dtype), length=2)

    found = jax.vmap(run)(normal(0, (20, 6, 6)))
    assert (jnp.diff(found.exponents, axis=1) <= 0).all()
    np.testing.assert_array_equal(found.history[:, -1], found.exponents)
    assert (jnp.diff(found.history[:, 0], axis=1) > 0).any()  # the order is that of the end
