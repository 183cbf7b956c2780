"""Units that saturate: tanh, sigmoid, softplus.

The usual derivative of tanh is ``1 - tanh(x)**2``, computed from the value. At x = 9 in float32 the
value rounds to 1 and nothing is left of 4e-8; the singular values of a saturated network would then
be rounding noise. Here every derivative is computed from ``x``, out of exponentials of ``-|x|``,
which neither cancel nor overflow:

    sech(x)^2   = (2 p / (1 + p^2))^2,    p = e^{-|x|}
    sigmoid'(x) = p / (1 + p)^2

The form with p^2 instead of e^{-2|x|} stays a normal number until the result itself is not one.
"""

import jax
import jax.numpy as jnp

from rnnjac._support.precision import at_least_float32


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
