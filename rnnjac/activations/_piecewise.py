"""Piecewise units: linear, exponential or rational on either side of 0."""

import jax
import jax.numpy as jnp

from rnnjac.activations import _parts

# Fixed by asking that mean 0 and variance 1 of a layer's units be kept (Klambauer et al.).
_SELU_SCALE = 1.0507009873554805
_SELU_ALPHA = 1.6732632423543772


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


def leaky_relu(x: jax.Array, negative_slope: float = 0.01) -> jax.Array:
    """Leaky rectified linear unit.

    leaky_relu(x) = x for x > 0 and a x elsewhere. The derivative is 1 for x > 0 and a elsewhere, at
    x = 0 too.

    Parameters
    ----------
    x : array, any shape, floating-point
    negative_slope : float
        a.

    Returns
    -------
    array of the shape and dtype of ``x``. NaN where ``x`` is NaN.

    References
    ----------
    Maas, Hannun, Ng (2013), section 2.

    Examples
    --------
    >>> float(leaky_relu(-100.0))
    -1.0
    """
    x = jnp.asarray(x)
    return jnp.where(x > 0, x, negative_slope * x)


def hard_tanh(x: jax.Array) -> jax.Array:
    """Identity cut off at -1 and 1.

    hard_tanh(x) = max(-1, min(1, x)). The derivative is 1 for |x| < 1 and exactly 0 elsewhere, at
    both corners too.

    Parameters
    ----------
    x : array, any shape, floating-point

    Returns
    -------
    array of the shape and dtype of ``x``, from -1 to 1. NaN where ``x`` is NaN.

    Examples
    --------
    >>> float(hard_tanh(3.0))
    1.0
    """
    x = jnp.asarray(x)
    return jnp.where(jnp.abs(x) < 1, x, jnp.sign(x))


def elu(x: jax.Array, alpha: float = 1.0) -> jax.Array:
    """Exponential linear unit.

    elu(x) = x for x > 0 and alpha (e^x - 1) elsewhere, with derivative 1 and alpha e^x. The usual
    derivative, the value plus alpha, is rounding noise from x = -17 on in float32.

    Parameters
    ----------
    x : array, any shape, floating-point
    alpha : float

    Returns
    -------
    array of the shape and dtype of ``x``, above -alpha. NaN where ``x`` is NaN.

    Notes
    -----
    Differentiable to any order on either side of 0. The derivative has a relative error of a few
    eps until it underflows.

    References
    ----------
    Clevert, Unterthiner, Hochreiter (2016), eq. (15).

    Examples
    --------
    >>> import jax
    >>> round(float(jax.grad(elu)(-20.0)) * 1e9, 4)
    2.0612
    """

    @_parts.in_float32
    def function(x):
        # the branch not taken sees 0, so that it gives no NaN to the derivative
        return jnp.where(x > 0, x, alpha * _parts.expm1(jnp.where(x > 0, 0, x)))

    return function(x)


def selu(x: jax.Array) -> jax.Array:
    """Scaled exponential linear unit.

    selu(x) = scale elu(x, alpha), scale = 1.0507 and alpha = 1.6733: layers of such units tend to
    mean 0 and variance 1. The largest slope is scale alpha = 1.7581, just below x = 0.

    Parameters
    ----------
    x : array, any shape, floating-point

    Returns
    -------
    array of the shape and dtype of ``x``, above -1.7581. NaN where ``x`` is NaN.

    Notes
    -----
    As `elu`.

    References
    ----------
    Klambauer, Unterthiner, Mayr, Hochreiter (2017), eq. (2) and eq. (14) for the constants.

    Examples
    --------
    >>> import jax
    >>> round(float(jax.grad(selu)(1.0)), 4)
    1.0507
    """
    return _parts.in_float32(lambda x: _SELU_SCALE * elu(x, _SELU_ALPHA))(x)


@_parts.in_float32
def _softsign_slope(x):
    return jnp.square(1 / (1 + jnp.where(x < 0, -x, x)))


@_parts.with_slope(_softsign_slope)
def softsign(x: jax.Array) -> jax.Array:
    """Rational unit that saturates slowly.

    softsign(x) = x / (1 + |x|), with derivative 1 / (1 + |x|)^2 and largest slope 1.

    Parameters
    ----------
    x : array, any shape, floating-point

    Returns
    -------
    array of the shape and dtype of ``x``, between -1 and 1. NaN where ``x`` is NaN.

    Notes
    -----
    Differentiable to any order on either side of 0. The derivative has a relative error of a few
    eps; the usual one is a difference, and has one of |x| eps.

    References
    ----------
    Turian, Bergstra, Bengio (2009), section 3.

    Examples
    --------
    >>> import jax
    >>> float(jax.grad(softsign)(-3.0))
    0.0625
    """

    @_parts.in_float32
    def function(x):
        size = jnp.abs(x)
        return jnp.where(jnp.isinf(x), jnp.sign(x), x / (1 + jnp.where(jnp.isinf(x), 0, size)))

    return function(x)
