"""Units that multiply their argument by a gate: silu, gelu in its tanh form, mish.

All three rise for x > x0, fall for x < x0 < 0 and decay as x e^x or faster. With G the gate, the
slope G + x G' is a sum of one sign for x > 0 but cancels around its root x0. There the numerator
N(x), which is 0 at x0, is written as N(x) - N(x0), a sum of differences that all have the sign of
t = x - x0; each is a product or an expm1 of something in t, so that no digit is lost.
"""

import math

import jax
import jax.numpy as jnp

from rnnjac.activations import _parts
from rnnjac.activations._saturating import sigmoid

# Beyond this every e^{-|x|} and |x| e^{-|x|} is 0 in float64, and infinity minus it is no number.
_FAR = 1024.0


# -x0 of each, as `_parts.minus` takes it.
_SILU = (1.2784645557403564, -1.2979282759673083e-08, 1.0946994183093437e-16)  # 1 + x + e^x = 0
_GELU_TANH = (0.7524614334106445, -1.1339628347428743e-08, 7.466669737043878e-17)
_MISH = (1.1924312114715576, 3.0439375464652585e-09, 4.8484829848031044e-17)


@_parts.in_float32
def _silu_slope(x):
    # At x = -a, p = e^-a: slope = p N / (1 + p)^2, N = 1 + x + e^x = t + e^x0 (e^t - 1). And the
    # slopes at x and -x add up to 1.
    a = _parts.size(x, _FAR)
    p, t = jnp.exp(-a), -_parts.minus(a, _SILU)
    left = p * (t + (sum(_SILU) - 1) * _parts.expm1(t)) / jnp.square(1 + p)
    return jnp.where(x < 0, left, 1 - left)


@_parts.with_slope(_silu_slope)
def silu(x: jax.Array) -> jax.Array:
    """Sigmoid linear unit (swish).

    silu(x) = x sigmoid(x), with derivative sigmoid(x) (1 + x sigmoid(-x)), which is 0 at x = -1.278
    and largest at 2.399: 1.0998.

    Parameters
    ----------
    x : array, any shape, floating-point

    Returns
    -------
    array of the shape and dtype of ``x``, at least -0.2785. NaN where ``x`` is NaN.

    Notes
    -----
    Differentiable to any order, in forward and reverse mode. The first derivative has a relative
    error of a few eps, close to its root too, until e^{-|x|} underflows.

    References
    ----------
    Elfwing, Uchibe, Doya (2018), eqs. (4), (5); Hendrycks, Gimpel (2016).

    Examples
    --------
    >>> import jax
    >>> round(float(jax.grad(silu)(0.0)), 6)
    0.5
    """
    return _parts.in_float32(lambda x: jnp.maximum(x, -_FAR) * sigmoid(x))(x)


# v(x) = k x + l x^3 with k = sqrt(8 / pi) and l = 0.044715 k, each right to 107 bits as a sum.
_K = (1.5957691216057308, -9.96930880911092e-17)
_L = (0.07135481627260025, -6.175149918155315e-19)
_GELU_TANH_DECAY = 0.29195521191476714  # e^v(x0)
_CUT = 32.0  # beyond, e^-v is 0 in float64


def _cut_off(constant, bits):
    """First ``bits`` of a positive constant, and the rest."""
    unit = 2.0 ** (math.frexp(constant[0])[1] - bits)
    high = math.floor(constant[0] / unit) * unit
    return high, constant[0] - high + constant[1]


def _decay(a):
    """e^-v(a) for a >= 0, right to some eps: v itself, up to 700, would be off by as many.

    With a rounded to h, a multiple of 1/4 or 1/32, the products of h and h^3 with the first bits of
    k and l are exact, and the rest of v is of order 1.
    """
    wide = jnp.finfo(a.dtype).bits > 32
    grid, bits = (32, (40, 23)) if wide else (4, (16, 9))
    (linear, linear_rest), (cubic, cubic_rest) = map(_cut_off, (_K, _L), bits)
    h = jnp.round(a * grid) / grid
    cube = h * h * h
    rest = (a - h) * (_K[0] + _L[0] * (a * a + a * h + h * h))
    rest = rest + (linear_rest * h + cubic_rest * cube)
    first, second = jnp.exp(-linear * h), _parts.apart(jnp.exp(-cubic * cube), a)
    return first * second * _parts.apart(jnp.exp(-rest), a)


@_parts.in_float32
def _gelu_tanh_slope(x):
    # As for silu with v(x) in place of x in the exponent: N = 1 + x v'(x) + e^v.
    a = _parts.size(x, _CUT)
    q, below, root = _decay(a), _parts.minus(a, _GELU_TANH), sum(_GELU_TANH)
    squares = a * a + a * root + root * root
    numerator = _GELU_TANH_DECAY * _parts.expm1(-below * (_K[0] + _L[0] * squares))
    numerator = numerator - below * (_K[0] + 3 * _L[0] * squares)
    left = q * numerator / jnp.square(1 + q)
    return jnp.where(x < 0, left, 1 - left)


@_parts.with_slope(_gelu_tanh_slope)
def gelu_tanh(x: jax.Array) -> jax.Array:
    """Gaussian error linear unit in its tanh form.

    gelu_tanh(x) = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, which differs from `gelu` by
    at most 5e-4. Its derivative is 0 at x = -0.7525 and largest at 1.4185: 1.1290.

    Parameters
    ----------
    x : array, any shape, floating-point

    Returns
    -------
    array of the shape and dtype of ``x``, at least -0.1701. NaN where ``x`` is NaN.

    Notes
    -----
    Differentiable to any order, in forward and reverse mode. The value and the first derivative
    have a relative error of some eps, close to the root too, until they underflow at x = -7 in
    float32 and -20 in float64.

    References
    ----------
    Hendrycks, Gimpel (2016), section 2.

    Examples
    --------
    >>> import jax
    >>> round(float(jax.grad(gelu_tanh)(0.0)), 6)
    0.5
    """

    @_parts.in_float32
    def function(x):
        a = _parts.size(x, _CUT)
        q = _decay(a)
        return jnp.where(x < 0, -a * q, x) / (1 + q)

    return function(x)


_MISH_DECAY = 0.3034825352815289  # e^x0


@_parts.in_float32
def _mish_slope(x):
    # With e = e^x and w = e (e + 2), tanh(softplus(x)) = w / (w + 2), and the slope is e N/(w+2)^2,
    # N = e^3 + 4 e^2 + (6 + 4 x) e + 4 (1 + x). For x > 0, divided through by powers of e.
    a = _parts.size(x, _FAR)
    p, t, r = jnp.exp(-a), -_parts.minus(a, _MISH), _MISH_DECAY
    numerator = r**3 * _parts.expm1(3 * t) + 4 * r**2 * _parts.expm1(2 * t)
    numerator = numerator + (6 - 4 * sum(_MISH)) * r * _parts.expm1(t)
    left = p * (numerator + 4 * t * (1 + p)) / jnp.square(p * (p + 2) + 2)
    bottom = 1 + 2 * p * (1 + p)
    right = (1 + 2 * p) / bottom + 4 * a * p * p * (1 + p) / jnp.square(bottom)
    return jnp.where(x < 0, left, right)


@_parts.with_slope(_mish_slope)
def mish(x: jax.Array) -> jax.Array:
    """Smooth unit gated by the tanh of a softplus.

    mish(x) = x tanh(softplus(x)). Its derivative is 0 at x = -1.192 and largest at 1.491: 1.0885.

    Parameters
    ----------
    x : array, any shape, floating-point

    Returns
    -------
    array of the shape and dtype of ``x``, at least -0.3089. NaN where ``x`` is NaN.

    Notes
    -----
    As `silu`.

    References
    ----------
    Misra (2020), eq. (1).

    Examples
    --------
    >>> import jax
    >>> round(float(jax.grad(mish)(0.0)), 6)
    0.6
    """

    @_parts.in_float32
    def function(x):
        p = jnp.exp(-_parts.size(x, _FAR))
        w = p * (p + 2)
        left = jnp.maximum(x, -_FAR) * w / (w + 2)
        return jnp.where(x < 0, left, x * ((1 + 2 * p) / (1 + 2 * p * (1 + p))))

    return function(x)
