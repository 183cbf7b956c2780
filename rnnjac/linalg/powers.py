"""Scales as whole powers of two, which multiply without rounding.

An exponent is an int32, so a scale has any range. Both directions go through the bits of a float:
`jnp.exp2` is not exact on every accelerator.
"""

import jax
import jax.numpy as jnp
import numpy as np

# The exponent of zero: far below any other, and sums of a few of them are still int32.
LOST = -(2**29)
LOG_2 = float(np.log(2.0))


def exponent_of(x: jax.Array) -> jax.Array:
    """The e with |x| in [2^(e-1), 2^e), int32; `LOST` for 0 and what is subnormal."""
    integer, width, bias = _layout(x.dtype)
    bits = jax.lax.bitcast_convert_type(x, integer)
    biased = ((bits >> width) & (2 * bias + 1)).astype(jnp.int32)
    return jnp.where(biased == 0, LOST, biased - (bias - 1))


def power_of_two(exponent: jax.Array, dtype) -> jax.Array:
    """2^exponent, exact; 0 below the smallest normal number, at most the largest power of two."""
    integer, width, bias = _layout(dtype)
    biased = jnp.clip(exponent + bias, 0, 2 * bias).astype(integer)
    return jax.lax.bitcast_convert_type(biased << width, dtype)


def is_lost(exponent: jax.Array) -> jax.Array:
    """Whether an exponent is that of zero, whatever has been added to it since."""
    return exponent < LOST // 2


def log_of(exponent: jax.Array, dtype) -> jax.Array:
    """Natural log of 2^exponent; -inf where lost."""
    return jnp.where(is_lost(exponent), -jnp.inf, exponent.astype(dtype) * LOG_2)


def _layout(dtype) -> tuple[type, int, int]:
    """An integer as wide as a float, the bits of the fraction, the bias of the exponent."""
    if jnp.dtype(dtype) == jnp.float64:
        return jnp.int64, 52, 1023
    return jnp.int32, 23, 127
