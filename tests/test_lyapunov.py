"""Lyapunov exponents: the QR recursion, closed forms, exact statistics, derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import digamma, polygamma

import rnnjac
from rnnjac import cells
from rnnjac.linalg import lu
from tests import oracles
from tests.cells_numpy import normal
from tests.problems import linear
from tests.tolerances import EXPONENT_GRADIENT, FEW_STEPS, STATISTICAL_SIGMAS, eps


def constant(matrix, state, x):
    return matrix @ state


@pytest.fixture
def net():
    cell = cells.elman(2, 6)
    params = cell.init(jax.random.key(0))
    return cell, params, cell.initial_state(), normal(1, (60, 2))


def qr_recursion(factors, vectors, warmup=0):
    """Benettin et al. (1980) in plain NumPy: mean log |r_ii| after the warm-up."""
    vectors, total = np.linalg.qr(vectors)[0], 0.0
    for t, factor in enumerate(np.asarray(factors, float)):
        vectors, triangle = np.linalg.qr(factor @ vectors)
        total = total + np.log(np.abs(np.diag(triangle))) * (t >= warmup)
    return np.sort(total / (len(factors) - warmup))[::-1]


@pytest.mark.parametrize("top", [1, 3, 6, None])
@pytest.mark.parametrize("warmup", [0, 13])
def test_equals_the_qr_recursion(net, top, warmup, dtype):
    cell, params, start, inputs = net
    found = rnnjac.lyapunov_exponents(cell.step, params, start, inputs, top=top, warmup=warmup)
    factors = rnnjac.jacobians(cell.step, params, start, inputs)
    vectors = np.asarray(lu.generic(6, top or 6, dtype), float)
    expected = qr_recursion(factors, vectors, warmup)
    assert found.exponents.shape == found.stderr.shape == (top or 6,)
    np.testing.assert_allclose(found.exponents, expected, atol=FEW_STEPS * eps(dtype))
    np.testing.assert_array_equal(found.history[-1], found.exponents)


@pytest.mark.parametrize("warmup", [0, 8])
def test_standard_errors_are_those_of_the_blocks(net, warmup, dtype):
    """Of 20 blocks of 2 steps, behind those that are left over (5 to 15 of them)."""
    cell, params, start, inputs = net
    inputs = inputs[: 45 + warmup]
    found = rnnjac.lyapunov_exponents(cell.step, params, start, inputs, warmup=warmup)
    vectors, growth = np.linalg.qr(np.asarray(lu.generic(6, 6, dtype), float))[0], []
    for factor in np.asarray(rnnjac.jacobians(cell.step, params, start, inputs), float):
        vectors, triangle = np.linalg.qr(factor @ vectors)
        growth.append(np.log(np.abs(np.diag(triangle))))
    blocks = np.stack(growth[-40:]).reshape(20, 2, 6).mean(axis=1)
    wanted = blocks.std(axis=0, ddof=1) / np.sqrt(20)
    order = np.argsort(-np.stack(growth[warmup:]).mean(axis=0))
    np.testing.assert_allclose(found.stderr, wanted[order], rtol=FEW_STEPS * eps(dtype))


def test_leading_ones_are_those_of_the_full_run(net, dtype):
    cell, params, start, inputs = net
    full = rnnjac.lyapunov_exponents(cell.step, params, start, inputs)
    for k in (2, 4, 5):  # 1, 3 and 6 are compared with NumPy above
        leading = rnnjac.lyapunov_exponents(cell.step, params, start, inputs, top=k)
        tolerance = FEW_STEPS * eps(dtype)
        np.testing.assert_allclose(leading.exponents, full.exponents[:k], atol=tolerance)


def test_ascending_diagonal(dtype):
    """A frame along the axes would find 0.5 first; one in general position finds 2."""
    matrix, start = jnp.diag(jnp.asarray([0.5, 1.0, 2.0], dtype)), jnp.zeros(3, dtype)
    found = rnnjac.lyapunov_exponents(constant, matrix, start, length=400, top=1)
    assert abs(found.exponents[0] - np.log(2)) < 3 / 400


def test_warmup_removes_the_bias_of_the_start(dtype):
    """Triangular with close eigenvalues: the frame turns slowly, its bias falls like 1 / T."""
    matrix = jnp.asarray([[1.0, 5.0], [0.0, 0.97]], dtype)
    start = jnp.zeros(2, dtype)
    biases = [
        float(
            abs(
                rnnjac.lyapunov_exponents(
                    constant, matrix, start, length=500 + warmup, warmup=warmup
                ).exponents[0]
            )
        )
        for warmup in (0, 100, 400)
    ]
    assert biases[0] > 10 * biases[1] > 10 * biases[2]


@pytest.mark.parametrize("n", [4, 8])
def test_gaussian_products_exactly(n, dtype):
    """log |r_kk| has mean (ln 2 + psi((N-k+1)/2)) / 2 and variance psi'(.) / 4 at every T."""
    steps = 4000
    factors = normal(5, (steps, n, n))
    found = rnnjac.lyapunov_exponents(linear, None, jnp.zeros(n, dtype), factors)
    half = (n - np.arange(n)) / 2
    z = np.asarray(found.exponents) - (np.log(2) + digamma(half)) / 2
    z = z / np.sqrt(polygamma(1, half) / 4 / steps)
    assert np.abs(z).max() < 4
    np.testing.assert_allclose(found.stderr, np.sqrt(polygamma(1, half) / 4 / steps), rtol=1)


@pytest.mark.parametrize(("gain", "expected"), [(1.5, 0.06522), (2.0, 0.15472), (3.0, 0.31025)])
def test_random_tanh_network_against_mean_field(gain, expected, dtype):
    """x' = J tanh(x), N = 400: lambda_1 = ln(g sqrt<phi'^2>) for N to infinity."""
    n = 400
    cell = cells.elman(0, n, form="preactivation")
    weights = gain / np.sqrt(n) * np.random.default_rng(3).normal(size=(n, n))
    params = {"W_s": jnp.asarray(weights, dtype), "b": jnp.zeros(n, dtype)}
    params["W_x"] = jnp.zeros((n, 0), dtype)
    start = normal(0, (n,))
    found = rnnjac.lyapunov_exponents(cell.step, params, start, length=1500, top=1, warmup=300)
    assert abs(float(found.exponents[0]) - expected) < 0.03


def test_fixed_point_is_its_eigenvalues(dtype):
    """Below the onset of chaos the state dies out and the exponents are ln |eig(W)|."""
    weights = np.random.default_rng(1).normal(size=(5, 5))
    weights *= 0.9 / np.abs(np.linalg.eigvals(weights)).max()
    cell = cells.elman(0, 5)
    params = {"W_s": jnp.asarray(weights, dtype), "b": jnp.zeros(5, dtype)}
    params["W_x"] = jnp.zeros((5, 0), dtype)
    start = jnp.zeros(5, dtype)
    found = rnnjac.lyapunov_exponents(cell.step, params, start, length=2000, warmup=1000)
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(weights))))[::-1]
    np.testing.assert_allclose(found.exponents, expected, atol=20 / 1000)
    pair = np.isclose(np.diff(expected), 0)  # complex pairs never settle, their sum does
    assert abs(float(found.exponents.sum()) - expected.sum()) <= FEW_STEPS * eps(dtype)
    assert pair.any()


def test_lost_directions(dtype):
    cell = cells.elman(0, 6, "relu")
    bias = jnp.where(jnp.arange(6) < 2, -50.0, 50.0)
    params = cell.init(jax.random.key(1)) | {"b": bias}
    found = rnnjac.lyapunov_exponents(cell.step, params, cell.initial_state(), length=30)
    factors = rnnjac.jacobians(cell.step, params, cell.initial_state(), length=30)
    lost = np.isneginf(found.exponents)
    assert lost.sum() == 6 - oracles.exact_rank(np.asarray(factors, float)) >= 2
    np.testing.assert_array_equal(np.isnan(found.stderr), lost)

    def total(weights):
        moved = params | {"W_s": weights}
        values = rnnjac.lyapunov_exponents(
            cell.step, moved, cell.initial_state(), length=3
        ).exponents
        return jnp.sum(jnp.where(jnp.isneginf(values), 0, values))

    assert np.isfinite(jax.jit(jax.grad(total))(params["W_s"])).all()


def test_gradient_against_finite_differences(dtype):
    """Forward and reverse mode through elimination and QR, net below chaos."""
    cell = cells.elman(1, 5)
    params = cell.init(jax.random.key(2))
    inputs = normal(3, (30, 1))
    direction = normal(4, (5, 5))
    coefficients = jnp.asarray([1.0, -0.5, 0.3, 0.2, 0.1])

    @jax.jit
    def mixed(weights):
        moved = params | {"W_s": weights}
        found = rnnjac.lyapunov_exponents(cell.step, moved, cell.initial_state(), inputs)
        return jnp.vdot(found.history[-1], coefficients)

    weights = params["W_s"]
    reverse = float(jnp.vdot(jax.jit(jax.grad(mixed))(weights), direction))
    forward = float(jax.jit(lambda w: jax.jvp(mixed, (w,), (direction,))[1])(weights))
    assert abs(reverse - forward) <= FEW_STEPS * eps(dtype) * abs(forward)
    if dtype == jnp.float64:  # differences in float32 have no digit to compare
        h = eps(dtype) ** (1 / 3)
        numeric = float((mixed(weights + h * direction) - mixed(weights - h * direction)) / (2 * h))
        assert abs(reverse - numeric) <= EXPONENT_GRADIENT * abs(numeric)


@pytest.mark.parametrize("steps", [0, 1, 2, 19, 21, 40])
def test_any_number_of_steps(net, steps, dtype):
    cell, params, start, inputs = net
    found = rnnjac.lyapunov_exponents(cell.step, params, start, inputs[:steps])
    assert found.exponents.shape == (6,)
    assert found.history.shape == (min(steps, 20), 6)
    assert np.isnan(found.stderr).all() == (steps < 2)
    if steps == 0:
        np.testing.assert_array_equal(found.exponents, np.zeros(6))


def lorenz(params, state, _, dt=0.01):
    def field(s):
        x, y, z = s
        return jnp.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    a = field(state)
    b = field(state + dt / 2 * a)
    c = field(state + dt / 2 * b)
    d = field(state + dt * c)
    return state + dt / 6 * (a + 2 * b + 2 * c + d)


def test_lorenz(dtype):
    """(0.9056, 0, -14.5723) per unit of time; the sum is the divergence -41/3 up to dt^4."""
    start = jnp.asarray([1.0, 1.0, 20.0], dtype)
    found = rnnjac.lyapunov_exponents(lorenz, None, start, length=50000, warmup=2000)
    rates = np.asarray(found.exponents, float) / 0.01
    stderr = np.asarray(found.stderr, float) / 0.01
    assert abs(rates.sum() + 41 / 3) < 0.01
    assert abs(rates[0] - 0.9056) < STATISTICAL_SIGMAS * stderr[0]
    assert abs(rates[1]) < STATISTICAL_SIGMAS * stderr[1] + 0.01
    dimension = float(rnnjac.kaplan_yorke_dimension(found.exponents))
    assert abs(dimension - 2.062) < 0.01


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"top": 0}, ValueError, "top: expected an integer from 1 to 6; got 0"),
        ({"top": 7}, ValueError, "top: expected an integer from 1 to 6; got 7"),
        ({"top": 2.0}, TypeError, "top: expected an integer from 1 to 6; got 2.0"),
        ({"warmup": 61}, ValueError, "warmup: expected an integer from 0 to 60; got 61"),
    ],
)
def test_bad_options(net, options, kind, message):
    cell, params, start, inputs = net
    with pytest.raises(kind, match=message):
        rnnjac.lyapunov_exponents(cell.step, params, start, inputs, **options)
