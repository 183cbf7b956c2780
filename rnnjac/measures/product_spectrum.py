"""The spectrum of matrices that come from elsewhere."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from rnnjac._support.undifferentiable import undifferentiable
from rnnjac.measures.spectrum import Spectrum, spectrum
from rnnjac.system.matrices import apply_factor, checked_factors


def product_spectrum(factors: jax.Array, *, at: Sequence[int] | None = None) -> Spectrum:
    """Every singular value of a product of matrices, in logs, with an error estimate.

    ``sigma_i(J_t ... J_1)`` for ``factors = [J_1, ..., J_T]``: what `spectrum` gives for a network,
    for Jacobians that come from elsewhere (another framework, a file, a simulator).

    Parameters
    ----------
    factors : Array, shape (T, n, n)
        Real floating-point factors in the order of time; float16 is computed in float32.
    at : sequence of int, optional
        Record the products of the first t factors for each of these t, 0 to T. By default T alone.

    Returns
    -------
    Spectrum
        ``log_singular_values`` of shape (n,), or (len(at), n); ``error`` alike; ``steps``.

    Raises
    ------
    ValueError
        If there are not three axes, or the factors are not square or empty; or if a time in ``at``
        is not an integer from 0 to T.
    TypeError
        If the entries are not real floating point.

    Notes
    -----
    As for `spectrum`. ``error`` takes the factors as exact: what they were rounded to before is not
    in it. NaN in a factor gives NaN. Not differentiable.

    References
    ----------
    Demmel, Gu, Eisenstat, Slapnicar, Veselic & Drmac (1999).

    Examples
    --------
    >>> found = product_spectrum(jnp.full((2000, 1, 1), 0.5))
    >>> jnp.round(found.log_singular_values / jnp.log(2.0)), bool(found.error[0] < 1e-2)
    (Array([-2000.], dtype=float32), True)
    """
    factors = undifferentiable("product_spectrum", checked_factors("factors", factors))
    start = jnp.zeros(factors.shape[1], factors.dtype)
    return spectrum(apply_factor, None, start, factors, at=at)
