"""One factor more on a running product, with whatever it needs to stay well-conditioned."""

import jax
import jax.numpy as jnp

from rnnjac.linalg import rounding, running
from rnnjac.linalg.pivoting import eliminate
from rnnjac.linalg.powers import is_lost
from rnnjac.linalg.rounding import Rounding, Steps
from rnnjac.linalg.running import Elimination, Running


def lengthen(product: Running, image: jax.Array) -> Running:
    """J P, given the ``image`` J L, transposed."""
    longer, sound = running.extend(product, image)
    longer = jax.lax.cond(sound, lambda: longer, lambda: pivoted(product, None, image, 0)[0])
    worn = ~sound | running.degraded(longer)
    return jax.lax.cond(worn, lambda: running.rebalance(longer)[0], lambda: longer)


def pivoted(
    product: Running, error: Rounding | None, image: jax.Array, time: jax.Array | int
) -> tuple[Running, Rounding | None]:
    """J P by complete pivoting, given the ``image`` (k, m) J L, transposed, k <= m; its rounding.

    V is no longer triangular: the product is to be rebalanced.
    """
    k, m = image.shape
    found = eliminate(image.T, jnp.zeros(m, jnp.int32), product.exponent)
    lower = product.lower @ found.right.T
    longer = product._replace(vectors=found.left.T, exponent=found.exponent, lower=lower)
    if error is None:
        return longer, None
    was_lost, lost = is_lost(product.exponent)[found.columns], is_lost(found.exponent)
    error = rounding.reordered(error, found.columns)
    rows = found.rows[:k]
    packed = found.triangle.T + jnp.triu(found.left[rows].T, 1)
    last = Elimination(packed, rows, found.certain)
    sizes, none = rounding.sizes_of(image, last), jnp.zeros_like(found.exponent)
    steps = Steps(found.triangle.T, none, last, sizes, sizes**2, jnp.ones((), jnp.int32))
    error = rounding.after_steps(error, steps, lost, jnp.asarray(time, jnp.int32))
    unsure = lost & ~was_lost & ~found.certain
    return longer, error._replace(variance=jnp.where(unsure, jnp.inf, error.variance))


def rebalanced(product: Running, error: Rounding | None) -> tuple[Running, Rounding | None]:
    """The product in order again, and its rounding."""
    product, change = running.rebalance(product)
    if error is None:
        return product, None
    return product, rounding.after_rebalancing(error, change, is_lost(product.exponent))
