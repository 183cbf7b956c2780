"""The graded product P = L diag(2^k) U: well-conditioned L and U, all of the scale in k.

Rank-revealing in the sense of Demmel et al. (1999); the UDT product of determinant quantum Monte
Carlo; Stewart's graded matrices. Nothing here knows of recurrent networks.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac._support.compiled import compiled
from rnnjac._support.summary import counted, shown, summary
from rnnjac.linalg import jacobi, running
from rnnjac.linalg.powers import log_of, power_of_two
from rnnjac.linalg.running import Running


class GradedProduct(NamedTuple):
    """A product ``P = left @ diag(2^exponent) @ right`` whose scale may have any range.

    ``left`` and ``right`` are (n, n) matrices, well-conditioned as a rule. ``exponent`` is int32,
    -2^29 for a lost direction. For vectors beyond the range of floats shift it first:
    ``product._replace(exponent=product.exponent - k)`` is 2^-k P.
    """

    left: jax.Array
    exponent: jax.Array
    right: jax.Array

    @property
    def log_scale(self) -> jax.Array:
        """Natural logs of the scales, ``exponent`` times ln 2; -inf for a lost direction."""
        return log_of(self.exponent, self.left.dtype)

    def log_singular_values(self) -> jax.Array:
        """Natural logs of the singular values of P, shape (n,), descending; -inf where lost."""
        return _log_singular_values(self)

    def log_norm(self) -> jax.Array:
        """Natural log of the spectral norm of P, a scalar."""
        return self.log_singular_values()[0]

    def apply(self, v: jax.Array) -> jax.Array:
        """P @ v for ``v`` of shape (n,) or (n, k); under- or overflows where the result does."""
        return _multiply(self.left, self.exponent, self.right, v)

    def transpose_apply(self, g: jax.Array) -> jax.Array:
        """P.T @ g for ``g`` of shape (n,) or (n, k): a gradient carried back to the start."""
        return _multiply(self.right.T, self.exponent, self.left.T, g)

    def __repr__(self) -> str:
        """Some lines to read, in place of the arrays."""
        return shown(self, _lines)


def graded(product: Running) -> GradedProduct:
    """A running product that has kept its ``turn``, as a graded one."""
    assert product.turn is not None
    return GradedProduct(product.vectors.T, product.exponent, (product.turn @ product.lower).T)


def _lines(product: GradedProduct) -> str:
    """Its size and range; for singular values it would have to be factored."""
    scale = np.asarray(product.log_scale, float)
    kept = scale[np.isfinite(scale)]
    entries = f"e^{kept.max():.4g} to e^{kept.min():.4g}" if kept.size else "none"
    return summary(
        f"GradedProduct: left @ diag(2^exponent) @ right of shape {product.right.shape}",
        {"scales": entries, "lost": counted(scale.size - kept.size, "direction", "directions")},
    )


@compiled()
def _log_singular_values(product: GradedProduct) -> jax.Array:
    left, exponent, right = product
    balanced, _ = running.rebalance(Running(left.T, exponent, right.T, None))
    logs = log_of(balanced.exponent, left.dtype)
    return jacobi.log_singular_values(logs, balanced.lower.T).values


@compiled()
def _multiply(left: jax.Array, exponent: jax.Array, right: jax.Array, v: jax.Array) -> jax.Array:
    v = jnp.asarray(v)
    if v.ndim not in (1, 2) or v.shape[0] != exponent.size:
        n = exponent.size
        raise checks.error("v", f"shape ({n},) or ({n}, k)", f"shape {v.shape}")
    # in two halves, so that what is out of range becomes 0 or inf
    half = exponent // 2
    scale = power_of_two(half, left.dtype), power_of_two(exponent - half, left.dtype)
    first, second = (s[:, None] if v.ndim == 2 else s for s in scale)
    return left @ (first * (second * (right @ v)))
