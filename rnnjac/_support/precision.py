"""The precision that narrow floating-point numbers are computed in."""

import jax
import jax.numpy as jnp


def at_least_float32(array: jax.Array) -> jax.Array:
    """A floating-point array as it is, or in float32 if it has fewer bits (float16, bfloat16)."""
    return array if jnp.finfo(array.dtype).bits >= 32 else array.astype(jnp.float32)
