"""One factor more on a running product, with whatever it needs to stay well-conditioned."""

import jax
import jax.numpy as jnp

from rnnjac.linalg import running
from rnnjac.linalg.pivoting import Pivoted, eliminate
from rnnjac.linalg.running import Running


def lengthen(product: Running, image: jax.Array) -> Running:
    """J P, given the ``image`` J L, transposed."""
    longer, sound = running.extend(product, image)
    longer = jax.lax.cond(sound, lambda: longer, lambda: pivoted(product, image)[0])
    worn = ~sound | running.degraded(longer)
    return jax.lax.cond(worn, lambda: running.rebalance(longer)[0], lambda: longer)


def pivoted(product: Running, image: jax.Array) -> tuple[Running, Pivoted]:
    """J P by complete pivoting. Its V is no longer triangular: it is to be rebalanced."""
    rows = jnp.zeros(image.shape[1], jnp.int32)
    found = eliminate(image.T, rows, product.exponent)
    lower = product.lower @ found.right.T
    longer = product._replace(vectors=found.left.T, exponent=found.exponent, lower=lower)
    return longer, found
