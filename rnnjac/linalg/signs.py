"""Random numbers that are the same in every run: probes of a norm, models of rounding."""

import jax
import jax.numpy as jnp
import numpy as np

ROWS = 61


def signs(count: int, n: int, place: jax.Array | int = 0) -> jax.Array:
    """``count`` vectors of n random signs, (count, n) in float32; others at every other place.

    They stand in a fixed table of 61 + count rows, and ``place`` says where in it to begin.
    """
    table = np.random.default_rng(n).choice([-1.0, 1.0], size=(ROWS + count, n))
    return jax.lax.dynamic_slice_in_dim(jnp.asarray(table, jnp.float32), place % ROWS, count)


def normals(count: int, n: int, place: jax.Array | int = 0) -> jax.Array:
    """``count`` vectors of n normal numbers, as `signs`: sums of signs can be 0 exactly."""
    table = np.random.default_rng(n).normal(size=(ROWS + count, n))
    return jax.lax.dynamic_slice_in_dim(jnp.asarray(table, jnp.float32), place % ROWS, count)
