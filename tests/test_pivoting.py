"""Complete pivoting under any scales of rows and columns: the matrix itself, and its exact rank."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjac.linalg import pivoting
from rnnjac.linalg.powers import LOST, is_lost
from tests.tolerances import FEW_STEPS, JACOBI, eps

SHAPES = [(1, 1), (6, 6), (9, 4)]
eliminate = jax.jit(pivoting.eliminate)


def draw(shape, dtype, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def exponents(size, seed=0, spread=300):
    chosen = np.random.default_rng(seed).integers(-spread, spread, size=size)
    return jnp.asarray(chosen, jnp.int32)


def zeros(shape):
    return tuple(jnp.zeros(size, jnp.int32) for size in shape)


def logs_and_signs(found):
    """Size of L diag(2^k) U, whose entries would be out of range: L and U in float64, and k."""
    return (np.asarray(part, float) for part in (found.left, found.right))


def restored(found, a, b):
    """X again: 2^-a_i sum_s L_is 2^k_s U_sj 2^-b_j, each term within the range of float64."""
    left, right = logs_and_signs(found)
    k = np.where(is_lost(found.exponent), -(10**4), np.asarray(found.exponent))
    power = k[None, :, None] - np.asarray(a)[:, None, None] - np.asarray(b)[None, None, :]
    return np.sum(np.ldexp(left[:, :, None] * right[None, :, :], power), axis=1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_the_scaled_matrix_itself(shape, seed, dtype):
    x, a, b = draw(shape, dtype, seed), exponents(shape[0], seed), exponents(shape[1], seed + 9)
    found = eliminate(x, a, b)
    assert found.certain and not is_lost(found.exponent).any()
    error = np.abs(restored(found, a, b) - np.asarray(x, float))
    # rounding is relative to entries 2^(k_s - a_i - b_j), which may be larger than those of X
    size = np.abs(np.asarray(found.left, float)).max(), np.abs(np.asarray(found.right, float)).max()
    assert max(size) <= 2
    scale = np.ldexp(1.0, np.asarray(a)[:, None] + np.asarray(b)[None, :] - found.exponent[0])
    growth = shape[1] * 2.0 ** shape[1]
    assert (error * scale <= JACOBI * growth * eps(dtype)).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_without_scales_it_is_an_ordinary_elimination(shape, dtype):
    x = draw(shape, dtype)
    found = eliminate(x, *zeros(shape))
    left, right = logs_and_signs(found)
    product = left @ np.diag(np.ldexp(1.0, np.asarray(found.exponent))) @ right
    tolerance = FEW_STEPS * eps(dtype)
    np.testing.assert_allclose(product, x, atol=tolerance)
    lower = np.asarray(found.left, float)[found.rows]
    np.testing.assert_array_equal(lower[: shape[1]], np.tril(lower[: shape[1]]))
    np.testing.assert_array_equal(np.diagonal(lower), 1)
    ordered = np.asarray(x, float)[found.rows][:, found.columns]
    np.testing.assert_allclose(lower @ found.triangle, ordered, atol=tolerance)
    np.testing.assert_array_equal(found.triangle, np.triu(found.triangle))


def test_scales_of_rows_and_columns_change_no_digit(dtype):
    """With the same pivots, each multiplier is the same up to a power of two."""
    x = jnp.asarray(np.diag([8.0, 4, 2, 1, 0.5, 0.25]), dtype) + 2.0**-6 * draw((6, 6), dtype)
    plain = eliminate(x, *zeros((6, 6)))
    shift = jnp.asarray(-100 * np.arange(6), jnp.int32)
    scaled = eliminate(x, shift, shift)
    np.testing.assert_array_equal(scaled.rows, plain.rows)
    np.testing.assert_array_equal(scaled.triangle, plain.triangle)
    np.testing.assert_array_equal(scaled.exponent, plain.exponent + 2 * shift)


@pytest.mark.parametrize("rank", range(7))
def test_rank_is_exact(rank, dtype):
    """Small integers: nothing is rounded, whatever is eliminated."""
    rng = np.random.default_rng(rank)
    x = rng.integers(-1, 2, size=(6, rank)) @ np.triu(np.ones((rank, 6)))
    x = x + np.zeros((6, 6))
    found = eliminate(jnp.asarray(x, dtype), *zeros((6, 6)))
    wanted = np.linalg.matrix_rank(x)
    lost = np.asarray(is_lost(found.exponent))
    np.testing.assert_array_equal(lost, np.arange(6) >= wanted)
    np.testing.assert_allclose(restored(found, *zeros((6, 6))), x, atol=FEW_STEPS * eps(dtype))
    # L keeps full rank: each lost direction has a row of its own
    assert np.linalg.matrix_rank(np.asarray(found.left, float)) == 6


def test_zeros_by_structure_are_certain_and_those_by_cancellation_not(dtype):
    dense = draw((6, 6), dtype)
    for structure in (dense.at[2].set(0), dense.at[:, 3].set(0), dense.at[:2, :5].set(0)):
        found = eliminate(structure, *zeros((6, 6)))
        assert is_lost(found.exponent).sum() == 1 and found.certain
    cancelled = jnp.asarray(np.ones((6, 6)) + np.diag([0, 0, 1.0, 2, 3, 4]), dtype)
    found = eliminate(cancelled, *zeros((6, 6)))
    assert is_lost(found.exponent).sum() == 1 and not found.certain
    assert eliminate(jnp.zeros((6, 6), dtype), *zeros((6, 6))).certain


def test_what_was_lost_before_stays_lost(dtype):
    rows, columns = zeros((6, 6))
    found = eliminate(draw((6, 6), dtype), rows.at[1].set(LOST), columns.at[4].set(LOST))
    np.testing.assert_array_equal(is_lost(found.exponent), np.arange(6) == 5)
    assert found.certain
    assert not np.asarray(found.left)[1, :5].any() and not np.asarray(found.right)[:5, 4].any()
