"""The Gaussian error linear unit.

Its slope for x = -a < 0 is phi(a) (M(a) - a), with phi the normal density and M(a) = Phi(-a)/phi(a)
the Mills ratio. What is tabled are two smooth functions of a in [0, inf), of order 1,

    G(a) = (a - M(a)) / (a - a0),   M(a0) = a0,      H(a) = (1 + a) M(a),

as Chebyshev series in y = (a - 5) / (a + 5): the slope is then a product, right to some eps at its
root -a0 and far out. The coefficients are right to 1e-17; the tests compute them anew.
"""

import jax
import jax.numpy as jnp

from rnnjac.activations import _parts

_SCALE = 5.0  # of y: of 2 to 6 the one with the fewest coefficients
_ROOT = (0.7517915368080139, -1.2114449443600961e-08, -1.4956759177009883e-17)  # a0
_G = (
    1.2259182622406541,
    -0.30393785499390014,
    0.10080911941980679,
    -0.02834394150977215,
    0.006648706164325906,
    -0.0012562643746282273,
    0.0001762481522962657,
    -1.3934341854313243e-05,
    -6.54352032292436e-07,
    3.4603378634424706e-07,
    -2.8982042399895598e-08,
    -4.561373933353276e-09,
    1.103611736562751e-09,
    3.1381299877663516e-11,
    -3.1843566810017055e-11,
    7.326034994733094e-13,
    9.279813088657945e-13,
    -4.932455102179649e-14,
    -2.9600864941493794e-14,
    1.9120642281862737e-15,
    1.0532083706440697e-15,
    -5.841572147253876e-17,
    -4.1097974248411194e-17,
)
_H = (
    1.1579976221305188,
    -0.1633449388451398,
    -0.013683136055781576,
    0.03082200019810004,
    -0.016220073012046806,
    0.005616691016460094,
    -0.0014133933783549216,
    0.0002502625460725661,
    -2.468907239728387e-05,
    -1.0107964061837592e-06,
    7.495419179740573e-07,
    -7.600274268728337e-08,
    -1.1574771441328644e-08,
    3.333386472599843e-09,
    7.538039628171347e-11,
    -1.1104247263727494e-10,
    3.509243776551059e-12,
    3.6894953861750955e-12,
    -2.3376697776383095e-13,
    -1.3271797523541405e-13,
    9.921706995888276e-15,
    5.276004995455379e-15,
    -3.373097694187922e-16,
    -2.2804338776379946e-16,
    7.496330565808626e-18,
    1.0328041877290668e-17,
)
_FAR = 64.0  # the density is 0 in float64 from 39 on


def _series(coefficients, a):
    """Chebyshev series in y = (a - 5) / (a + 5), by Clenshaw's recurrence."""
    y = (a - _SCALE) / (a + _SCALE)
    low, high = jnp.zeros_like(a), jnp.zeros_like(a)
    for coefficient in coefficients[:0:-1]:
        low, high = 2 * y * low - high + coefficient, low
    return y * low - high + coefficients[0]


def _density(a):
    """Normal density: with a rounded to h, a multiple of 1/16, h^2 is exact and the rest small."""
    h = jnp.round(16 * a) / 16
    rest = (a - h) * (a + h)
    # the constant is 1 / sqrt(2 pi)
    return 0.3989422804014327 * jnp.exp(-h * h / 2) * _parts.apart(jnp.exp(-rest / 2), a)


@_parts.in_float32
def _slope(x):
    a = _parts.size(x, _FAR)
    left = -_density(a) * (_parts.minus(a, _ROOT) * _series(_G, a))
    return jnp.where(x < 0, left, 1 - left)  # the slopes at x and -x add up to 1


@_parts.with_slope(_slope)
def gelu(x: jax.Array) -> jax.Array:
    """Gaussian error linear unit.

    gelu(x) = x Phi(x), Phi the normal distribution function, with derivative Phi(x) + x phi(x),
    which is 0 at x = -0.7518 and largest at sqrt(2): 1.1289. `gelu_tanh` is the common short form.

    Parameters
    ----------
    x : array, any shape, floating-point

    Returns
    -------
    array of the shape and dtype of ``x``, at least -0.1700. NaN where ``x`` is NaN.

    Notes
    -----
    Differentiable to any order, in forward and reverse mode. The value and the first derivative
    have a relative error of some eps, close to the root too, until they underflow at x = -13 in
    float32 and -38 in float64.

    References
    ----------
    Hendrycks, Gimpel (2016), section 2.

    Examples
    --------
    >>> import jax
    >>> round(float(jax.grad(gelu)(0.0)), 6)
    0.5
    """

    @_parts.in_float32
    def function(x):
        a = _parts.size(x, _FAR)
        left = -a * (_density(a) * (_series(_H, a) / (1 + a)))
        return jnp.where(x < 0, left, x + left)

    return function(x)
