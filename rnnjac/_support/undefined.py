"""NaN on purpose, where an answer is not defined."""

import jax
import jax.numpy as jnp


def undefined(where: jax.Array, values: jax.Array) -> jax.Array:
    """The values, with NaN where they are not defined.

    People leave ``jax_debug_nans`` on to find NaN that nobody meant; it does not stop at these.
    """
    with jax.debug_nans(False):
        return _marked(where, values)


@jax.jit
def _marked(where: jax.Array, values: jax.Array) -> jax.Array:
    return jnp.where(where, jnp.nan, values)
