"""The product of two graded products: what makes them associative, and so parallel in time."""

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac._support.compiled import compiled
from rnnjac.linalg.graded import GradedProduct, by_scale, orthogonal_left


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
    n elimination steps of O(n^2) work each and one QR. Not differentiable.

    Examples
    --------
    >>> from rnnjac import graded_product
    >>> half = graded_product(jnp.full((1, 1, 1), 0.5))
    >>> combine(half, half).log_singular_values() / jnp.log(2.0)
    Array([-2.], dtype=float32)
    """
    if later.left.shape != earlier.left.shape:
        raise checks.error("later", f"size {earlier.left.shape[-1]}", later.left.shape[-1])
    core = later.right @ earlier.left
    left, scale, right = _eliminate_core(later.log_scale, core, earlier.log_scale)
    product = GradedProduct(later.left @ left, scale, right @ earlier.right)
    return orthogonal_left(by_scale(product)[0])


def _eliminate_core(row_scale: jax.Array, core: jax.Array, column_scale: jax.Array):
    """Factors of diag(e^a) X diag(e^b) = L diag(e^d) U with entries of L and U at most 1.

    Complete pivoting by a_i + log |x_ij| + b_j. Pivot (p, q) gives d = a_p + log |x_pq| + b_q, the
    column x_iq / x_pq e^(a_i - a_p) of L and the row x_pj / |x_pq| e^(b_j - b_q) of U.
    """
    n = core.shape[0]
    alive_rows, alive_columns = ~jnp.isneginf(row_scale), ~jnp.isneginf(column_scale)
    a = jnp.where(alive_rows, row_scale, 0)
    b = jnp.where(alive_columns, column_scale, 0)

    def one(step: jax.Array, carry: tuple) -> tuple:
        x, rows, columns, left, scale, right = carry
        size = a[:, None] + jnp.log(jnp.abs(x)) + b[None, :]
        size = jnp.where(rows[:, None] & columns[None, :], size, -jnp.inf)
        p, q = jnp.unravel_index(jnp.argmax(size), (n, n))
        pivot, largest = x[p, q], size[p, q]
        lost = jnp.isneginf(largest)
        safe = jnp.where(lost, 1, pivot)
        ratio = jnp.where(rows & ~lost, x[:, q] / safe, 0)
        along = jnp.where(columns & ~lost, x[p] / jnp.abs(safe), 0)
        # what is left has scaled entries below the pivot's, so the exponents cannot overflow
        column = ratio * jnp.exp(jnp.where(ratio == 0, 0, a - a[p]))
        row = along * jnp.exp(jnp.where(along == 0, 0, b - b[q]))
        x = jnp.where(lost, x, x - ratio[:, None] * x[p][None, :])
        rows = rows & (lost | (jnp.arange(n) != p))
        columns = columns & (lost | (jnp.arange(n) != q))
        left, right = left.at[:, step].set(column), right.at[step].set(row)
        return x, rows, columns, left, scale.at[step].set(largest), right

    zero = jnp.zeros((n, n), core.dtype)
    start = (core, alive_rows, alive_columns, zero, jnp.full(n, -jnp.inf, core.dtype), zero)
    return jax.lax.fori_loop(0, n, one, start)[3:]
