import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjac import observables
from tests import tolerances
from tests.cells_numpy import normal

INF = math.inf
# (exponents, dimension, entropy rate); the named maps have exact exponents.
LOGISTIC = math.log(2)
CAT = math.log((3 + math.sqrt(5)) / 2)
BAKER = [LOGISTIC, math.log(0.25)]
CASES = {
    "all negative": ([-1.0, -2.0], 0, 0),
    "one negative": ([-1.0], 0, 0),
    "one positive": ([0.5], 1, 0.5),
    "one zero": ([0.0], 1, 0),
    "all zero": ([0.0, 0.0, 0.0], 3, 0),
    "limit cycle": ([0.0, -1.0], 1, 0),
    "torus": ([0.0, 0.0, -3.0], 2, 0),
    "logistic map, r = 4": ([LOGISTIC], 1, LOGISTIC),
    "cat map": ([CAT, -CAT], 2, CAT),
    "skinny baker": (BAKER, 1.5, LOGISTIC),
    "unsorted": ([-1.0, 0.5, 0.0], 2.5, 0.5),
    "expanding": ([1.0, 0.5, -1.0], 3, 1.5),
    "a lost direction next": ([0.5, -INF], 1, 0.5),
    "a lost direction later": ([0.5, -1.0, -INF], 1.5, 0.5),
    "nothing left": ([-INF, -INF], 0, 0),
}
SPECTRUM = st.lists(st.floats(-8, 8, width=32), min_size=5, max_size=5)


def close(got, want, dtype, size=1.0):
    eps = float(jnp.finfo(dtype).eps)
    assert abs(float(got) - want) <= tolerances.OBSERVABLE * eps * max(1.0, abs(want), size)


def dimension_by_hand(exponents):
    total, ordered = 0.0, sorted(exponents, reverse=True)
    for j, exponent in enumerate(ordered):
        if total + exponent < 0:
            return j + total / -exponent
        total += exponent
    return len(ordered)


@pytest.mark.parametrize("name", CASES)
def test_dimension_and_entropy_of_known_spectra(name, dtype):
    exponents, dimension, entropy = CASES[name]
    exponents = jnp.asarray(exponents, dtype)
    close(jax.jit(observables.kaplan_yorke_dimension)(exponents), dimension, dtype)
    close(jax.jit(observables.entropy_rate)(exponents), entropy, dtype)


@given(values=SPECTRUM)
def test_dimension_against_the_definition(values):
    dtype = jnp.zeros(()).dtype
    got = observables.kaplan_yorke_dimension(jnp.asarray(values, dtype))
    want = dimension_by_hand(values)
    # D is continuous with slope up to sum |lambda| / |lambda_{j+1}|^2: compare it where it is tame.
    following = sorted(values, reverse=True)[min(int(want), 4)]
    if abs(following) > 0.01:
        close(got, want, dtype, sum(map(abs, values)) / following**2)


@given(values=SPECTRUM, seed=st.integers(0, 99))
def test_order_does_not_matter(values, seed):
    dtype = jnp.zeros(()).dtype
    shuffled = np.random.default_rng(seed).permutation(values)
    for function in (
        observables.kaplan_yorke_dimension,
        observables.log_condition,
        lambda logs: observables.effective_rank(logs, 0.1),
    ):
        assert function(jnp.asarray(values, dtype)) == function(jnp.asarray(shuffled, dtype))


@given(values=SPECTRUM)
def test_entropy_rate_is_the_positive_part(values):
    dtype = jnp.zeros(()).dtype
    got = observables.entropy_rate(jnp.asarray(values, dtype))
    close(got, sum(v for v in values if v > 0), dtype)


def test_dimension_is_differentiable(dtype):
    gradient = jax.grad(observables.kaplan_yorke_dimension)
    gradient = jax.jit(gradient)(jnp.array([0.5, 0.0, -1.0], dtype))
    # D = 2 + (l1 + l2) / -l3: the slopes are 1/|l3|, 1/|l3| and (l1 + l2) / l3^2.
    np.testing.assert_array_equal(gradient, np.array([1, 1, 0.5], dtype))


@pytest.mark.parametrize("exponents", [[0.5, -INF], [1.0, 1.0], [-1.0], [0.0]])
def test_derivatives_are_finite_at_the_edges(exponents, dtype):
    exponents = jnp.asarray(exponents, dtype)
    for function in (observables.kaplan_yorke_dimension, observables.entropy_rate):
        assert np.isfinite(jax.jit(jax.grad(function))(exponents)).all()


def test_horizon_is_the_time_constant(dtype):
    rate = jnp.array([-0.25, -4.0, 0.0, -0.0, 1.0, -INF, jnp.nan], dtype)
    got = np.asarray(jax.jit(observables.horizon)(rate), np.float64)
    np.testing.assert_array_equal(got, [4, 0.25, INF, INF, INF, 0, np.nan])


def test_horizon_with_factor_two_is_the_half_life(dtype):
    # An LSTM with forget bias 1 keeps sigmoid(1) of its cell state per step.
    rate = -math.log1p(math.exp(-1))
    want = math.log(2) / math.log1p(math.exp(-1))
    close(observables.horizon(jnp.asarray(rate, dtype), factor=2), want, dtype)


def test_horizon_is_differentiable(dtype):
    slopes = jax.jit(jax.vmap(jax.grad(observables.horizon)))
    slope = slopes(jnp.array([-0.5, 0.0, 1.0], dtype))
    np.testing.assert_array_equal(slope, np.array([4, 0, 0], dtype))


@pytest.mark.parametrize("shift", [-5000.0, 0.0, 5000.0])
def test_participation_ratio_counts_equal_directions(shift, dtype):
    logs = jnp.array([0.0, 0.0, 0.0, -INF, -9000.0], dtype) + shift
    close(observables.participation_ratio(logs), 3, dtype)
    assert np.isfinite(jax.jit(jax.grad(observables.participation_ratio))(logs)).all()


def test_participation_ratio_of_a_vector(dtype):
    v = np.random.default_rng(0).normal(size=6)
    v /= np.linalg.norm(v)
    got = observables.participation_ratio(jnp.asarray(np.log(np.abs(v)), dtype))
    close(got, 1 / np.sum(v**4), dtype)


def test_participation_ratio_derivative_against_the_closed_form(dtype):
    logs = np.array([0.0, -0.5, -1.0])
    squares = np.exp(2 * logs)
    ratio = squares.sum() ** 2 / (squares**2).sum()
    # d log PR / d log s_i = 4 s_i^2 / sum s^2 - 4 s_i^4 / sum s^4
    want = ratio * 4 * (squares / squares.sum() - squares**2 / (squares**2).sum())
    got = jax.jit(jax.grad(observables.participation_ratio))(jnp.asarray(logs, dtype))
    for g, w in zip(got, want, strict=True):
        close(g, w, dtype, 4 * ratio)


def test_condition_is_infinite_when_a_direction_is_lost(dtype):
    assert observables.log_condition(jnp.array([3.0, -4000.0], dtype)) == 4003
    assert observables.log_condition(jnp.array([3.0, -INF], dtype)) == INF
    assert observables.log_condition(jnp.array([-7.0], dtype)) == 0


def test_effective_rank_counts_above_the_tolerance(dtype):
    logs = jnp.array([-100.0, -101.0, -106.0, -3000.0, -INF], dtype)
    for tolerance, rank in ((1.0, 1), (0.1, 2), (1e-3, 3), (1e-300, 3)):
        assert observables.effective_rank(logs, tolerance) == rank
    assert observables.effective_rank(jnp.array([-INF, -INF], dtype), 0.5) == 0


SPECTRAL = (
    observables.kaplan_yorke_dimension,
    observables.entropy_rate,
    observables.participation_ratio,
    observables.log_condition,
    lambda logs: observables.effective_rank(logs, 0.1),
)


@pytest.mark.parametrize("function", SPECTRAL)
def test_nan_in_gives_nan_out(function, dtype):
    for place in range(3):
        logs = np.array([0.5, -0.25, -1.0], dtype)
        logs[place] = np.nan
        assert np.isnan(function(jnp.asarray(logs)))


@pytest.mark.parametrize("function", SPECTRAL)
def test_vmap_jit_and_loop_agree(function, dtype):
    batch = normal(0, (4, 5))
    got = jax.jit(jax.vmap(function))(batch)
    assert got.dtype == dtype
    for row, want in zip(got, map(function, batch), strict=True):
        close(row, float(want), dtype)


@pytest.mark.parametrize("function", SPECTRAL)
def test_sixteen_bit_spectra_are_computed_in_float32(function):
    half = jnp.array([0.5, -1.0], jnp.bfloat16)
    assert jax.eval_shape(function, half).dtype == jnp.float32


@pytest.mark.parametrize("function", SPECTRAL)
def test_errors_name_the_argument(function):
    with pytest.raises(ValueError, match=r"expected shape \(n,\) with n >= 1; got shape \(0,\)"):
        function(jnp.zeros(0))
    with pytest.raises(ValueError, match=r"expected shape \(n,\) with n >= 1; got shape \(2, 2\)"):
        function(jnp.zeros((2, 2)))
    with pytest.raises(TypeError, match="expected real floating-point values; got dtype int"):
        function(jnp.arange(3))


def test_errors_of_options():
    with pytest.raises(ValueError, match="factor: expected a number > 1; got 1.0"):
        observables.horizon(jnp.zeros(()), factor=1.0)
    with pytest.raises(ValueError, match="tolerance: expected a number above 0 and up to 1; got 0"):
        observables.effective_rank(jnp.zeros(2), 0.0)
    with pytest.raises(TypeError, match="rate: expected real floating-point values; got dtype int"):
        observables.horizon(jnp.arange(3))
