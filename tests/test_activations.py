import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjac import activations
from rnnjac.activations import _gelu
from tests import tolerances
from tests.activations_exact import (
    CURVATURES,
    SELU,
    SLOPES,
    VALUES,
    elu_slope,
    logistic_slope,
    sech_squared,
)

ROOTS = {
    "gelu": -0.7517915247,
    "gelu_tanh": -0.7524614221,
    "silu": -1.278464543,
    "mish": -1.192431215,
}
PEAKS = {"gelu": 2**0.5, "gelu_tanh": 1.4185040088, "silu": 2.3993572805, "mish": 1.4905711795}
HEADROOM = dict.fromkeys(ROOTS, 1024)


def around(root, dtype):
    """Points at distances from 1 down to some units in the last place, and the nearest number."""
    steps = 10.0 ** np.linspace(0, np.log10(float(jnp.finfo(dtype).eps)), 60)
    return np.concatenate([root - steps, [root], root + steps]).astype(dtype)


def grid(dtype):
    """Points of both signs, from 1e-8 to where e^{-|x|} underflows, and 0."""
    low = -np.log(np.finfo(dtype).tiny)
    rng = np.random.default_rng(0)
    sizes = np.concatenate([np.linspace(0, low, 100), 10 ** rng.uniform(-8, np.log10(low), 80)])
    return np.concatenate([-sizes, sizes]).astype(dtype)


def worst_relative_error(got, exact, dtype, headroom=4):
    """Largest relative error in eps. Where the result underflows, 100 % (a flush to 0) is no error.

    That is some way above the smallest normal number, because a factor of the result may underflow
    first: 2 p of tanh, p = e^{-|x|} of x p with |x| < 1024.
    """
    eps, low = float(jnp.finfo(dtype).eps), headroom * float(jnp.finfo(dtype).tiny)
    worst = 0.0
    for g, e in zip(np.asarray(got, np.float64), exact, strict=True):
        difference = abs(mpmath.mpf(float(g)) - e)
        if abs(e) >= low or difference > abs(e):
            worst = max(worst, float(difference / max(abs(e), mpmath.mpf(low))) / eps)
    return worst


def compare(function, exact, x, dtype, headroom=4):
    got = jax.jit(jax.vmap(function))(jnp.asarray(x, dtype))
    assert got.dtype == dtype
    points = [mpmath.mpf(float(v)) for v in np.asarray(jnp.asarray(x, dtype), np.float64)]
    return worst_relative_error(got, [mpmath.mpf(exact(p)) for p in points], dtype, headroom)


def slope_tolerance(name):
    return tolerances.GATED_SLOPE if name in ROOTS else tolerances.ACTIVATION_SLOPE


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_values_keep_their_digits(name, dtype):
    function = activations.get(name)
    error = compare(function, VALUES[name], grid(dtype), dtype, HEADROOM.get(name, 4))
    assert error <= tolerances.ACTIVATION_VALUE


@pytest.mark.parametrize("mode", [jax.grad, jax.jacfwd])
@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_slopes_keep_their_digits_when_saturated(name, mode, dtype):
    function = mode(activations.get(name))
    error = compare(function, SLOPES[name], grid(dtype), dtype, HEADROOM.get(name, 4))
    assert error <= slope_tolerance(name)


@pytest.mark.parametrize("name", ROOTS)
def test_slopes_keep_their_digits_at_their_roots(name, dtype):
    x = around(ROOTS[name], dtype)
    assert compare(jax.grad(activations.get(name)), SLOPES[name], x, dtype) <= slope_tolerance(name)


@pytest.mark.parametrize("name", CURVATURES)
def test_second_derivatives_keep_their_digits(name, dtype):
    function = jax.grad(jax.grad(activations.get(name)))
    error = compare(function, CURVATURES[name], grid(dtype), dtype)
    assert error <= tolerances.ACTIVATION_CURVATURE


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_bfloat16_slopes_are_rounded_float32_slopes(name):
    x = np.linspace(-60, 60, 121)
    function = jax.grad(activations.get(name))
    error = compare(function, SLOPES[name], x, jnp.bfloat16, HEADROOM.get(name, 4))
    assert error <= tolerances.ACTIVATION_SLOPE


def test_the_usual_derivatives_would_fail(dtype):
    x = grid(dtype)
    for function, exact in (
        (jnp.tanh, sech_squared),
        (jax.nn.sigmoid, logistic_slope),
        (jax.nn.elu, elu_slope),
    ):
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
        "softsign": ([-1, -1, 1, 1], [0, 1e-60, 1e-60, 0]),
        "hard_tanh": ([-1, -1, 1, 1], [0, 0, 0, 0]),
        "elu": ([-1, -1, x[2], jnp.inf], [0, 0, 1, 1]),
        "selu": ([-SELU[0] * SELU[1]] * 2 + [SELU[0] * 1e30, jnp.inf], [0, 0, SELU[0], SELU[0]]),
        "leaky_relu": ([-jnp.inf, -1e28, x[2], jnp.inf], [0.01, 0.01, 1, 1]),
    }.get(name, ([0, 0, x[2], jnp.inf], [0, 0, 1, 1]))
    # scale and alpha are rounded, and 1e-60 is 0 in float32
    few = {"rtol": 4 * float(jnp.finfo(dtype).eps), "atol": float(jnp.finfo(dtype).tiny)}
    np.testing.assert_allclose(value, np.array([float(v) for v in limits[0]]), **few)
    np.testing.assert_allclose(slope, np.array([float(v) for v in limits[1]]), **few)


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_nan_stays_nan(name, dtype):
    function = activations.get(name)
    assert jnp.isnan(function(jnp.asarray(jnp.nan, dtype)))


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_corners_have_the_slope_of_their_left_or_of_zero(name, dtype):
    tolerance = tolerances.ACTIVATION_SLOPE * tolerances.eps(dtype)
    slope = jax.grad(activations.get(name))
    corners = {"hard_tanh": (-1, 1), "relu": (0,), "leaky_relu": (0,), "selu": (0,)}.get(name, ())
    for corner in corners:
        want = {"leaky_relu": 0.01, "selu": float(SELU[0] * SELU[1])}.get(name, 0)
        np.testing.assert_allclose(slope(jnp.asarray(corner, dtype)), want, rtol=tolerance)


def test_options_are_those_of_the_papers(dtype):
    x = jnp.asarray([-2.0, 3.0], dtype)
    slopes = jax.vmap(jax.grad(lambda x: activations.elu(x, 0.5)))(x)
    tolerance = tolerances.ACTIVATION_SLOPE * tolerances.eps(dtype)
    np.testing.assert_allclose(slopes, [0.5 * np.exp(-2.0), 1], rtol=tolerance)
    np.testing.assert_array_equal(activations.leaky_relu(x, 0.25), [-0.5, 3])


def test_tables_of_gelu_are_chebyshev_coefficients():
    def mills(a):
        return mpmath.erfc(a / mpmath.sqrt(2)) / 2 / mpmath.npdf(a)

    root = sum(map(mpmath.mpf, _gelu._ROOT))
    assert abs(mills(root) - root) < 1e-30
    count = 40
    angles = [mpmath.pi * (k + mpmath.mpf(1) / 2) / count for k in range(count)]
    at = [5 * (1 + mpmath.cos(t)) / (1 - mpmath.cos(t)) for t in angles]
    tables = {
        _gelu._G: [(a - mills(a)) / (a - root) for a in at],
        _gelu._H: [(1 + a) * mills(a) for a in at],
    }
    for table, values in tables.items():
        for j, found in enumerate(table):
            terms = [v * mpmath.cos(j * t) for v, t in zip(values, angles, strict=True)]
            assert abs(sum(terms) * (2 if j else 1) / count - found) < 1.2e-16


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
    x = jnp.asarray(np.append(grid(dtype), PEAKS.get(name, 0)).astype(dtype))
    largest = jnp.max(jax.vmap(jax.grad(activations.get(name)))(x))
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
