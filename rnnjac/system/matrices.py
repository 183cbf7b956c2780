"""A sequence of matrices as a system: each step applies the next one."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac._support.precision import at_least_float32


def apply_factor(params: Any, state: jax.Array, factor: jax.Array) -> jax.Array:
    """The step function of a product of matrices."""
    return factor @ state


def checked_factors(name: str, factors: Any) -> jax.Array:
    """(T, n, n) real floating-point factors, at least float32."""
    factors = jnp.asarray(factors)
    if factors.ndim != 3 or factors.shape[1] != factors.shape[2] or factors.shape[1] == 0:
        raise checks.error(name, "shape (T, n, n) with n >= 1", f"shape {factors.shape}")
    if not jnp.issubdtype(factors.dtype, jnp.floating):
        wanted = "real floating-point entries"
        raise checks.error(name, wanted, f"dtype {factors.dtype}", TypeError)
    return at_least_float32(factors)
