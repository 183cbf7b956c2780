"""What the activation functions share."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnnjac._support.precision import at_least_float32

Activation = Callable[[jax.Array], jax.Array]


def with_slope(slope: Activation) -> Callable[[Activation], Activation]:
    """Decorator that gives a function of one array the derivative ``slope``."""

    def decorate(function):
        function = jax.custom_jvp(function)

        @function.defjvp
        def _(primals, tangents):
            return function(*primals), slope(*primals) * tangents[0]

        return function

    return decorate


def in_float32(function: Activation) -> Activation:
    """``function`` as it is, except that arrays of 16-bit types go through it in float32."""

    def widened(x):
        x = jnp.asarray(x)
        return function(at_least_float32(x)).astype(x.dtype)

    return widened


def size(x: jax.Array, largest: float) -> jax.Array:
    """|x|, at most ``largest``; with derivative 1 at 0, as what holds for x > 0 has it there."""
    return jnp.minimum(jnp.where(x < 0, -x, x), largest)


def apart(value: jax.Array | float, a: jax.Array) -> jax.Array:
    """``value`` of what is computed from a >= 0, kept apart from what it is joined with.

    XLA adds the constants of (a - c) - d, and the arguments of e^b e^c, and loses the digits that
    they were split for. It does not look through a select.
    """
    return jnp.where(a >= 0, value, 0)


def minus(a: jax.Array, root: tuple[float, float, float]) -> jax.Array:
    """Difference of a >= 0 and a root in three parts, right to an eps even next to the root.

    The first part is a number of float32 and the second a multiple of 2^-52, so that near the root
    both differences are exact in either precision.
    """
    high, middle, low = root
    return ((a - high) - apart(middle, a)) - apart(low, a)


@with_slope(jnp.exp)
def expm1(x: jax.Array) -> jax.Array:
    """e^x - 1, whose derivative is e^x; jnp.expm1 takes its value plus 1, and loses it."""
    return jnp.expm1(x)
