import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjac import initializers
from tests import tolerances
from tests.tolerances import eps

ALL = {
    "normal": initializers.normal(0.5),
    "gaussian": initializers.gaussian(),
    "orthogonal": initializers.orthogonal(),
    "identity": initializers.identity(),
    "uniform": initializers.uniform(),
    "sparse": initializers.sparse(2),
    "constant": initializers.constant(0.25),
    "zeros": initializers.zeros(),
}
KEY = jax.random.key(7)


def radius(W):
    return np.abs(np.linalg.eigvals(np.asarray(W, np.float64))).max()


def in_statistical_range(sample_mean, mean, std_of_mean):
    assert abs(sample_mean - mean) <= tolerances.STATISTICAL_SIGMAS * std_of_mean


@pytest.mark.parametrize("kind", [None, jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("name", ALL)
def test_shape_dtype_jit_and_vmap(name, kind, dtype):
    draw = ALL[name]
    W = draw(KEY, (4, 4), kind)
    assert W.shape == (4, 4) and W.dtype == (dtype if kind is None else kind)
    compiled = jax.jit(lambda k: draw(k, (4, 4), kind))(KEY)
    plain, again = np.asarray(W, float), np.asarray(compiled, float)
    scale = np.abs(plain).max() * eps(W.dtype)
    assert np.abs(again - plain).max() <= tolerances.REDRAWN_WEIGHT * scale
    several = jax.vmap(lambda k: draw(k, (4, 4), kind))
    batch = jax.eval_shape(several, jax.random.split(KEY, 3))
    assert batch.shape == (3, 4, 4)


@pytest.mark.parametrize("name", ["normal", "gaussian", "uniform", "constant", "zeros"])
@pytest.mark.parametrize("shape", [(1,), (3, 0), (1, 1)])
def test_small_shapes(name, shape):
    W = ALL[name](KEY, shape)
    assert W.shape == shape and jnp.all(jnp.isfinite(W))


def test_moments_of_normal_gaussian_and_uniform():
    rows, columns = 400, 100
    count = rows * columns
    for draw, variance in (
        (initializers.normal(0.5), 0.25),
        (initializers.gaussian(3.0), 9 / columns),
        (initializers.uniform(), 1 / (3 * columns)),
        (initializers.uniform(25), 1 / 75),
    ):
        W = np.asarray(draw(KEY, (rows, columns)), np.float64)
        in_statistical_range(W.mean(), 0, (variance / count) ** 0.5)
        # The variance of W^2 is 2 variance^2 for a normal entry, and less for a uniform one.
        in_statistical_range((W**2).mean(), variance, variance * (2 / count) ** 0.5)


def test_uniform_stays_within_its_bound():
    assert jnp.max(jnp.abs(initializers.uniform()(KEY, (50, 16)))) <= 1 / 4
    assert jnp.max(jnp.abs(initializers.uniform(100)(KEY, (50,)))) <= 1 / 10


@pytest.mark.parametrize("shape", [(1, 1), (6, 6), (6, 3), (3, 6)])
def test_orthogonal_has_equal_singular_values(shape, dtype):
    W = np.asarray(initializers.orthogonal(2.0)(KEY, shape, dtype), np.float64)
    W = W if shape[0] >= shape[1] else W.T
    error = np.abs(W.T @ W - 4 * np.eye(W.shape[1])).max()
    assert error <= tolerances.ORTHOGONALITY * eps(dtype)


def test_orthogonal_draws_both_signs_of_the_determinant():
    keys = jax.random.split(KEY, 32)
    signs = jnp.linalg.slogdet(jax.vmap(lambda k: ALL["orthogonal"](k, (3, 3)))(keys))[0]
    assert jnp.any(signs > 0) and jnp.any(signs < 0)


def test_identity_and_constant_are_exact(dtype):
    np.testing.assert_array_equal(initializers.identity(0.5)(KEY, (3, 3)), 0.5 * np.eye(3))
    np.testing.assert_array_equal(ALL["constant"](KEY, (3,)), np.full(3, 0.25))
    np.testing.assert_array_equal(ALL["zeros"](KEY, (2, 2)), np.zeros((2, 2)))


@pytest.mark.parametrize("n, nonzeros", [(1, 1), (6, 1), (20, 5), (5, 5)])
@pytest.mark.parametrize("direction, axis", [("incoming", 1), ("outgoing", 0)])
def test_sparse_counts_and_radius(n, nonzeros, direction, axis, dtype):
    draw = initializers.sparse(nonzeros, 0.95, direction=direction)
    W = draw(KEY, (n, n), dtype)
    np.testing.assert_array_equal(jnp.sum(W != 0, axis=axis), np.full(n, nonzeros))
    assert abs(radius(W) - 0.95) <= tolerances.EIGENVALUE * n * eps(dtype)


def test_sparse_places_differ_between_rows():
    places = np.asarray(initializers.sparse(3)(KEY, (12, 12)) != 0)
    assert len({tuple(row) for row in places}) > 6


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="nonzeros: expected an integer >= 1; got 0"):
        initializers.sparse(0)
    with pytest.raises(ValueError, match="nonzeros: expected an integer from 1 to 4; got 5"):
        initializers.sparse(5)(KEY, (4, 4))
    with pytest.raises(ValueError, match="direction: expected one of 'incoming', 'outgoing'; got"):
        initializers.sparse(5, direction="both")
    with pytest.raises(ValueError, match=r"shape: expected two equal axes; got \(4, 3\)"):
        initializers.sparse(2)(KEY, (4, 3))
    with pytest.raises(ValueError, match=r"shape: expected 2 axes; got \(4,\)"):
        initializers.orthogonal()(KEY, (4,))
    with pytest.raises(ValueError, match="n: expected an integer >= 1; got 0"):
        initializers.uniform(0)
    with pytest.raises(TypeError, match="dtype: expected a real floating-point type; got int32"):
        initializers.gaussian()(KEY, (2, 2), jnp.int32)
