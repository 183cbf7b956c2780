"""Spectra of whole systems: closed forms, exact identities, lost directions, any length."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells
from tests import oracles, problems
from tests.cells_numpy import normal
from tests.tolerances import EXACT_STEPS, FEW_STEPS, LOG_SUM, eps, promised_log_sigma, sum_of_logs


def scaled_rotation(n, dtype, seed=0):
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]
    return jnp.asarray(q, dtype)


RELU = cells.elman(0, 8, "relu")


def linear(matrix, state, x):
    return matrix @ state


def constant(scale_and_matrix, state, x):
    scale, matrix = scale_and_matrix
    return scale * (matrix @ state)


@pytest.fixture(scope="module")
def net():
    cell = cells.elman(2, 6)
    params = cell.init(jax.random.key(0))
    return cell, params, cell.initial_state(), normal(1, (30, 2))


@pytest.mark.parametrize("n", [1, 16])
def test_scaled_orthogonal(n, dtype):
    """0.3 Q: every log sigma is T ln 0.3; log-domain products elsewhere clamp and stall here."""
    steps = 1600 if dtype == jnp.float64 else 200
    start = jnp.zeros(n, dtype)
    found = rnnjac.spectrum(constant, (0.3, scaled_rotation(n, dtype)), start, length=steps)
    error = np.abs(np.asarray(found.log_singular_values, float) - steps * np.log(0.3))
    assert error.max() <= promised_log_sigma(dtype, 10)
    assert (found.error >= error).all()


def test_identity_network_is_exact(dtype):
    """IRNN (Le, Jaitly & Hinton 2015), positive states: the product is the identity bit for bit."""
    params = RELU.init(jax.random.key(0)) | {"W_s": jnp.eye(8), "b": jnp.zeros(8)}
    found = rnnjac.spectrum(RELU.step, params, jnp.ones(8), length=1000)
    np.testing.assert_array_equal(found.log_singular_values, np.zeros(8))
    np.testing.assert_array_equal(found.exponents, np.zeros(8))


@pytest.mark.parametrize("dead", [0, 1, 3, 8])
def test_dead_units_are_lost(dead, dtype):
    bias = jnp.where(jnp.arange(8) < dead, -50.0, 50.0)
    params = RELU.init(jax.random.key(1)) | {"b": bias}
    found = rnnjac.spectrum(RELU.step, params, RELU.initial_state(), length=1)
    assert np.isneginf(found.log_singular_values).sum() == dead
    assert not np.isnan(found.log_singular_values).any()
    assert not np.isnan(found.error).any()
    np.testing.assert_array_equal(found.error[8 - dead :], 0)


def test_jordan_block(dtype):
    """[[a, b], [0, a]]: s1 s2 = a^2T and s1^2 + s2^2 = 2 a^2T + T^2 a^(2T-2) b^2."""
    a, b, steps = 0.9, 1.0, 50
    block = jnp.asarray([[a, b], [0, a]], dtype)
    found = rnnjac.spectrum(linear, block, jnp.zeros(2, dtype), length=steps)
    logs = np.asarray(found.log_singular_values, float)
    a, b = float(block[0, 0]), float(block[0, 1])
    tolerance = FEW_STEPS * eps(dtype)
    np.testing.assert_allclose(logs.sum(), 2 * steps * np.log(a), rtol=tolerance)
    squares = 2 * a ** (2 * steps) + steps**2 * a ** (2 * steps - 2) * b**2
    np.testing.assert_allclose(np.exp(2 * logs).sum(), squares, rtol=10 * tolerance)


def test_small_radius_does_not_forbid_growth(dtype):
    """Non-normal with radius 0.5 and norm over 1: grows first and decays later."""
    matrix = jnp.asarray([[0.5, 10.0], [0.0, 0.5]], dtype)
    first, later = (
        rnnjac.spectrum(linear, matrix, jnp.zeros(2, dtype), length=steps) for steps in (1, 100)
    )
    assert first.log_singular_values[0] > 2
    assert later.log_singular_values[0] < -50


@pytest.mark.parametrize(
    "steps", [2000, pytest.param(20000, marks=[pytest.mark.slow, pytest.mark.optimised])]
)
def test_sum_is_the_determinant_over_many_steps(steps, dtype):
    """n = 32, log sigma down to some -2 a step, far beyond the range of any float."""
    n = 32
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(n, n))
    weights *= 1.2 / np.abs(np.linalg.eigvals(weights)).max()
    params = {"W_s": jnp.asarray(weights, dtype), "W_x": jnp.eye(n, dtype=dtype)}
    params["b"] = jnp.zeros(n, dtype)
    inputs = 0.5 * normal(2, (steps, n))
    cell = cells.elman(n, n)
    found = rnnjac.spectrum(cell.step, params, jnp.zeros(n, dtype), inputs)
    logs = np.asarray(found.log_singular_values, float)
    assert np.isfinite(logs).all()
    assert not np.isnan(found.error).any()
    assert logs[-1] < -1.5 * steps
    factors = np.asarray(rnnjac.jacobians(cell.step, params, jnp.zeros(n, dtype), inputs), float)
    determinants = np.linalg.slogdet(factors)[1].sum()
    np.testing.assert_allclose(logs.sum(), determinants, rtol=sum_of_logs(dtype))


def scaled(rates, state, x):
    return rates * state


LONGER = pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.optimised])


@pytest.mark.parametrize("n", (1, 3))
@pytest.mark.parametrize("steps", [10_000, LONGER])
def test_a_steady_chain_keeps_its_digits_however_long(n, steps, dtype):
    """In float32 d is rounded to the same side at every step, by 0.001 over 10,000 of them."""
    rates = jnp.asarray([0.01, 0.03, 100.0][:n], dtype)
    found = rnnjac.spectrum(scaled, rates, rates, length=steps)
    expected = np.sort(steps * np.log(np.asarray(rates, np.float64)))[::-1]
    error = np.abs(np.asarray(found.log_singular_values, np.float64) - expected)
    assert (error <= LOG_SUM * jnp.finfo(dtype).eps * np.abs(expected)).all()
    assert (error <= found.error).all()


@pytest.mark.slow
@pytest.mark.optimised
def test_a_million_steps_lose_no_digit(dtype):
    """A scale is a whole power of two; a sum of logs in float32 would be off by a percent."""
    rates, steps = jnp.full(3, 0.01, dtype), 1_000_000
    found = rnnjac.spectrum(scaled, rates, jnp.zeros(3, dtype), length=steps)
    expected = steps * np.log(float(rates[0]))
    error = np.abs(np.asarray(found.log_singular_values, np.float64) - expected)
    assert (error <= LOG_SUM * eps(dtype) * abs(expected)).all()
    assert (error <= found.error).all()
    # though a log of 5e6 is itself off by 0.5 in float32
    assert (found.error <= EXACT_STEPS * eps(dtype) * abs(expected)).all()


@pytest.mark.parametrize("part", (np.triu, np.tril, np.asarray))
@pytest.mark.parametrize("decades", (18, 37))
def test_no_nan_where_entries_lie_decades_apart(part, decades, dtype):
    """Chains of 12 factors; of one where the next would overflow."""
    draw = np.random.default_rng(3)
    size = 10 ** draw.uniform(-decades, decades, size=(20, 12, 4, 4))
    factors = part(draw.normal(size=size.shape).clip(-3, 3) * size)
    if decades > 18:
        factors[:, 1:] = np.eye(4)
    result = jax.vmap(rnnjac.product_spectrum)(jnp.asarray(factors, dtype))
    assert not jnp.isnan(result.log_singular_values).any()
    assert not jnp.isnan(result.error).any()


def test_entries_below_the_smallest_normal_number_count_as_zero(dtype):
    tiny = float(jnp.finfo(dtype).tiny)
    factor = jnp.diag(jnp.asarray([tiny / 8, tiny / 64, 1.0, 2.0], dtype))
    found = rnnjac.product_spectrum(factor[None])
    np.testing.assert_array_equal(found.log_singular_values[2:], -jnp.inf)
    np.testing.assert_array_equal(found.error[2:], 0)
    assert (found.error[:2] < 1e-4).all()


def test_the_smallest_normal_number_counts(dtype):
    tiny = float(jnp.finfo(dtype).tiny)
    factor = jnp.diag(jnp.asarray([tiny, 2 * tiny, 1.0, 2.0], dtype))
    found = rnnjac.product_spectrum(factor[None])
    wanted = np.log([2.0, 1.0, 2 * tiny, tiny])
    error = np.abs(np.asarray(found.log_singular_values, float) - wanted)
    assert (error <= found.error).all() and np.isfinite(found.error).all()


AT = [30, 7, 7, 0, 1]


@pytest.mark.parametrize("at", [AT, tuple(AT), np.array(AT)], ids=["list", "tuple", "array"])
def test_recorded_times(net, at, dtype):
    cell, params, start, inputs = net
    found = rnnjac.spectrum(cell.step, params, start, inputs, at=at)
    assert found.log_singular_values.shape == found.error.shape == (len(AT), 6)
    np.testing.assert_array_equal(found.steps, AT)
    factors = np.asarray(rnnjac.jacobians(cell.step, params, start, inputs))
    for row, claimed, time in zip(found.log_singular_values, found.error, AT, strict=True):
        truth = oracles.exact_log_singular_values(factors[:time]) if time else np.zeros(6)
        # twice: the factors are rounded once more on being stored
        assert (oracles.log_sigma_error(row, truth) <= 2 * claimed).all()


def test_no_steps(net, dtype):
    cell, params, start, inputs = net
    found = rnnjac.spectrum(cell.step, params, start, inputs[:0])
    np.testing.assert_array_equal(found.log_singular_values, np.zeros(6))
    np.testing.assert_array_equal(found.exponents, np.zeros(6))


def test_both_forms_of_the_network_have_tied_products(net, dtype):
    """J_x = W D and J_h = D W (claims S2): P_x[t, k] W = W P_h[t-1, k-1] with h = phi(x)."""
    cell, params, _, _ = net
    before = cells.elman(2, 6, form="preactivation")
    params = params | {"b": jnp.zeros(6)}
    x0 = normal(3, (6,))
    of_x = rnnjac.jacobians(before.step, params, x0, length=4)
    of_h = rnnjac.jacobians(cell.step, params, jnp.tanh(x0), length=4)
    weights = params["W_s"]
    left = rnnjac.graded_product(of_x).apply(weights)
    slope_first = rnnjac.graded_product(of_h[:3])
    start = (1 - jnp.tanh(x0) ** 2)[:, None] * weights
    right = weights @ slope_first.apply(start)
    np.testing.assert_allclose(left, right, atol=FEW_STEPS * eps(dtype))


def test_pytree_states_are_one_state(dtype):
    def split(params, state, x):
        flat = params @ jnp.concatenate([state["a"], state["b"]])
        return {"a": flat[:2], "b": flat[2:]}

    matrix = scaled_rotation(5, dtype) * jnp.arange(1.0, 6)[:, None]
    start = {"a": jnp.zeros(2, dtype), "b": jnp.zeros(3, dtype)}
    found = rnnjac.spectrum(split, matrix, start, length=9)
    truth = oracles.exact_log_singular_values(np.stack([np.asarray(matrix)] * 9))
    assert (oracles.log_sigma_error(found.log_singular_values, truth) <= found.error).all()


def henon(params, state, x):
    a, b = params
    return jnp.stack([1 - a * state[0] ** 2 + state[1], b * state[0]])


def test_henon_map_shrinks_areas_at_a_known_rate(dtype):
    found = rnnjac.spectrum(henon, (1.4, 0.3), jnp.asarray([0.1, 0.1], dtype), length=500)
    total = float(found.log_singular_values.sum())
    assert abs(total - 500 * np.log(0.3)) <= LOG_SUM * 500 * eps(dtype) * abs(total)


def test_cat_map_is_symplectic(dtype):
    cat = jnp.asarray([[2.0, 1.0], [1.0, 1.0]], dtype)
    found = rnnjac.spectrum(linear, cat, jnp.zeros(2, dtype), length=300)
    expected = 300 * np.log((3 + np.sqrt(5)) / 2) * np.array([1, -1])
    error = np.abs(np.asarray(found.log_singular_values, float) - expected)
    assert (error <= np.asarray(found.error)).all()


def test_nan_parameters_give_nan(net):
    cell, params, start, inputs = net
    broken = params | {"W_s": params["W_s"].at[0, 0].set(jnp.nan)}
    found = rnnjac.spectrum(cell.step, broken, start, inputs, at=AT)
    assert np.isnan(found.log_singular_values).any()


@pytest.mark.parametrize(
    ("at", "kind", "message"),
    [
        ([31], ValueError, "at: expected an integer from 0 to 30; got 31"),
        ([-1], ValueError, "at: expected an integer from 0 to 30; got -1"),
        ([1.5], TypeError, "at: expected an integer from 0 to 30; got 1.5"),
        (7, TypeError, "at: expected a sequence of integers; got 7"),
        ([], ValueError, "at: expected at least one time; got an empty sequence"),
    ],
)
def test_bad_times(net, at, kind, message):
    cell, params, start, inputs = net
    with pytest.raises(kind, match=message):
        rnnjac.spectrum(cell.step, params, start, inputs, at=at)


def test_a_product_of_matrices_is_that_of_a_linear_network(dtype):
    factors = normal(5, (30, 6, 6))
    found = rnnjac.product_spectrum(factors, at=[30, 7])
    wanted = rnnjac.spectrum(problems.linear, None, jnp.zeros(6, dtype), factors, at=[30, 7])
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_nan_in_a_factor_gives_nan(dtype):
    factors = normal(5, (30, 6, 6)).at[7, 3, 3].set(jnp.nan)
    found = rnnjac.product_spectrum(factors, at=[30, 7])
    assert np.isnan(found.log_singular_values[0]).all() and np.isnan(found.error[0]).all()
    assert np.isfinite(found.log_singular_values[1]).all()


@pytest.mark.parametrize(
    ("factors", "kind", "message"),
    [
        (jnp.ones((2, 2)), ValueError, r"factors: expected shape \(T, n, n\)"),
        (jnp.ones((2, 2, 3)), ValueError, r"factors: .* got shape \(2, 2, 3\)"),
        (jnp.ones((2, 0, 0)), ValueError, r"factors: .* with n >= 1; got shape \(2, 0, 0\)"),
        (jnp.ones((2, 2, 2), jnp.int32), TypeError, "factors: expected real floating-point"),
        (jnp.ones((2, 2, 2), jnp.complex64), TypeError, "factors: expected real floating-point"),
    ],
)
def test_bad_factors(factors, kind, message):
    with pytest.raises(kind, match=message):
        rnnjac.product_spectrum(factors)
