"""Steps graded together: the values of steps graded one by one, and how many go together."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import rnnjac
from rnnjac.measures.spectrum import _along
from rnnjac.system import strides
from rnnjac.system.dynamics import bind
from tests import oracles
from tests.tolerances import SPREAD, promised_log_sigma

# one shape for most of the tests: what is compiled for one serves the others
SIZE, STEPS = 6, 120


def linear(params, state, factor):
    return factor @ state


def normal_factors(n, length, dtype, seed=0):
    draw = np.random.default_rng(seed).normal(size=(length, n, n)) / np.sqrt(n)
    return jnp.asarray(draw, dtype)


def system(factors):
    return bind(linear, None, jnp.zeros(factors.shape[1], factors.dtype), factors, None)


@jax.jit
def one_by_one(factors):
    """Values and errors of steps that are graded one by one."""
    return _along(system(factors), np.array([len(factors)], np.int32), strides.step_by_step)


@jax.jit
def turn(factors, time, flow):
    """One turn of the loop."""
    return strides._turn(system(factors), time, flow, len(factors))


def taken(factors):
    """How many steps each turn of the loop tried and how many it took."""
    turns, time, flow = [], 0, strides.start(system(factors))
    while time < len(factors):
        steps = min(int(flow.stride), len(factors) - time)
        later, flow = turn(factors, jnp.asarray(time, jnp.int32), flow)
        turns.append((steps, int(later) - time))
        time = int(later)
    return turns


def agree(factors):
    """Values of strides and of single steps agree within what both claim."""
    one = jnp.zeros(factors.shape[1], factors.dtype)
    found = rnnjac.spectrum(linear, None, one, factors)
    values, claimed = np.asarray(found.log_singular_values, float), np.asarray(found.error, float)
    wanted, also_claimed = (np.asarray(rows[0], float) for rows in one_by_one(factors))
    np.testing.assert_array_equal(np.isneginf(values), np.isneginf(wanted))
    alive = ~np.isneginf(wanted)
    error = np.abs(values[alive] - wanted[alive])
    assert (error <= (claimed + also_claimed)[alive]).all()
    return values, claimed


@pytest.mark.parametrize("n", [1, 2, SIZE, 20])
def test_the_same_values_as_step_by_step(n, dtype):
    _, claimed = agree(normal_factors(n, STEPS, dtype))
    assert claimed.max() <= 10 * promised_log_sigma(dtype, STEPS)


def test_a_large_product_of_triangles(dtype):
    """From 128 on it is put together from blocks; an odd size has blocks of two sizes."""
    draw = np.tril(np.random.default_rng(0).normal(size=(2, 259, 259)))
    left, right = jnp.asarray(draw, dtype)
    product = strides._product(left, right)
    np.testing.assert_array_equal(product, np.tril(product))
    exact = np.asarray(left, float) @ np.asarray(right, float)
    bound = np.abs(np.asarray(left, float)) @ np.abs(np.asarray(right, float))
    assert (np.abs(product - exact) <= 259 * float(jnp.finfo(dtype).eps) * bound).all()


def test_dense_steps_go_together(dtype):
    """Few turns where nothing is lost: at most 64 steps, or the range of floats, at a time."""
    turns = taken(normal_factors(SIZE, STEPS, dtype))
    assert [done for _, done in turns[:2]] == [8, 16]
    assert sum(done for _, done in turns) == STEPS
    assert len(turns) <= 12


def test_steps_that_lose_rank_go_alone(dtype):
    factors = normal_factors(SIZE, STEPS, dtype).at[:, 2].set(0)  # a dead unit in every step
    turns = taken(factors)
    assert turns[0] == (8, 0)
    assert turns[1:] == [(1, 1)] * STEPS
    values, claimed = agree(factors)
    assert np.isneginf(values[-1]) and claimed[-1] == 0


def test_one_singular_factor_in_the_middle(dtype):
    """What stands before it is not lost, it is taken alone, and the strides grow again."""
    factors = normal_factors(SIZE, STEPS, dtype).at[50, 3].set(0)
    turns = taken(factors)
    assert (1, 1) in turns
    assert max(done for _, done in turns[turns.index((1, 1)) :]) >= 16
    ends = np.cumsum([done for _, done in turns])
    assert {50, 51} <= set(ends.tolist())
    values, _ = agree(factors)
    assert np.isneginf(values).sum() == 1


def test_factors_far_from_normal_take_fewer_steps(dtype):
    """The rows of C would outgrow their diagonal entries: (1 + N)^8 has entries of 5e6."""
    factor = jnp.asarray(np.triu(np.full((SIZE, SIZE), 9.0), 1) + np.eye(SIZE), dtype)
    factors = jnp.broadcast_to(factor, (STEPS, SIZE, SIZE))
    turns = taken(factors)
    assert turns[0] == (8, 0)
    assert turns[1][0] == 4
    assert sum(done for _, done in turns) == STEPS
    agree(factors)


def test_a_direction_lost_before(dtype):
    """Dense steps after a singular one: the lost direction stays lost, the others stay right."""
    factors = normal_factors(SIZE, STEPS, dtype).at[0, 5].set(0)
    values, claimed = agree(factors)
    assert np.isneginf(values[-1]) and claimed[-1] == 0
    assert claimed[:-1].max() <= 10 * promised_log_sigma(dtype, STEPS)


def test_recorded_times_end_a_stride(dtype):
    factors, start = normal_factors(SIZE, STEPS, dtype), jnp.zeros(SIZE, dtype)
    found = rnnjac.spectrum(linear, None, start, factors, at=[0, 1, 7, 40, STEPS, 40])
    np.testing.assert_array_equal(found.log_singular_values[0], np.zeros(SIZE))
    np.testing.assert_array_equal(found.log_singular_values[3], found.log_singular_values[5])
    whole = rnnjac.spectrum(linear, None, start, factors)
    error = np.abs(found.log_singular_values[4] - whole.log_singular_values)
    assert (error <= found.error[4] + whole.error).all()


def test_rounding_spreads_as_through_diagonal_factors(dtype):
    """X_ij grows by r_i / r_j left of the diagonal; right of it (c_j / c_i)^2 counts."""
    draw, n, steps = np.random.default_rng(0), 5, 7
    pivots = np.asarray(np.exp(draw.normal(size=(steps, n)) - np.arange(n)), dtype)
    fresh = np.asarray(draw.uniform(1, 2, size=(steps, n)), dtype)
    wanted, c = np.zeros((n, n)), np.ones(n)
    empty = strides._empty(strides.start(system(normal_factors(n, 1, dtype))))
    before, tilt = np.asarray(empty.before).copy(), empty.tilt
    for step in range(steps):
        r, before[step] = pivots[step].astype(float), c
        for i in range(n):
            for j in range(n):
                if j < i:
                    wanted[i, j] = (wanted[i, j] + fresh[step, i]) * (r[i] / r[j]) ** 2
                else:
                    wanted[i, j] += fresh[step, i] * (c[j] / c[i]) ** 2
        c = c * r
        tilt = strides._tilted(tilt, jnp.asarray(pivots[step]), jnp.asarray(fresh[step]))
    found = empty._replace(
        before=jnp.asarray(before), fresh=empty.fresh.at[:steps].set(jnp.asarray(fresh))
    )
    single = np.finfo(np.float32).eps
    np.testing.assert_allclose(np.asarray(tilt).T, np.tril(wanted, -1), rtol=SPREAD * single)
    into_right = np.triu(np.asarray(strides._into_right(found)).T)
    np.testing.assert_allclose(into_right, np.triu(wanted), rtol=SPREAD * np.finfo(dtype).eps)


def test_directions_that_cross_within_a_stride(dtype):
    """One shrinks 4 steps and grows back in 4 more: the tilt of the first steps grows with it."""
    shrink = 100.0 if dtype == jnp.float64 else 10.0

    def rotation(angle):
        return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    gains = [1 / shrink if step < 4 else shrink for step in range(8)]
    factors = [
        rotation(step + 1.0) @ np.diag([1, gain]) @ rotation(float(step)).T
        for step, gain in enumerate(gains)
    ]
    factors = jnp.asarray(np.stack(factors), dtype)
    found = rnnjac.spectrum(linear, None, jnp.zeros(2, dtype), factors)
    error = oracles.log_sigma_error(
        np.asarray(found.log_singular_values, float), exact_log_sigma(np.asarray(factors))
    )
    assert (error <= found.error).all()
    # 100^4 eps, 10^4 eps: what single steps lose, too
    assert error.max() > 1e-10


def test_a_zero_that_cancelled_after_being_filled_in_is_not_certain(dtype):
    """c a - c b = 0 in floats, in an entry that is zero in J: the smallest value is not lost."""
    draw = np.random.default_rng(5)
    while True:
        a, c = (np.asarray(draw.uniform(0.5, high), dtype) for high in (0.9, 0.7))
        b = np.nextafter(a, np.asarray(1, dtype))
        if c * a == c * b:
            break
    factor = np.array([[1, a, b, 0], [0, 1, 0, 0.5], [0, 0, 1, -0.5], [c, 0, 0, 0]], dtype)
    found = rnnjac.spectrum(linear, None, jnp.zeros(4, dtype), jnp.asarray(factor[None]))
    assert np.isfinite(exact_log_sigma(factor[None])).all()
    assert np.isinf(found.error[-1])


def exact_log_sigma(factors):
    """Logs of the singular values of a product of few factors, in 60 digits."""
    with mpmath.workdps(60):
        product = mpmath.eye(factors.shape[1])
        for factor in factors.astype(float):
            product = mpmath.matrix(factor.tolist()) * product
        return np.array([float(mpmath.log(s)) for s in mpmath.svd_r(product, compute_uv=False)])
