"""A sequence of matrices multiplied to graded form."""

import jax
import jax.numpy as jnp

from rnnjac._support.batching import in_turns
from rnnjac._support.compiled import compiled
from rnnjac._support.undifferentiable import undifferentiable
from rnnjac.linalg.graded import GradedProduct, graded
from rnnjac.system.dynamics import bind
from rnnjac.system.flow import advance, start
from rnnjac.system.matrices import apply_factor, checked_factors


@compiled()
def graded_product(jacobians: jax.Array) -> GradedProduct:
    """Graded form of the product of a sequence of matrices.

    ``J_T ... J_2 J_1`` for ``jacobians = [J_1, ..., J_T]``: the latest factor on the left. For its
    singular values alone, with an error estimate, use `product_spectrum`.

    Parameters
    ----------
    jacobians : Array, shape (T, n, n)
        Real floating-point factors in the order of time; float16 is computed in float32.

    Returns
    -------
    GradedProduct
        ``left @ diag(2^exponent) @ right``, of any magnitude.

    Raises
    ------
    ValueError
        If there are not three axes, or the factors are not square or empty.
    TypeError
        If the entries are not real floating point.

    Notes
    -----
    O(T n^3) work, O(n^2) memory besides the input. Relative errors of singular values of some 10 to
    1000 eps for well-conditioned factors. Not differentiable.

    References
    ----------
    Demmel, Gu, Eisenstat, Slapnicar, Veselic & Drmac (1999).

    Examples
    --------
    >>> product = graded_product(jnp.full((2000, 1, 1), 0.5))
    >>> jnp.round(product.log_singular_values() / jnp.log(2.0))
    Array([-2000.], dtype=float32)
    """
    factors = undifferentiable("graded_product", checked_factors("jacobians", jacobians))

    def multiplied(factors: jax.Array) -> GradedProduct:
        zero = jnp.zeros(factors.shape[1], factors.dtype)
        system = bind(apply_factor, None, zero, factors, None)
        flow = start(system, error=False, turn=True)
        if system.length:  # without a factor there is no row to trace
            flow = advance(system, flow, jnp.asarray(system.length, jnp.int32))
        return graded(flow.product)

    return in_turns(multiplied, factors.shape[1])(factors)
