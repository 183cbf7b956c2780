"""Random numbers that are the same in every run: probes of a norm, models of rounding."""

import jax
import jax.numpy as jnp
import numpy as np

ROWS = 61


def signs(count: int, n: int, place: jax.Array | int = 0) -> jax.Array:
    """``count`` vectors of n random signs, (count, n) in float32; others at every other place."""
    table = np.random.default_rng(n).choice([-1.0, 1.0], size=(ROWS + count, n))
    return _rows(table, count, place)


def normals(count: int, n: int, place: jax.Array | int = 0) -> jax.Array:
    """``count`` vectors of n normal numbers, as `signs`: sums of signs can be 0 exactly."""
    return _rows(np.random.default_rng(n).normal(size=(ROWS + count, n)), count, place)


def _rows(table: np.ndarray, count: int, place: jax.Array | int) -> jax.Array:
    """Those of a fixed table that stand at ``place``, which begins anew after all of them."""
    return jax.lax.dynamic_slice_in_dim(jnp.asarray(table, jnp.float32), place % ROWS, count)
