"""Leading singular values between all pairs of times."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells
from rnnjac.linalg import running
from rnnjac.measures.reach import _by_jacobi
from tests.cells_numpy import normal
from tests.oracles import exact_log_singular_values, log_sigma_error
from tests.problems import CHAINS, factors, linear
from tests.tolerances import FEW_STEPS, REACH_BY_SVD, promised_log_sigma

SIZE, LENGTH, TOP, CHUNK = 24, 8, 2, 4


def multiply(matrix, state, x):
    return matrix @ state


def tolerance(dtype):
    eps = float(jnp.finfo(dtype).eps)
    return FEW_STEPS * eps + REACH_BY_SVD * eps ** (2 / 3)


# log eigenvalues of a symmetric matrix whose powers need each of the three ways of `reach`
LOGS = {
    "all alike: the SVD does": np.linspace(0.1, -0.1, SIZE),
    "steadily falling: the leading rows do": -3.0 * np.arange(SIZE),
    "one far above the rest: every row is needed": np.where(np.arange(SIZE) == 0, 4.0, 0.0),
    "far beyond floats": -200.0 / LENGTH * (1 + np.arange(SIZE) / SIZE),
}


@pytest.mark.parametrize("logs", LOGS.values(), ids=LOGS.keys())
def test_powers_of_a_symmetric_matrix(logs, dtype):
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(SIZE, SIZE)))
    matrix = jnp.asarray((q * np.exp(logs)) @ q.T, dtype)
    start = jnp.zeros(SIZE, dtype)
    found = rnnjac.reach(multiply, matrix, start, length=LENGTH, top=TOP, chunk=CHUNK)
    span = np.arange(LENGTH + 1)[:, None] - np.arange(LENGTH + 1)[None, :]
    expected = np.where(span[..., None] >= 0, span[..., None] * logs[:TOP], np.nan)
    assert found.shape == expected.shape
    # rounding the matrix moves its second value by eps sigma_1
    spread = 1 + LENGTH * np.exp(logs[0] - logs[1]) / FEW_STEPS
    np.testing.assert_allclose(found, expected, atol=spread * tolerance(dtype), rtol=0)


NAMED = {chain.name: chain for chain in CHAINS}


@pytest.fixture(scope="module")
def reach_of_inputs():
    """The map of a chain of factors of size 16."""

    def found(js):
        dtype = jnp.zeros(()).dtype
        start = jnp.zeros(js.shape[-1], dtype)
        return rnnjac.reach(linear, None, start, jnp.asarray(js, dtype), top=4, chunk=3)

    return found


@pytest.mark.parametrize("name", ["tanh1.2-n16-T10", "relu-dead-n16-T10", "jordan1-n16-T10"])
def test_every_span_against_many_digits(name, reach_of_inputs, dtype):
    js = factors(NAMED[name])
    found = np.asarray(reach_of_inputs(js))
    for start, end in [(0, 10), (0, 1), (2, 9), (3, 4), (5, 10), (8, 10), (1, 6)]:
        wrong = log_sigma_error(found[end, start], exact_log_singular_values(js[start:end])[:4])
        assert wrong.max() <= promised_log_sigma(dtype, end - start)


@pytest.mark.parametrize(("bits", "enough"), [(2, True), (0, False)])
def test_rows_are_left_out_where_all_together_move_nothing(bits, enough, dtype):
    """Four rows of eps / 2 each are too much, of eps / 8 each are not: eps / 6 is the limit."""
    n, rows = 6, 2
    product = running.identity(n, dtype)
    small = int(jnp.finfo(dtype).machep) - 1 - bits
    exponent = jnp.where(jnp.arange(n) < rows, 0, small).astype(jnp.int32)
    by_jacobi = jax.jit(_by_jacobi, static_argnums=(1, 2))
    values, found = by_jacobi(product._replace(exponent=exponent), rows, 1)
    assert bool(found) == enough
    np.testing.assert_array_equal(values, [0.0])


def test_lost_directions(reach_of_inputs, dtype):
    """Rank 2 from time 3 on, and nothing at all from time 7 on."""
    js = factors(NAMED["tanh1.2-n16-T10"])
    js[2, 2:] = 0
    js[6] = 0
    found = np.asarray(reach_of_inputs(js))
    assert np.isneginf(found[3:, :3, 2:]).all() and np.isneginf(found[7:, :7]).all()
    assert np.isfinite(found[3:7, :3, :2]).all() and np.isfinite(found[8:, 7]).all()
    expected = exact_log_singular_values(js[:6])[:2]
    np.testing.assert_allclose(found[6, 0, :2], expected, atol=promised_log_sigma(dtype, 10))


def test_nan_stays_where_it_is(reach_of_inputs):
    js = factors(NAMED["tanh1.2-n16-T10"])
    js[5, 3, 3] = np.nan
    found = np.asarray(reach_of_inputs(js))
    assert np.isfinite(found[5, 2]).all() and np.isfinite(found[6, 6]).all()
    assert np.isnan(found[7, 2]).all()


def test_a_net_along_its_trajectory_in_bounded_memory(dtype):
    n, steps, chunk = 24, 60, 2
    cell = cells.elman(2, n)
    params, start = cell.init(jax.random.key(0)), cell.initial_state()
    inputs = normal(1, (steps, 2))
    of_net = functools.partial(rnnjac.reach, cell.step, chunk=chunk)
    compiled = jax.jit(of_net).lower(params, start, inputs).compile()
    found = np.asarray(compiled(params, start, inputs))
    js = np.asarray(rnnjac.jacobians(cell.step, params, start, inputs), np.float64)
    for begin, end in [(0, 9), (4, 6), (37, 60)]:
        product = np.linalg.multi_dot([np.eye(n), *js[begin:end][::-1]])
        expected = np.log(np.linalg.norm(product, 2))
        np.testing.assert_allclose(found[end, begin, 0], expected, atol=tolerance(dtype))
    numbers = compiled.memory_analysis().temp_size_in_bytes / found.itemsize
    # two copies of the result while it is put in order; far below the 3 steps n^2 of all starts
    assert numbers <= 3 * (steps + 2) ** 2 + 24 * chunk * n**2


def test_no_steps_and_one_unit(dtype):
    start = jnp.zeros(1, dtype)
    found = rnnjac.reach(multiply, jnp.ones((1, 1)), start, length=0)
    np.testing.assert_array_equal(found, np.zeros((1, 1, 1)))
    none = jnp.zeros((0, 1, 1), dtype)
    found = rnnjac.reach(lambda params, state, factor: factor @ state, None, start, none)
    np.testing.assert_array_equal(found, np.zeros((1, 1, 1)))
    found = rnnjac.reach(multiply, jnp.full((1, 1), -0.5), start, length=2, chunk=1)[..., 0]
    expected = np.log(0.5) * np.array([[0, np.nan, np.nan], [1, 0, np.nan], [2, 1, 0]])
    np.testing.assert_allclose(found, expected, atol=tolerance(dtype))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0}, "top: expected an integer from 1 to 5; got 0"),
        ({"top": 6}, "top: expected an integer from 1 to 5; got 6"),
        ({"chunk": 0}, "chunk: expected an integer >= 1; got 0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        rnnjac.reach(multiply, jnp.eye(5), jnp.zeros(5), length=2, **options)
