"""A running product between other spaces: R P, P B, with rectangular R and B.

R is one factor more, with rows of zeros until it is square. With U = V Q, P B = L diag(2^k) (U B),
which is eliminated with complete pivoting: that does not see the scales 2^k, and a relative error
of one of them stays with the row that it belongs to.
"""

import jax
import jax.numpy as jnp

from rnnjac.linalg.lengthen import pivoted, rebalanced
from rnnjac.linalg.pivoting import eliminate
from rnnjac.linalg.powers import is_lost
from rnnjac.linalg.rounding import Rounding
from rnnjac.linalg.running import Running


def seen_through(
    product: Running, error: Rounding | None, readout: jax.Array
) -> tuple[Running, Rounding | None]:
    """R P for a ``readout`` R (q, n), and its rounding; at most q directions are left."""
    image = product.vectors @ readout.T
    k, q = image.shape
    square = jnp.pad(image, ((0, 0), (0, max(0, k - q))))
    longer, error = rebalanced(*pivoted(product, error, square, 0))
    # what is lost stands last
    longer = Running(longer.vectors[:q], longer.exponent[:q], longer.lower[:, :q], longer.turn)
    if error is not None:
        error = Rounding(error.variance[:q], error.tilt[:q, :q])
    return longer, error


def started_from(
    product: Running, error: Rounding | None, frame: jax.Array
) -> tuple[Running, Rounding | None]:
    """P B for a ``frame`` B (n, p), and its rounding; P has kept its ``turn``, P B has none.

    An entry of U B is rounded by eps of |U| |B|, which is relative to its pivot.
    """
    assert product.turn is not None
    k, p = product.exponent.size, frame.shape[1]
    right = (product.turn @ product.lower).T
    core, size = right @ frame, jnp.max(jnp.abs(right) @ jnp.abs(frame), axis=1)
    if p >= k:
        longer = product._replace(lower=core.T, turn=None)
        largest = jnp.max(jnp.abs(core), axis=1)
        unsure = (largest == 0) & (size > 0)  # cancelled, which zeros alone do exactly
        rows = jnp.arange(k)
    else:
        found = eliminate(core, product.exponent, jnp.zeros(p, jnp.int32))
        vectors = found.left.T @ product.vectors
        longer = Running(vectors, found.exponent, found.right.T, None)
        largest, rows = jnp.abs(jnp.diagonal(found.triangle)), found.rows[:p]
        unsure = is_lost(found.exponent) & ~found.certain
    if error is None:
        return longer, None
    relative = size[rows] / jnp.where(largest == 0, 1, largest)
    doubtful = 2 * float(jnp.finfo(core.dtype).eps) * relative >= 1
    variance = error.variance[rows] + jnp.where(largest == 0, 0, k * relative**2)
    variance = jnp.where(unsure | (doubtful & (largest > 0)), jnp.inf, variance)
    return longer, Rounding(variance, jnp.zeros((len(rows), len(rows)), jnp.float32))
