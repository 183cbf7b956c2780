"""The product of two graded products: what makes them associative, and so parallel in time."""

import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac._support.compiled import compiled
from rnnjac._support.undifferentiable import undifferentiable
from rnnjac.linalg import running
from rnnjac.linalg.graded import GradedProduct, graded
from rnnjac.linalg.pivoting import eliminate
from rnnjac.linalg.running import Running


@compiled()
def combine(later: GradedProduct, earlier: GradedProduct) -> GradedProduct:
    """Graded form of ``later @ earlier``.

    With P2 P1 = L2 D2 (U2 L1) D1 U1, the core D2 (U2 L1) D1 is factored by elimination of X = U2 L1
    itself, which does not see diagonal scalings, with complete pivoting on the scaled entries.

    Parameters
    ----------
    later, earlier : GradedProduct
        Products of the same size; ``later`` covers the later span of time.

    Returns
    -------
    GradedProduct
        Their product. Combining is associative up to rounding.

    Raises
    ------
    ValueError
        If the sizes differ.

    Notes
    -----
    n elimination steps of O(n^2) work each and two QRs. Not differentiable.

    Examples
    --------
    >>> from rnnjac import graded_product
    >>> half = graded_product(jnp.full((1, 1, 1), 0.5))
    >>> combine(half, half).log_singular_values() / jnp.log(2.0)
    Array([-2.], dtype=float32)
    """
    if later.left.shape != earlier.left.shape:
        raise checks.error("later", f"size {earlier.left.shape[-1]}", later.left.shape[-1])
    later, earlier = undifferentiable("combine", (later, earlier))
    core = eliminate(later.right @ earlier.left, later.exponent, earlier.exponent)
    vectors, lower = (later.left @ core.left).T, (core.right @ earlier.right).T
    turn = jnp.eye(core.exponent.size, dtype=vectors.dtype)
    return graded(running.rebalance(Running(vectors, core.exponent, lower, turn))[0])
