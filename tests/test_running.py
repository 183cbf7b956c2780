"""A running product: extending it is exact up to the elimination, rebalancing keeps it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjac.linalg import running
from rnnjac.linalg.lengthen import lengthen
from rnnjac.linalg.powers import LOG_2, LOST, exponent_of, is_lost, log_of, power_of_two
from tests import oracles
from tests.tolerances import FEW_STEPS, LEADING_ORTHOGONALITY, eps, promised_log_sigma

SIZE = 6
extend, rebalance, longer = (
    jax.jit(function) for function in (running.extend, running.rebalance, lengthen)
)


def factors_of(steps, dtype, seed=0):
    draw = np.random.default_rng(seed).normal(size=(steps, SIZE, SIZE)) / np.sqrt(SIZE)
    return jnp.asarray(draw + np.eye(SIZE), dtype)


def extended(factors):
    product = running.identity(SIZE, factors.dtype, turn=True)
    for factor in factors:
        product, sound = extend(product, product.vectors @ factor.T)
        assert sound
    return product


def dense(product, shift=0):
    """2^-shift L diag(2^k) V Q in float64."""
    parts = product.vectors, product.lower, product.turn
    left, lower, turn = (np.asarray(part, float) for part in parts)
    lost = np.asarray(is_lost(product.exponent))
    scale = np.where(lost, 0, 2.0 ** np.where(lost, 0, np.asarray(product.exponent) - shift))
    return left.T @ np.diag(scale) @ lower.T @ turn.T


def multiplied(factors):
    product = np.eye(SIZE)
    for factor in np.asarray(factors, float):
        product = factor @ product
    return product


def close(found, wanted, dtype):
    tolerance = FEW_STEPS * eps(dtype) * np.abs(wanted).max()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)


# Powers of two.


def normal_range(dtype):
    found = jnp.finfo(dtype)
    return int(found.minexp), int(found.maxexp) - 1


def test_powers_of_two_are_exact_in_the_whole_range(dtype):
    low, high = normal_range(dtype)
    exponent = jnp.arange(low, high + 1, dtype=jnp.int32)
    powers = np.asarray(power_of_two(exponent, dtype))
    np.testing.assert_array_equal(powers, np.ldexp(np.ones(1, dtype), np.asarray(exponent)))
    np.testing.assert_array_equal(exponent_of(jnp.asarray(powers)), exponent + 1)
    np.testing.assert_array_equal(exponent_of(-jnp.asarray(powers)), exponent + 1)


def test_powers_of_two_beyond_the_range(dtype):
    low, high = normal_range(dtype)
    below = power_of_two(jnp.asarray([low - 1, low - 1000, LOST, -(2**30)], jnp.int32), dtype)
    np.testing.assert_array_equal(below, np.zeros(4))
    above = power_of_two(jnp.asarray([high, high + 1, high + 1000], jnp.int32), dtype)
    np.testing.assert_array_equal(above, np.full(3, np.ldexp(np.ones((), dtype), high)))


def test_exponents_are_those_of_frexp(dtype):
    info = np.finfo(dtype)
    edges = np.array([info.tiny, info.max, 1, np.nextafter(np.ones((), dtype), 0), 0.75], dtype)
    x = np.concatenate([edges, -edges, np.random.default_rng(0).normal(size=20).astype(dtype)])
    np.testing.assert_array_equal(exponent_of(jnp.asarray(x)), np.frexp(x)[1])


def test_zero_and_what_is_subnormal_have_no_exponent(dtype):
    info = np.finfo(dtype)
    nothing = np.array([0, -0.0, info.smallest_subnormal, info.tiny / 2, -info.tiny / 2], dtype)
    found = exponent_of(jnp.asarray(nothing))
    np.testing.assert_array_equal(found, LOST)
    assert is_lost(found).all() and is_lost(found + 2**20).all()
    assert not is_lost(exponent_of(jnp.asarray([info.tiny], dtype))).any()


def test_logs_of_exponents(dtype):
    found = log_of(jnp.asarray([0, 1000, -7, LOST], jnp.int32), dtype)
    wanted = np.array([0, 1000, -7, -np.inf]) * LOG_2
    np.testing.assert_allclose(found, wanted, rtol=2 * eps(dtype))


# Extending.


def test_the_product_itself(dtype):
    factors = factors_of(8, dtype)
    close(dense(extended(factors)), multiplied(factors), dtype)


def test_scale_goes_into_the_exponents_and_changes_no_bit(dtype):
    factors = factors_of(20, dtype)
    plain, shrunk = extended(factors), extended(factors * 2.0**-60)
    np.testing.assert_array_equal(shrunk.vectors, plain.vectors)
    np.testing.assert_array_equal(shrunk.lower, plain.lower)
    np.testing.assert_array_equal(shrunk.exponent, plain.exponent - 20 * 60)
    wanted = multiplied(factors)
    close(dense(shrunk, shift=-20 * 60), wanted, dtype)


def test_tiny_rows_keep_their_digits(dtype):
    """Rows of saturated units: elimination does not see by how much they are smaller."""
    factors = factors_of(2, dtype)
    scale = jnp.asarray(2.0 ** -np.array([0, 40, 0, 20, 0, 60]), dtype)
    plain, scaled = extended(factors), extended(factors.at[1].multiply(scale[:, None]))
    wanted = np.linalg.slogdet(dense(plain))[1] - 120 * LOG_2
    size = lambda product: np.linalg.slogdet(dense(product))[1]  # noqa: E731
    assert abs(size(scaled) - wanted) <= FEW_STEPS * eps(dtype)


def test_the_parts_have_the_form_that_is_promised(dtype):
    product = extended(factors_of(20, dtype))
    np.testing.assert_array_equal(product.lower, np.tril(product.lower))
    size = np.abs(np.asarray(product.lower)).max(axis=0)
    assert (size >= 1).all() and (size < 2).all()
    assert np.abs(product.vectors).max() <= 1
    assert product.exponent.dtype == jnp.int32


def test_blocks_of_steps_are_the_steps(dtype):
    """R of some steps multiplied in `chained`, absorbed at once, against one by one."""
    factors = factors_of(4, dtype)
    product = running.identity(SIZE, dtype, turn=True)
    vectors, triangle = product.vectors, jnp.zeros_like(product.lower)
    exponent = jnp.zeros(SIZE, jnp.int32)
    for step, factor in enumerate(factors):
        vectors, last = running.factored(vectors @ factor.T, exponent)
        first = jnp.asarray(step == 0)
        triangle, exponent = running.chained(triangle, exponent, last.packed, first)
    found, steep = running.absorb(product, vectors, triangle, exponent)
    assert not steep
    close(dense(found), multiplied(factors), dtype)


# Losing directions.


def test_a_zero_row_is_lost_for_certain(dtype):
    factor = factors_of(1, dtype, seed=1)[0].at[2].set(0)
    product, sound = extend(running.identity(SIZE, dtype, turn=True), factor.T)
    assert sound
    np.testing.assert_array_equal(is_lost(product.exponent), np.arange(SIZE) == SIZE - 1)
    close(dense(product), np.asarray(factor, float), dtype)


@pytest.mark.parametrize("bits", [running.STEEP, running.STEEP + 1])
def test_how_steep_a_row_may_be(bits, dtype):
    factor = jnp.eye(SIZE, dtype=dtype).at[0, 0].set(2.0**-bits).at[0, 1].set(1)
    _, sound = extend(running.identity(SIZE, dtype, turn=True), factor.T)
    assert sound == (bits <= running.STEEP)


@pytest.mark.parametrize("kind", ["a zero column", "equal columns", "a steep pivot"])
def test_what_needs_another_order_says_so(kind, dtype):
    factor = factors_of(1, dtype)[0]
    if kind == "a zero column":
        factor = factor.at[:, 2].set(0)
    elif kind == "equal columns":
        factor = jnp.eye(SIZE, dtype=dtype).at[:, 2].set(jnp.eye(SIZE, dtype=dtype)[0])
        factor = factor.at[2, 5].set(1)
    else:
        factor = factor.at[:, 2].set(factor[:, 0] + 2.0**-14 * factor[:, 2])
    empty = running.identity(SIZE, dtype, turn=True)
    assert not extend(empty, factor.T)[1]
    product = longer(empty, factor.T)
    assert is_lost(product.exponent).sum() == int(kind != "a steep pivot")
    assert not is_lost(product.exponent[:-1]).any()
    close(dense(product), np.asarray(factor, float), dtype)


# Rebalancing.


def ascending(dtype, above=0.5):
    """Eigenvalues against the order of a graded product; with entries above, its rows mix."""
    mixed = np.triu(np.full((SIZE, SIZE), above), 1)
    return jnp.asarray(mixed + np.diag(1.3 ** np.arange(SIZE)), dtype)


@pytest.mark.parametrize("above", [0.5, 0.0])
def test_rebalancing_keeps_the_product_and_puts_it_in_order(above, dtype):
    before = extended(jnp.broadcast_to(ascending(dtype, above), (10, SIZE, SIZE)))
    after, change = rebalance(before)
    close(dense(after), dense(before), dtype)
    tolerance = LEADING_ORTHOGONALITY * eps(dtype)
    for orthogonal in (after.vectors, after.turn):
        np.testing.assert_allclose(orthogonal @ orthogonal.T, np.eye(SIZE), atol=tolerance)
    # a diagonal entry of R may be a bit or two from the size that the order went by
    assert (np.diff(np.asarray(after.exponent)) <= 2).all()
    if above == 0:
        np.testing.assert_array_equal(change.order, np.arange(SIZE)[::-1])
    assert np.linalg.cond(np.asarray(after.lower, float)) < 10
    np.testing.assert_array_equal(after.lower, np.tril(after.lower))
    # L[:, order] = L' B
    moved = np.asarray(after.vectors.T @ change.change)
    np.testing.assert_allclose(moved, before.vectors[change.order].T, atol=tolerance)
    assert (np.asarray(change.spread) >= 1 - tolerance).all()


def test_rebalancing_mends_what_degrades(dtype):
    """Directions that stand in the wrong order leave the rows of V nearly parallel."""
    factors = jnp.broadcast_to(ascending(dtype), (40, SIZE, SIZE))
    assert not running.degraded(running.identity(SIZE, dtype))
    assert running.degraded(extended(factors))
    product = running.identity(SIZE, dtype, turn=True)
    for factor in factors:
        product = longer(product, product.vectors @ factor.T)
    assert not running.degraded(product)
    sorted_, _ = rebalance(product)
    logs = np.sort(np.asarray(log_of(sorted_.exponent, dtype), float))[::-1]
    logs = logs + np.log(np.abs(np.diagonal(sorted_.lower)))
    wanted = oracles.exact_log_singular_values(np.asarray(factors, float))
    assert abs(logs.sum() - wanted.sum()) <= promised_log_sigma(dtype, 40)


def test_rebalancing_puts_lost_directions_last(dtype):
    factors = factors_of(4, dtype)
    product = extended(factors.at[1, jnp.asarray([0, 3])].set(0))
    after, _ = rebalance(product)
    np.testing.assert_array_equal(is_lost(after.exponent), np.arange(SIZE) >= SIZE - 2)
    np.testing.assert_allclose(
        after.vectors @ after.vectors.T, np.eye(SIZE), atol=LEADING_ORTHOGONALITY * eps(dtype)
    )
    close(dense(after), dense(product), dtype)


# Products of triangles.


@pytest.mark.parametrize("n", [1, 31, 32, 63, 64, 65, 127, 128, 129, 200, 259])
def test_a_product_of_triangles(n, dtype):
    """From 64 on it is put together from parts, which may differ in size."""
    left, right = jnp.asarray(np.tril(np.random.default_rng(0).normal(size=(2, n, n))), dtype)
    product = np.asarray(running.lower_product(left, right))
    assert product.shape == (n, n)
    np.testing.assert_array_equal(product, np.tril(product))
    left, right = np.asarray(left, float), np.asarray(right, float)
    bound = n * eps(dtype) * (np.abs(left) @ np.abs(right))
    assert (np.abs(product - left @ right) <= bound).all()
