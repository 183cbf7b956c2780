"""Numbers read off a spectrum: dimension, entropy, horizon, rank.

Everything here takes arrays of natural logs and knows nothing of networks. One spectrum per call;
batches with ``jax.vmap``. The order of the entries never matters.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac._support.precision import at_least_float32


def _floats(name: str, value: Any) -> jax.Array:
    """``value`` as a floating-point array of at least 32 bits."""
    array = jnp.asarray(value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise checks.error(name, "real floating-point values", f"dtype {array.dtype}", TypeError)
    return at_least_float32(array)


def _spectrum(name: str, value: Any) -> jax.Array:
    """``value`` as a floating-point vector with at least one entry."""
    array = _floats(name, value)
    if array.ndim != 1 or array.size == 0:
        raise checks.error(name, "shape (n,) with n >= 1", f"shape {array.shape}")
    return array


def kaplan_yorke_dimension(exponents: jax.Array) -> jax.Array:
    """Kaplan-Yorke (Lyapunov) dimension of an attractor.

    With lambda_1 >= ... >= lambda_n, S_j = lambda_1 + ... + lambda_j and j the largest index with
    S_j >= 0,

        D = j + S_j / |lambda_{j+1}|,

    the dimension at which volumes neither grow nor shrink. 0 if all exponents are negative, n if
    S_n >= 0.

    Parameters
    ----------
    exponents : (n,) array, floating-point, any order
        The whole Lyapunov spectrum in natural logs per step (or per any time: D has no unit).
        -inf for a lost direction.

    Returns
    -------
    () array from 0 to n, in the dtype of ``exponents`` (float32 for 16-bit types). NaN if any
    exponent is NaN.

    Raises
    ------
    ValueError
        If ``exponents`` has not one axis with at least one entry.
    TypeError
        If ``exponents`` is not real floating-point.

    Notes
    -----
    Continuous in the exponents, and piecewise differentiable. The leading k of n exponents are
    enough if their sum is negative; if it is not, the result is only the lower bound k.

    References
    ----------
    Kaplan and Yorke (1979); Frederickson, Kaplan, Yorke, Yorke (1983).

    Examples
    --------
    >>> float(kaplan_yorke_dimension([0.5, 0.0, -1.0]))
    2.5
    """
    exponents = _spectrum("exponents", exponents)
    ordered = jnp.sort(exponents, descending=True)
    sums = jnp.concatenate([jnp.zeros_like(ordered[:1]), jnp.cumsum(ordered)])
    j = jnp.sum(sums[1:] >= 0)
    following = jnp.concatenate([ordered, jnp.full_like(ordered[:1], -jnp.inf)])[j]
    # Rounding of the sums may make the next exponent 0; the exact fraction lies in [0, 1).
    fraction = jnp.clip(sums[j] / jnp.where(following < 0, -following, jnp.inf), 0, 1)
    dimension = j.astype(exponents.dtype) + fraction
    return jnp.where(jnp.any(jnp.isnan(exponents)), jnp.nan, dimension)


def entropy_rate(exponents: jax.Array) -> jax.Array:
    """Entropy rate by Pesin's formula.

    h = sum of the positive lambda_i. For an attractor with a smooth (SRB) measure this is its
    Kolmogorov-Sinai entropy; otherwise an upper bound (Ruelle).

    Parameters
    ----------
    exponents : (n,) array, floating-point, natural log per step, any order
        At least every positive exponent.

    Returns
    -------
    () array, nats per step, 0 if no exponent is positive; in the dtype of ``exponents`` (float32
    for 16-bit types). NaN if any exponent is NaN.

    Raises
    ------
    ValueError
        If ``exponents`` has not one axis with at least one entry.
    TypeError
        If ``exponents`` is not real floating-point.

    Notes
    -----
    Differentiable where no exponent is 0; there the derivative taken is 0.

    References
    ----------
    Pesin (1977); Ruelle (1978).

    Examples
    --------
    >>> float(entropy_rate([0.5, 0.25, -1.0]))
    0.75
    """
    exponents = _spectrum("exponents", exponents)
    return jnp.sum(jnp.where(exponents <= 0, 0, exponents))


def horizon(rate: jax.Array, *, factor: float = math.e) -> jax.Array:
    """Horizon: the steps over which a gradient shrinks by a factor.

    horizon = log(factor) / (-rate): with the default factor e it is -1 / rate; factor 2 gives the
    half-life.

    Parameters
    ----------
    rate : array, any shape, floating-point, natural log per step
        A Lyapunov exponent, or the slope of log gradient norms against the lag.
    factor : float > 1

    Returns
    -------
    array of the shape of ``rate``, in steps. inf where the rate is 0 or positive: such a gradient
    never shrinks. 0 where it is -inf, NaN where it is NaN.

    Raises
    ------
    ValueError
        If ``factor`` is not above 1.
    TypeError
        If ``rate`` is not real floating-point.

    Notes
    -----
    Differentiable where the rate is negative.

    Examples
    --------
    >>> float(horizon(-0.25))
    4.0
    """
    if not factor > 1:
        raise checks.error("factor", "a number > 1", factor)
    rate = _floats("rate", rate)
    shrinks = ~(rate >= 0)  # NaN goes this way, and stays NaN
    return jnp.where(shrinks, math.log(factor) / -jnp.where(shrinks, rate, -1), jnp.inf)


def participation_ratio(log_singular_values: jax.Array) -> jax.Array:
    """Participation ratio of a spectrum.

    PR = (sum_i s_i^2)^2 / sum_i s_i^4, the number of directions that share the gain of a product:
    1 if one singular value dominates, n if all are equal. With s = |v|, the logs of the entries of
    a vector, it is the number of units that share the vector: 1 / sum_i v_i^4 if v has norm 1.

    Parameters
    ----------
    log_singular_values : (n,) array, floating-point, natural log, any order
        Totals, not per step. -inf for a lost direction.

    Returns
    -------
    () array from 1 to n, in the dtype of the logs (float32 for 16-bit types). NaN if an entry is
    NaN or +inf, or if all are -inf.

    Raises
    ------
    ValueError
        If there is not one axis with at least one entry.
    TypeError
        If the logs are not real floating-point.

    Notes
    -----
    Only differences of logs enter, so nothing over- or underflows. Differentiable.

    Examples
    --------
    >>> float(participation_ratio([-500.0, -500.0, -2000.0]))
    2.0
    """
    logs = _spectrum("log_singular_values", log_singular_values)
    # The ratio does not depend on the scale: hold the largest log constant.
    squares = jnp.exp(2 * (logs - jax.lax.stop_gradient(jnp.max(logs))))
    return jnp.square(jnp.sum(squares)) / jnp.sum(jnp.square(squares))


def log_condition(log_singular_values: jax.Array) -> jax.Array:
    """Log condition number of a product.

    log kappa = log s_max - log s_min.

    Parameters
    ----------
    log_singular_values : (n,) array, floating-point, natural log, any order

    Returns
    -------
    () array, natural log, not negative; in the dtype of the logs (float32 for 16-bit types). inf if
    a direction is lost (-inf); NaN if an entry is NaN or all are -inf.

    Raises
    ------
    ValueError
        If there is not one axis with at least one entry.
    TypeError
        If the logs are not real floating-point.

    Examples
    --------
    >>> float(log_condition([1.0, -2000.0]))
    2001.0
    """
    logs = _spectrum("log_singular_values", log_singular_values)
    return jnp.max(logs) - jnp.min(logs)


def effective_rank(log_singular_values: jax.Array, tolerance: float) -> jax.Array:
    """Count of the singular values that are not small against the largest.

    rank = #{i : s_i >= tolerance * s_max, s_i > 0}.

    Parameters
    ----------
    log_singular_values : (n,) array, floating-point, natural log, any order
    tolerance : float, 0 < tolerance <= 1
        Relative to the largest singular value; 1e-3 asks how many directions keep a thousandth.

    Returns
    -------
    () array, a whole number from 0 to n in the dtype of the logs (float32 for 16-bit types), so
    that it can be NaN if an entry is NaN. 0 if all entries are -inf.

    Raises
    ------
    ValueError
        If there is not one axis with at least one entry, or the tolerance is out of range.
    TypeError
        If the logs are not real floating-point.

    Notes
    -----
    Piecewise constant: its derivative is 0.

    Examples
    --------
    >>> float(effective_rank([0.0, -3.0, -900.0], 1e-2))
    2.0
    """
    logs = _spectrum("log_singular_values", log_singular_values)
    if not 0 < tolerance <= 1:
        raise checks.error("tolerance", "a number above 0 and up to 1", tolerance)
    kept = (logs >= jnp.max(logs) + math.log(tolerance)) & (logs > -jnp.inf)
    return jnp.where(jnp.any(jnp.isnan(logs)), jnp.nan, jnp.sum(kept.astype(logs.dtype)))
