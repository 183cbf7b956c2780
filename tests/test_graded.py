"""The graded product: identities that hold at any length, and combining two products."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac.linalg import lu
from tests import oracles, problems
from tests.tolerances import FEW_STEPS, PROMISED_CONDITION, promised_log_sigma

SIZES = [1, 2, 8]
HALF = 100  # steps of most chains here, and of half of the longest that is put together


def draw(n, steps, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=(steps, n, n)) / np.sqrt(n) + np.eye(n), dtype)


def logs_of(factors):
    return np.asarray(rnnjac.graded_product(factors).log_singular_values())


def close(a, b, dtype, size=1.0):
    tolerance = FEW_STEPS * size * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("steps", [0, 1, pytest.param(2, marks=pytest.mark.slow), 7])
def test_the_product_itself(n, steps, dtype):
    factors = draw(n, steps, dtype)
    product = rnnjac.graded_product(factors)
    dense = np.eye(n)
    for factor in np.asarray(factors, float):
        dense = factor @ dense
    close(product.apply(jnp.eye(n, dtype=dtype)), dense, dtype, np.abs(dense).max())
    close(product.transpose_apply(jnp.ones(n, dtype)), dense.sum(0), dtype, np.abs(dense).max())
    close(product.log_norm(), np.log(np.linalg.norm(dense, 2)), dtype)


@pytest.mark.parametrize("n", SIZES)
def test_scaling_shifts_every_log(n, dtype):
    factors = draw(n, HALF, dtype)
    close(logs_of(0.5 * factors), logs_of(factors) + HALF * np.log(0.5), dtype, HALF)


@pytest.mark.parametrize("n", SIZES)
def test_transposing_keeps_the_values(n, dtype):
    factors = draw(n, HALF, dtype)
    close(logs_of(jnp.swapaxes(factors, 1, 2)[::-1]), logs_of(factors), dtype, HALF)


def test_orthogonal_factors_at_the_ends_change_nothing(dtype):
    factors = draw(8, HALF, dtype)
    q = jnp.linalg.qr(draw(8, 1, dtype, 9)[0])[0]
    turned = factors.at[0].set(factors[0] @ q).at[-1].set(q @ factors[-1])
    close(logs_of(turned), logs_of(factors), dtype, HALF)


def test_period_three_against_the_cycle(dtype):
    """Exponents of a periodic product are log |eigenvalues| of one cycle, whatever its phase."""
    cycle = np.asarray(draw(3, 3, dtype, 5), float)
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(cycle[2] @ cycle[1] @ cycle[0]))))[::-1]
    found = logs_of(jnp.tile(jnp.asarray(cycle, dtype), (400, 1, 1))) / 400
    # a finite power: off by log(condition of the eigenvectors) / 400
    np.testing.assert_allclose(found, expected, atol=20 / 400)
    wrong = np.sort(np.log(np.abs(np.linalg.eigvals(cycle[0] @ cycle[1] @ cycle[2].T))))[::-1]
    assert np.abs(found - wrong).max() > 20 / 400


PROMISED = [
    chain
    for chain in problems.CHAINS
    if chain.T in (2, 10, 200)
    and chain.kind in ("tanh", "gaussian", "orthogonal", "symmetric", "relu", "ties", "diagonal")
    and oracles.condition(chain) <= PROMISED_CONDITION[str(jnp.zeros(()).dtype)]
]


def of_one_shape(factors):
    """As many identities in front, which change no bit, as give all halves one number of steps."""
    n = factors.shape[1]
    before = np.broadcast_to(np.eye(n, dtype=factors.dtype), (HALF - len(factors), n, n))
    return jnp.concatenate([jnp.asarray(before), factors])


@pytest.mark.parametrize("chain", PROMISED, ids=[chain.name for chain in PROMISED])
def test_combine_halves(chain, dtype):
    factors = jnp.asarray(problems.factors(chain), dtype)
    middle = chain.T // 2
    product = rnnjac.combine(
        rnnjac.graded_product(of_one_shape(factors[middle:])),
        rnnjac.graded_product(of_one_shape(factors[:middle])),
    )
    error = oracles.log_sigma_error(np.asarray(product.log_singular_values()), oracles.truth(chain))
    assert error.max() <= promised_log_sigma(dtype, chain.T)


def test_combine_is_associative(dtype):
    a, b, c = (rnnjac.graded_product(draw(8, HALF, dtype, seed)) for seed in (1, 2, 3))
    left = rnnjac.combine(rnnjac.combine(a, b), c).log_singular_values()
    right = rnnjac.combine(a, rnnjac.combine(b, c)).log_singular_values()
    close(left, right, dtype, 3 * HALF)


def test_combine_keeps_exact_zeros(dtype):
    half = rnnjac.graded_product(jnp.asarray(np.diag([1.0, 0.0, 2.0]), dtype)[None])
    other = rnnjac.graded_product(jnp.asarray(np.diag([0.0, 1.0, 2.0]), dtype)[None])
    logs = np.asarray(rnnjac.combine(half, other).log_singular_values())
    assert np.isneginf(logs).sum() == 2
    close(logs[0], np.log(4), dtype)


def test_rank_is_exact_where_leading_columns_depend(dtype):
    """Columns 1 and 2 are equal and longer than the third: rank 2, not 1."""
    factor = jnp.asarray([[1.0, 1, 0], [1, 1, 0.5], [1, 1, 0.5]], dtype)
    logs = logs_of(factor[None])
    expected = np.log(np.linalg.svd(np.asarray(factor, float))[1][:2])
    close(logs[:2], expected, dtype)
    assert np.isneginf(logs[2])


@pytest.mark.parametrize("n", [2, 6])
def test_nilpotent_loses_one_direction_per_step(n, dtype):
    for steps in range(n + 1):  # the rest are identities, so that all have one shape
        shifts = [np.eye(n, k=1)] * steps
        logs = logs_of(jnp.asarray(np.stack([np.eye(n)] * (n - steps) + shifts), dtype))
        np.testing.assert_array_equal(logs, [0.0] * (n - steps) + [-np.inf] * steps)


def test_vmap_equals_loop(dtype):
    factors = jnp.stack([draw(2, HALF, dtype, seed) for seed in range(3)])
    logs = lambda f: rnnjac.graded_product(f).log_singular_values()  # noqa: E731
    together = jax.jit(jax.vmap(logs))(factors)
    for row, each in zip(together, factors, strict=True):
        close(row, logs_of(each), dtype, HALF)


def test_shifted_product_has_norm_one(dtype):
    product = rnnjac.graded_product(jnp.full((3000, 1, 1), 0.5, dtype))
    assert product.apply(jnp.ones(1, dtype))[0] == 0
    shifted = product._replace(exponent=product.exponent + 3000)
    np.testing.assert_array_equal(shifted.apply(jnp.ones(1, dtype)), [1])


@pytest.mark.parametrize(
    ("jacobians", "kind", "message"),
    [
        (jnp.ones((2, 2)), ValueError, r"jacobians: expected shape \(T, n, n\)"),
        (jnp.ones((2, 2, 3)), ValueError, r"jacobians: .* got shape \(2, 2, 3\)"),
        (jnp.ones((2, 0, 0)), ValueError, r"jacobians: .* with n >= 1; got shape \(2, 0, 0\)"),
        (jnp.ones((2, 2, 2), jnp.int32), TypeError, "jacobians: expected real floating-point"),
    ],
)
def test_bad_input(jacobians, kind, message):
    with pytest.raises(kind, match=message):
        rnnjac.graded_product(jacobians)


def test_combine_refuses_other_sizes(dtype):
    one, two = rnnjac.graded_product(draw(1, 2, dtype)), rnnjac.graded_product(draw(2, 2, dtype))
    with pytest.raises(ValueError, match="later: expected size 2; got 1"):
        rnnjac.combine(one, two)


@pytest.mark.parametrize("shape", [(), (2,), (3, 2, 2)])
def test_apply_refuses_other_shapes(shape, dtype):
    product = rnnjac.graded_product(jnp.ones((1, 3, 3), dtype))
    for function in (product.apply, product.transpose_apply):
        with pytest.raises(ValueError, match=r"v: expected shape \(3,\) or \(3, k\); got shape"):
            function(jnp.ones(shape, dtype))


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (64, 64), (256, 256), (300, 300), (70, 3)])
def test_order_of_rows_after_elimination(shape, dtype):
    """Found in bytes up to 256 rows, by JAX beyond; rows[i] is where row i of L R once stood."""
    matrix = jnp.asarray(np.random.default_rng(0).normal(size=shape), dtype)
    packed, rows = lu.lu(matrix)
    np.testing.assert_array_equal(np.sort(rows), np.arange(shape[0]))
    lower = np.tril(np.asarray(packed, float), -1) + np.eye(*shape)
    upper = np.triu(np.asarray(packed, float))[: shape[1]]
    error = np.abs(lower @ upper - np.asarray(matrix, float)[rows])
    assert error.max() <= shape[0] * float(jnp.finfo(dtype).eps) * np.abs(upper).max()
    assert np.abs(lower).max() <= 1
