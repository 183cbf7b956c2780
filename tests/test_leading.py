"""Leading singular values and vectors of long products."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjac
from rnnjac import cells
from rnnjac.linalg import running
from rnnjac.linalg.graded import graded
from rnnjac.linalg.graded_svd import graded_svd
from rnnjac.linalg.lengthen import lengthen
from tests.cells_numpy import normal
from tests.oracles import exact_log_singular_values, log_sigma_error, truth
from tests.problems import CHAINS, factors, linear
from tests.tolerances import LEADING_ORTHOGONALITY, LEADING_VECTOR, eps, promised_log_sigma

TOP = 3
NAMED = {chain.name: chain for chain in CHAINS}


def of_chain(js):
    """Triplets of the product of given factors."""
    js = jnp.asarray(js, jnp.zeros(()).dtype)
    return rnnjac.singular_vectors(linear, None, js[0, 0], js, top=TOP)


LONG = [
    "tanh0.9-n16-T200",
    "tanh1.2-n16-T200",
    "relu-n16-T200",
    "sparse-n16-T200",
    "symmetric-n16-T200",
    "triangular-n16-T200",
    "tied-blocks-n16-T200",
    "nilpotent-n16-T200",
]


@pytest.mark.parametrize("name", LONG)
def test_values_of_long_chains_against_many_digits(name, dtype):
    found = of_chain(factors(NAMED[name]))
    wrong = log_sigma_error(np.asarray(found.log_singular_values), truth(NAMED[name])[:TOP])
    assert wrong.max() <= promised_log_sigma(dtype, 200)
    assert (found.residual <= eps(dtype) ** 0.5).all()
    assert found.iterations <= 2


def test_the_residual_owns_up(dtype):
    """Sixteen values within 5% of each other: twenty iterations do not tell them apart."""
    js = np.broadcast_to(np.eye(16), (200, 16, 16)).copy()
    js[0] = np.diag(np.linspace(1.0, 0.95, 16))
    found = of_chain(js)
    assert (found.residual > eps(dtype) ** 0.5).any() and found.iterations == 20
    expected = np.log(np.linspace(1.0, 0.95, 16)[:TOP])
    assert (abs(found.log_singular_values - expected) <= found.residual.max()).all()


STATES = 2


def two_layers(matrix, state, x):
    """A net whose state is a pytree of two leaves."""
    following = jnp.tanh(matrix @ jnp.concatenate([state["low"], state["high"]]) + x)
    return {"low": following[:5], "high": following[5:]}


@pytest.fixture(scope="module")
def nets():
    """A net from two starts: the dense products in float64 and the triplets, by one vmap."""
    matrix = normal(0, (12, 12)) / 12**0.5
    inputs = normal(1, (12, 12)) / 2
    noise = normal(2, (STATES, 12))
    starts = {"low": noise[:, :5], "high": noise[:, 5:]}

    @jax.jit
    @jax.vmap
    def triplets(start):
        found = rnnjac.singular_vectors(two_layers, matrix, start, inputs, top=TOP)
        return found, rnnjac.jacobians(two_layers, matrix, start, inputs)

    found, jacobians = triplets(starts)
    products = [np.linalg.multi_dot(list(js[::-1])) for js in np.asarray(jacobians, np.float64)]
    return starts, products, found


def flat(vectors, i):
    """Vectors of start i as rows of a float64 array, after a look at their form."""
    return np.concatenate([np.asarray(v[i], np.float64) for v in jax.tree.leaves(vectors)], axis=1)


@pytest.mark.parametrize("i", range(STATES))
def test_vectors_are_those_of_the_dense_svd(nets, i, dtype):
    starts, products, found = nets
    u, sigma, vt = np.linalg.svd(products[i])
    tolerance = LEADING_VECTOR * eps(dtype)
    np.testing.assert_allclose(found.log_singular_values[i], np.log(sigma[:TOP]), atol=tolerance)
    for vectors, expected in ((found.left, u.T[:TOP]), (found.right, vt[:TOP])):
        assert jax.tree.structure(vectors) == jax.tree.structure(starts)
        vectors = flat(vectors, i)
        sign = np.sign(np.sum(vectors * expected, axis=1, keepdims=True))
        np.testing.assert_allclose(sign * vectors, expected, atol=tolerance)
    right = flat(found.right, i)
    assert (right.max(axis=1) == abs(right).max(axis=1)).all()


@pytest.mark.parametrize("i", range(STATES))
def test_the_defining_relations(nets, i, dtype):
    _, products, found = nets
    left, right = flat(found.left, i), flat(found.right, i)
    sigma = np.exp(np.asarray(found.log_singular_values[i], np.float64))[:, None]
    tolerance = LEADING_VECTOR * eps(dtype)
    np.testing.assert_allclose((products[i] @ right.T).T / sigma, left, atol=tolerance)
    np.testing.assert_allclose((products[i].T @ left.T).T / sigma, right, atol=tolerance)
    for vectors in (left, right):
        orthonormal = LEADING_ORTHOGONALITY * eps(dtype)
        np.testing.assert_allclose(vectors @ vectors.T, np.eye(TOP), atol=orthonormal)


def test_lost_directions_have_no_vectors(dtype):
    js = factors(NAMED["tanh1.2-n16-T200"])
    js[100, 1:] = 0
    found = of_chain(js)
    assert np.isfinite(found.log_singular_values[0])
    assert np.isneginf(found.log_singular_values[1:]).all()
    assert not found.left[1:].any() and not found.right[1:].any() and not found.residual[1:].any()
    for vectors in (found.left, found.right):
        norm = np.linalg.norm(vectors[0])
        np.testing.assert_allclose(norm, 1, atol=LEADING_ORTHOGONALITY * eps(dtype))


def test_nan_ends_at_once(dtype):
    js = factors(NAMED["tanh1.2-n16-T200"])
    js[7, 3, 3] = np.nan
    found = of_chain(js)
    assert np.isnan(found.log_singular_values).all() and found.iterations == 1


def test_no_steps_and_one_unit(dtype):
    found = rnnjac.singular_vectors(linear, None, jnp.ones(1), jnp.ones((0, 1, 1)))
    assert found.log_singular_values == 0 and found.right == 1 and found.left == 1


def test_memory_of_a_large_net(dtype):
    """The transposed matrix and a frame per step are the most that is held besides the weights."""
    n, steps = 4096, 100
    shape = jax.ShapeDtypeStruct
    step = cells.elman(1, n).step
    params = {"W_x": shape((n, 1), dtype), "W_s": shape((n, n), dtype), "b": shape((n,), dtype)}
    inputs = shape((steps, 1), dtype)
    found = jax.jit(lambda *given: rnnjac.singular_vectors(step, *given, top=16))
    lowered = found.lower(params, shape((n,), dtype), inputs)
    used = lowered.compile().memory_analysis()
    assert used.temp_size_in_bytes + used.argument_size_in_bytes <= 1e9


def test_graded_svd_of_a_product_beyond_floats(dtype):
    n = 5
    js = np.random.default_rng(n).normal(size=(40, n, n)).astype(np.float32).astype(np.float64)
    product = running.identity(n, dtype, turn=True)
    for factor in jnp.asarray(js * 2.0**-40, dtype):
        product = jax.jit(lengthen)(product, product.vectors @ factor.T)
    left, logs, right = jax.jit(graded_svd)(product)
    expected = exact_log_singular_values(js * 2.0**-40)
    assert log_sigma_error(np.asarray(logs), expected).max() <= promised_log_sigma(dtype, 40)
    for vectors in (left, right):
        orthonormal = LEADING_ORTHOGONALITY * eps(dtype)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(n), atol=orthonormal)
    # P right_1 = sigma_1 left_1, scaled to floats
    exponent = round(float(logs[0]) / np.log(2))
    scaled = graded(product)._replace(exponent=product.exponent - exponent)
    sigma = np.exp(float(logs[0]) - exponent * np.log(2))
    tolerance = LEADING_VECTOR * eps(dtype)
    np.testing.assert_allclose(scaled.apply(right[:, 0]), sigma * left[:, 0], atol=tolerance)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0}, "top: expected an integer from 1 to 4; got 0"),
        ({"top": 5}, "top: expected an integer from 1 to 4; got 5"),
        ({"iterations": 0}, "iterations: expected an integer >= 1; got 0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        rnnjac.singular_vectors(linear, None, jnp.ones(4), jnp.ones((2, 4, 4)), **options)
