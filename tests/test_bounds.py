import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjac import bounds, initializers
from rnnjac.cells import elman
from tests import tolerances
from tests.cells_numpy import normal

KEY = jax.random.key(3)


def close(got, want, dtype, tolerance, scale=1.0):
    eps = float(jnp.finfo(dtype).eps)
    error = np.abs(np.asarray(got, np.float64) - want).max()
    assert error <= tolerance * eps * max(scale, np.abs(want).max())


def random(n, dtype, seed=3):
    return jnp.asarray(normal(seed, (n, n)), dtype)


def rotation(angle, dtype):
    return jnp.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype)


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_radius_and_norm_against_numpy(n, dtype):
    W = random(n, dtype)
    wide = np.asarray(W, np.float64)
    radius, norm = np.abs(np.linalg.eigvals(wide)).max(), np.linalg.norm(wide, 2)
    close(bounds.spectral_radius(W), radius, dtype, tolerances.EIGENVALUE * n)
    close(bounds.spectral_norm(W), norm, dtype, tolerances.SINGULAR_VALUE * n)
    close(bounds.gradient_bound(W), np.log(norm), dtype, tolerances.SINGULAR_VALUE * n)


def test_jordan_block_has_radius_below_and_norm_above_one(dtype):
    # Growth first, decay later: the radius says nothing about the first, the norm warns of it.
    W = jnp.array([[0.5, 4.0], [0.0, 0.5]], dtype)
    norm = (4 + np.sqrt(17)) / 2  # s1 s2 = 1/4 and s1^2 + s2^2 = 16.5 give s1 - s2 = 4
    assert bounds.spectral_radius(W) == 0.5
    close(bounds.spectral_norm(W), norm, dtype, tolerances.SINGULAR_VALUE)
    assert bounds.gradient_bound(W) > 0
    close(bounds.departure_from_normality(W), 4, dtype, tolerances.SINGULAR_VALUE)


def test_stable_matrix_of_large_norm(dtype):
    # Eigenvalues 0.125 +- 0.696i, |lambda|^2 = det = 1/2, sigma_max^2 from trace 24.0625 of W^T W.
    W = jnp.array([[2.0, -4.0], [1.0, -1.75]], dtype)
    norm = np.sqrt((24.0625 + np.sqrt(24.0625**2 - 1)) / 2)
    close(bounds.spectral_radius(W), np.sqrt(0.5), dtype, 2 * tolerances.EIGENVALUE)
    close(bounds.spectral_norm(W), norm, dtype, tolerances.SINGULAR_VALUE)
    departure = np.sqrt(24.0625 - 1)
    close(bounds.departure_from_normality(W), departure, dtype, 2 * tolerances.EIGENVALUE)


def test_nilpotent_matrix(dtype):
    W = 0.5 * jnp.triu(jnp.ones((6, 6), dtype), 1)
    assert bounds.spectral_radius(W) == 0
    close(bounds.departure_from_normality(W), np.sqrt(15) / 2, dtype, tolerances.SINGULAR_VALUE)
    close(bounds.departure_from_normality(W, relative=True), 1, dtype, tolerances.SINGULAR_VALUE)


@pytest.mark.parametrize("kind", ["orthogonal", "symmetric", "skew", "diagonal", "one"])
def test_normal_matrices_depart_by_no_more_than_rounding(kind, dtype):
    A = random(6, dtype)
    W = {
        "orthogonal": initializers.orthogonal(3.0)(KEY, (6, 6), dtype),
        "symmetric": A + A.T,
        "skew": A - A.T,
        "diagonal": jnp.diag(A[0]),
        "one": A[:1, :1],
    }[kind]
    got = float(bounds.departure_from_normality(W, relative=True))
    # The two sums agree to a few n eps, and their difference is under a square root.
    assert 0 <= got <= (tolerances.EIGENVALUE * 6 * float(jnp.finfo(dtype).eps)) ** 0.5


def test_departure_is_invariant_and_homogeneous(dtype):
    W = random(5, dtype)
    Q = initializers.orthogonal()(jax.random.key(9), (5, 5), dtype)
    want = float(bounds.departure_from_normality(W))
    close(bounds.departure_from_normality(Q @ W @ Q.T), want, dtype, 5 * tolerances.EIGENVALUE)
    huge = float(jnp.finfo(dtype).max) ** 0.75
    got = bounds.departure_from_normality(W * huge) / huge
    close(got, want, dtype, 5 * tolerances.EIGENVALUE)
    assert bounds.departure_from_normality(0 * W) == 0
    assert bounds.departure_from_normality(0 * W, relative=True) == 0


@pytest.mark.parametrize("activation, gamma", [("tanh", 1), ("sigmoid", 0.25), (3.0, 3)])
def test_gradient_bound_of_an_orthogonal_matrix_is_exact(activation, gamma, dtype):
    W = initializers.orthogonal(2.0)(KEY, (4, 4), dtype)
    got = bounds.gradient_bound(W, activation)
    close(got, np.log(2 * gamma), dtype, 4 * tolerances.SINGULAR_VALUE)


@pytest.mark.parametrize("form", ["state", "preactivation"])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "softplus"])
def test_no_jacobian_product_passes_the_bound(activation, form, dtype):
    cell = elman(0, 6, activation, form=form)
    slopes, step = jax.jit(jax.jacfwd(cell.step, argnums=1)), jax.jit(cell.step)
    for seed in range(5):
        params = cell.init(jax.random.key(seed))
        state = normal(100 + seed, (6,))
        product, bound = np.eye(6), float(bounds.gradient_bound(params["W_s"], activation))
        for steps in range(1, 6):
            product = np.asarray(slopes(params, state, None), np.float64) @ product
            state = step(params, state, None)
            norm = np.linalg.norm(product, 2)
            slack = tolerances.SINGULAR_VALUE * steps * 6 * float(jnp.finfo(dtype).eps)
            assert norm == 0 or np.log(norm) <= steps * bound + slack


def test_lower_slopes_make_the_sigmoid_threshold_four(dtype):
    assert bounds.gradient_bound(jnp.full((1, 1), 3.9, dtype), "sigmoid") < 0
    assert bounds.gradient_bound(jnp.full((1, 1), 4.1, dtype), "sigmoid") > 0


FUNCTIONS = {
    "spectral_radius": bounds.spectral_radius,
    "spectral_norm": bounds.spectral_norm,
    "departure_from_normality": bounds.departure_from_normality,
    "gradient_bound": bounds.gradient_bound,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jit_and_vmap_agree_with_the_loop(name, dtype):
    batch = normal(3, (3, 4, 4))
    got = jax.jit(jax.vmap(FUNCTIONS[name]))(batch)
    assert got.shape == (3,) and got.dtype == dtype
    want = np.array([float(FUNCTIONS[name](W)) for W in batch])
    close(got, want, dtype, tolerances.EIGENVALUE * 4)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivative_against_central_differences(name, dtype):
    # Eigenvalues well apart, hence a moderate third derivative; not normal.
    W = jnp.diag(jnp.array([4.0, 2.0, 1.0, 0.5], dtype)) + random(4, dtype) / 4
    V = random(4, dtype, 8)
    function = FUNCTIONS[name]
    forward = jax.jit(lambda W: jax.jvp(function, (W,), (V,))[1])(W)
    backward = jnp.vdot(jax.jit(jax.grad(function))(W), V)
    # Step h: the truncation error is of order h^2, the rounding error eps / h; h = eps^(1/3).
    h = float(jnp.finfo(dtype).eps) ** (1 / 3)
    want = float(function(W + h * V) - function(W - h * V)) / (2 * h)
    for got in (forward, backward):
        assert abs(float(got) - want) <= tolerances.CENTRAL_DIFFERENCE * h**2 * max(1, abs(want))


@pytest.mark.parametrize("name", ["spectral_norm", "departure_from_normality"])
def test_derivative_is_finite_for_orthogonal_and_zero_matrices(name, dtype):
    gradient = jax.jit(jax.grad(FUNCTIONS[name]))
    for W in (jnp.eye(3, dtype=dtype), jnp.zeros((3, 3), dtype), rotation(0.3, dtype)):
        assert np.isfinite(gradient(W)).all()


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_inf_give_nan(name, bad, dtype):
    assert jnp.isnan(FUNCTIONS[name](jnp.eye(3, dtype=dtype).at[0, 1].set(bad)))


def test_zero_matrix_bounds_by_minus_infinity(dtype):
    assert bounds.gradient_bound(jnp.zeros((2, 2), dtype)) == -jnp.inf


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sixteen_bit_matrices_are_computed_in_float32(name):
    assert jax.eval_shape(FUNCTIONS[name], jnp.eye(2, dtype=jnp.bfloat16)).dtype == jnp.float32


@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_name_the_argument(name):
    function = FUNCTIONS[name]
    with pytest.raises(ValueError, match=r"W: expected a .*matrix \(two axes\); got shape \(3,\)"):
        function(jnp.zeros(3))
    with pytest.raises(ValueError, match=r"W: expected a .*matrix .*; got shape \(0, 0\)"):
        function(jnp.zeros((0, 0)))
    with pytest.raises(TypeError, match="W: expected real floating-point entries; got dtype int"):
        function(jnp.eye(2, dtype=jnp.int32))
    if name != "spectral_norm":
        with pytest.raises(ValueError, match=r"W: expected a square matrix .*; got shape \(2, 3\)"):
            function(jnp.zeros((2, 3)))


def test_spectral_norm_takes_rectangles(dtype):
    W = jnp.array([[3.0, 0.0, 4.0]], dtype)
    close(bounds.spectral_norm(W), 5, dtype, tolerances.SINGULAR_VALUE)
