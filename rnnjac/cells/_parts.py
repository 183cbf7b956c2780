"""What the cell constructors share: the input's drive, blocks of gates, dtypes and checks."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac._support import checks


def default(dtype: Any) -> Any:
    """``dtype``, or JAX's default float if None (asked for when called: the setting may change)."""
    return jnp.result_type(float) if dtype is None else dtype


def sizes(inputs: Any, hidden: Any) -> tuple[int, int]:
    """Sizes of the input and of the state, after checking them."""
    return checks.integer("inputs", inputs, 0), checks.integer("hidden", hidden, 1)


def flag(name: str, value: Any) -> bool:
    """``value``, after checking that it is True or False."""
    if not isinstance(value, bool):
        raise checks.error(name, "True or False", checks.describe(value), TypeError)
    return value


def number(name: str, value: Any, expected: str, fits) -> float:
    """``value`` as a float, after checking that it is a real number that ``fits``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise checks.error(name, expected, checks.describe(value), TypeError)
    if not fits(value):
        raise checks.error(name, expected, value)
    return float(value)


def drive(W_x: jax.Array, b: jax.Array, x: jax.Array | None) -> jax.Array:
    """W_x x + b, where no input is the same as zeros."""
    if x is None:
        return b
    if jnp.shape(x) != (W_x.shape[1],):
        raise checks.error("x", f"shape ({W_x.shape[1]},)", checks.describe(x))
    return W_x @ x + b


def embed(W_x: jax.Array, x: jax.Array | None) -> jax.Array:
    """W_x x, where no input is the same as zeros."""
    return drive(W_x, jnp.zeros(W_x.shape[0], W_x.dtype), x)


def wide(kind: Any) -> Any:
    """The dtype to draw a start in that goes through logs: ``kind``, float32 for 16-bit types."""
    return kind if jnp.finfo(kind).bits >= 32 else jnp.float32


def time_step_bias(key: jax.Array, shape: tuple[int, ...], kind: Any) -> jax.Array:
    """B with softplus(b) = dt, log dt uniform from log 0.001 to log 0.1."""
    low, high = math.log(1e-3), math.log(0.1)
    dt = jnp.exp(jax.random.uniform(key, shape, wide(kind), low, high))
    return jnp.log(jnp.expm1(dt)).astype(kind)


def product(W: jax.Array, h: jax.Array) -> jax.Array:
    """W h of stacked gates, the vector on the left.

    A batch of tangent vectors is then a matrix of rows, as `jacobians.push_forward` keeps it, and
    no block of it has to be transposed.
    """
    return h @ W.T


def blocks(stacked: jax.Array, size: int) -> list[jax.Array]:
    """Blocks of ``size`` rows, in their order."""
    return [stacked[start : start + size] for start in range(0, stacked.shape[0], size)]
