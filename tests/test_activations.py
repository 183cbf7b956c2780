import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjac import activations
from tests import tolerances

mpmath.mp.dps = 50


def sech_squared(x):
    return mpmath.sech(x) ** 2


def logistic_slope(x):
    return 1 / (2 * mpmath.cosh(x / 2)) ** 2


def logistic(x):
    return 1 / (1 + mpmath.exp(-x))


VALUES = {
    "tanh": mpmath.tanh,
    "sigmoid": logistic,
    "relu": lambda x: max(x, mpmath.mpf(0)),
    "identity": lambda x: x,
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}
SLOPES = {
    "tanh": sech_squared,
    "sigmoid": logistic_slope,
    "relu": lambda x: mpmath.mpf(x > 0),
    "identity": lambda x: mpmath.mpf(1),
    "softplus": logistic,
}
CURVATURES = {
    "tanh": lambda x: -2 * mpmath.tanh(x) * sech_squared(x),
    "sigmoid": lambda x: -mpmath.tanh(x / 2) * logistic_slope(x),
    "softplus": logistic_slope,
}


def grid(dtype):
    """Points of both signs, from 1e-8 to where e^{-|x|} underflows, and 0."""
    low = -np.log(np.finfo(dtype).tiny)
    rng = np.random.default_rng(0)
    sizes = np.concatenate([np.linspace(0, low, 150), 10 ** rng.uniform(-8, np.log10(low), 150)])
    return np.concatenate([-sizes, sizes]).astype(dtype)


def worst_relative_error(got, exact, dtype):
    """Largest relative error in eps. Where the result underflows, 100 % (a flush to 0) is no error.

    A factor 4 above the smallest normal number, because a factor of the result may underflow first.
    """
    eps, low = float(jnp.finfo(dtype).eps), 4 * float(jnp.finfo(dtype).tiny)
    worst = 0.0
    for g, e in zip(np.asarray(got, np.float64), exact, strict=True):
        difference = abs(mpmath.mpf(float(g)) - e)
        if abs(e) >= low or difference > abs(e):
            worst = max(worst, float(difference / max(abs(e), mpmath.mpf(low))) / eps)
    return worst


def compare(function, exact, x, dtype):
    got = jax.jit(jax.vmap(function))(jnp.asarray(x, dtype))
    assert got.dtype == dtype
    points = [mpmath.mpf(float(v)) for v in np.asarray(jnp.asarray(x, dtype), np.float64)]
    return worst_relative_error(got, [mpmath.mpf(exact(p)) for p in points], dtype)


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_values_keep_their_digits(name, dtype):
    function = activations.get(name)
    assert compare(function, VALUES[name], grid(dtype), dtype) <= tolerances.ACTIVATION_VALUE


@pytest.mark.parametrize("mode", [jax.grad, jax.jacfwd])
@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_slopes_keep_their_digits_when_saturated(name, mode, dtype):
    function = mode(activations.get(name))
    assert compare(function, SLOPES[name], grid(dtype), dtype) <= tolerances.ACTIVATION_SLOPE


@pytest.mark.parametrize("name", CURVATURES)
def test_second_derivatives_keep_their_digits(name, dtype):
    function = jax.grad(jax.grad(activations.get(name)))
    error = compare(function, CURVATURES[name], grid(dtype), dtype)
    assert error <= tolerances.ACTIVATION_CURVATURE


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_bfloat16_slopes_are_rounded_float32_slopes(name):
    x = np.linspace(-60, 60, 121)
    function = jax.grad(activations.get(name))
    assert compare(function, SLOPES[name], x, jnp.bfloat16) <= tolerances.ACTIVATION_SLOPE


def test_the_usual_derivatives_would_fail(dtype):
    x = grid(dtype)
    for function, exact in ((jnp.tanh, sech_squared), (jax.nn.sigmoid, logistic_slope)):
        lost = 0.5 / float(jnp.finfo(dtype).eps)
        assert compare(jax.grad(function), exact, x, dtype) > lost


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_far_out_values_and_slopes_are_limits_not_nan(name, dtype):
    function = activations.get(name)
    x = jnp.array([-jnp.inf, -1e30, 1e30, jnp.inf], dtype)
    value, slope = jax.vmap(jax.value_and_grad(function))(x)
    limits = {
        "tanh": ([-1, -1, 1, 1], [0, 0, 0, 0]),
        "sigmoid": ([0, 0, 1, 1], [0, 0, 0, 0]),
        "relu": ([0, 0, x[2], jnp.inf], [0, 0, 1, 1]),
        "identity": (x, [1, 1, 1, 1]),
        "softplus": ([0, 0, x[2], jnp.inf], [0, 0, 1, 1]),
    }[name]
    np.testing.assert_array_equal(value, np.asarray(limits[0], dtype))
    np.testing.assert_array_equal(slope, np.asarray(limits[1], dtype))


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_nan_stays_nan(name, dtype):
    function = activations.get(name)
    assert jnp.isnan(function(jnp.asarray(jnp.nan, dtype)))


def test_relu_slope_at_zero_is_zero(dtype):
    assert jax.grad(activations.relu)(jnp.zeros((), dtype)) == 0


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_third_derivative_is_finite(name, dtype):
    third = jax.vmap(jax.grad(jax.grad(jax.grad(activations.get(name)))))
    assert jnp.all(jnp.isfinite(third(jnp.asarray(grid(dtype)))))


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
@given(x=st.floats(-1e4, 1e4, width=32))
def test_slope_never_exceeds_its_bound(name, x):
    function = activations.get(name)
    slope = jax.grad(function)(x)
    eps = float(jnp.finfo(slope.dtype).eps)
    bound = activations.slope_bound(function) * (1 + tolerances.ACTIVATION_SLOPE * eps)
    assert abs(float(slope)) <= bound


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_slope_bound_is_reached(name, dtype):
    largest = jnp.max(jax.vmap(jax.grad(activations.get(name)))(jnp.asarray(grid(dtype))))
    eps = float(jnp.finfo(dtype).eps)
    assert abs(float(largest) / activations.slope_bound(name) - 1) <= (
        tolerances.ACTIVATION_SLOPE * eps
    )


def test_get_accepts_names_and_callables():
    assert activations.get("tanh") is activations.tanh
    assert activations.get(jnp.sin) is jnp.sin


def test_slope_bound_accepts_the_number_itself():
    assert activations.slope_bound(0.5) == 0.5


def test_errors_name_what_is_allowed():
    allowed = r"activation: expected one of 'tanh', 'sigmoid', .*; got 'Tanh'"
    with pytest.raises(ValueError, match=allowed):
        activations.get("Tanh")
    with pytest.raises(TypeError, match="activation: expected a name or a callable; got None"):
        activations.get(None)
    with pytest.raises(ValueError, match="activation: expected a known activation, or its"):
        activations.slope_bound(jnp.sin)
    with pytest.raises(ValueError, match="activation: expected a slope bound >= 0; got -1.0"):
        activations.slope_bound(-1.0)


def test_error_helper_sees_a_wrong_digit(dtype):
    eps = float(jnp.finfo(dtype).eps)
    exact = [mpmath.mpf(1)]
    assert worst_relative_error(np.array([1 + 20 * eps]), exact, dtype) > 19
    assert worst_relative_error(np.array([1.0]), exact, dtype) == 0
