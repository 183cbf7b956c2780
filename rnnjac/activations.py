"""Activation functions whose derivatives keep their digits when the unit is saturated.

The usual derivative of tanh is ``1 - tanh(x)**2``, computed from the value. At x = 9 in float32 the
value rounds to 1 and nothing is left of 4e-8; the singular values of a saturated network would then
be rounding noise. Here every derivative is computed from ``x``, out of exponentials of ``-|x|``,
which neither cancel nor overflow:

    sech(x)^2   = (2 p / (1 + p^2))^2,    p = e^{-|x|}
    sigmoid'(x) = p / (1 + p)^2

The form with p^2 instead of e^{-2|x|} stays a normal number until the result itself is not one.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac._support.precision import at_least_float32

Activation = Callable[[jax.Array], jax.Array]


def _decay(x: jax.Array) -> tuple[jax.Array, jnp.dtype]:
    """e^{-|x|}, in float32 for the 16-bit types, and the dtype to return to."""
    x = jnp.asarray(x)
    return jnp.exp(-jnp.abs(at_least_float32(x))), x.dtype


@jax.custom_jvp
def _sech_squared(x: jax.Array) -> jax.Array:
    p, dtype = _decay(x)
    return jnp.square(2 * p / (1 + p * p)).astype(dtype)


@jax.custom_jvp
def _sigmoid_slope(x: jax.Array) -> jax.Array:
    p, dtype = _decay(x)
    return (p / jnp.square(1 + p)).astype(dtype)


@jax.custom_jvp
def tanh(x: jax.Array) -> jax.Array:
    """Hyperbolic tangent.

    tanh(x) = (e^x - e^{-x}) / (e^x + e^{-x}), with tanh'(x) = sech(x)^2 and sup |tanh'| = 1.

    Parameters
    ----------
    x : array, any shape, floating-point

    Returns
    -------
    array of the shape and dtype of ``x``. NaN where ``x`` is NaN.

    Notes
    -----
    Differentiable to any order, in forward and reverse mode. The first derivative has a relative
    error of a few eps (at most 5 on CPU) for |x| < 44 in float32 and |x| < 354 in float64; beyond
    that it is smaller than the smallest normal number and underflows, to 0 on most machines.

    Examples
    --------
    >>> import jax
    >>> float(jax.grad(tanh)(0.0))
    1.0
    """
    return jnp.tanh(x)


@jax.custom_jvp
def sigmoid(x: jax.Array) -> jax.Array:
    """Logistic function.

    sigmoid(x) = 1 / (1 + e^{-x}), with sup |sigmoid'| = sigmoid'(0) = 1/4.

    Parameters
    ----------
    x : array, any shape, floating-point

    Returns
    -------
    array of the shape and dtype of ``x``, between 0 and 1. NaN where ``x`` is NaN.

    Notes
    -----
    Differentiable to any order, in forward and reverse mode. The value at x < 0 and the first
    derivative have a relative error of a few eps (at most 4 on CPU) for |x| < 87 in float32 and
    |x| < 708 in float64; beyond that they are smaller than the smallest normal number.

    Examples
    --------
    >>> import jax
    >>> float(jax.grad(sigmoid)(0.0))
    0.25
    """
    p, dtype = _decay(x)
    return (jnp.where(jnp.asarray(x) < 0, p, 1) / (1 + p)).astype(dtype)


@jax.custom_jvp
def softplus(x: jax.Array) -> jax.Array:
    """Smooth rectifier.

    softplus(x) = log(1 + e^x), with derivative sigmoid(x) and sup |softplus'| = 1.

    Parameters
    ----------
    x : array, any shape, floating-point

    Returns
    -------
    array of the shape and dtype of ``x``, not negative. NaN where ``x`` is NaN.

    Notes
    -----
    Differentiable to any order.

    Examples
    --------
    >>> import jax
    >>> float(jax.grad(softplus)(0.0))
    0.5
    """
    p, dtype = _decay(x)
    return (jnp.maximum(jnp.asarray(x).astype(p.dtype), 0) + jnp.log1p(p)).astype(dtype)


def relu(x: jax.Array) -> jax.Array:
    """Rectified linear unit.

    relu(x) = max(x, 0). The derivative is 1 for x > 0 and exactly 0 elsewhere, at x = 0 too.

    Parameters
    ----------
    x : array, any shape, floating-point

    Returns
    -------
    array of the shape and dtype of ``x``, not negative. NaN where ``x`` is NaN.

    Examples
    --------
    >>> import jax
    >>> float(jax.grad(relu)(0.0))
    0.0
    """
    return jax.nn.relu(x)


def identity(x: jax.Array) -> jax.Array:
    """Identity function: a linear network.

    identity(x) = x, with derivative 1.

    Parameters
    ----------
    x : array, any shape, floating-point

    Returns
    -------
    ``x``.

    Examples
    --------
    >>> identity(3.0)
    3.0
    """
    return x


@_sech_squared.defjvp
def _(primals, tangents):
    # d sech^2 = -2 tanh sech^2: again a product, so it keeps its digits too.
    (x,), (dx,) = primals, tangents
    slope = _sech_squared(x)
    return slope, -2 * tanh(x) * slope * dx


@_sigmoid_slope.defjvp
def _(primals, tangents):
    # sigmoid'' = sigmoid' (1 - 2 sigmoid) = -sigmoid' tanh(x/2); the difference would cancel at 0.
    (x,), (dx,) = primals, tangents
    slope = _sigmoid_slope(x)
    return slope, -slope * tanh(x / 2) * dx


@tanh.defjvp
def _(primals, tangents):
    (x,), (dx,) = primals, tangents
    return tanh(x), _sech_squared(x) * dx


@sigmoid.defjvp
def _(primals, tangents):
    (x,), (dx,) = primals, tangents
    return sigmoid(x), _sigmoid_slope(x) * dx


@softplus.defjvp
def _(primals, tangents):
    (x,), (dx,) = primals, tangents
    return softplus(x), sigmoid(x) * dx


ACTIVATIONS: dict[str, Activation] = {
    "tanh": tanh,
    "sigmoid": sigmoid,
    "relu": relu,
    "identity": identity,
    "softplus": softplus,
}

_SLOPE_BOUNDS = {"tanh": 1.0, "sigmoid": 0.25, "relu": 1.0, "identity": 1.0, "softplus": 1.0}


def get(activation: str | Activation) -> Activation:
    """Activation function of a name, or the callable given.

    Parameters
    ----------
    activation : a key of ``ACTIVATIONS``, or any elementwise callable
        A callable is returned as it is; ``jax.numpy.tanh`` keeps its own, cancelling derivative.

    Returns
    -------
    callable from an array to an array of the same shape.

    Raises
    ------
    ValueError
        If the name is not known.
    TypeError
        If ``activation`` is neither a string nor callable.

    Examples
    --------
    >>> get("tanh") is tanh
    True
    """
    if isinstance(activation, str):
        checks.one_of("activation", activation, ACTIVATIONS)
        return ACTIVATIONS[activation]
    if not callable(activation):
        raise checks.error(
            "activation", "a name or a callable", checks.describe(activation), TypeError
        )
    return activation


def slope_bound(activation: str | Activation | float) -> float:
    """Largest slope of an activation function.

    gamma = sup_x |phi'(x)|: 1 for tanh, relu, identity and softplus, 1/4 for sigmoid.

    Parameters
    ----------
    activation : a key of ``ACTIVATIONS``, one of its functions, or gamma itself
        For any other function gamma is not known here: give the number.

    Returns
    -------
    float, without unit.

    Raises
    ------
    ValueError
        If the name is not known, the number is negative, or the callable is not one of this module.
    TypeError
        If ``activation`` is neither a string, nor callable, nor a real number.

    References
    ----------
    Pascanu, Mikolov, Bengio (2013), section 2.1.

    Examples
    --------
    >>> slope_bound("sigmoid")
    0.25
    """
    if isinstance(activation, (int, float)):
        if isinstance(activation, bool) or not activation >= 0:
            raise checks.error("activation", "a slope bound >= 0", activation)
        return float(activation)
    function = get(activation)
    for name, known in ACTIVATIONS.items():
        if function is known:
            return _SLOPE_BOUNDS[name]
    expected = "a known activation, or its largest slope as a number"
    raise checks.error("activation", expected, checks.describe(activation))
