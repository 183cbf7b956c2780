"""The gradient of a loss with respect to the parameters, at any magnitude and in any precision."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjac._support.compiled import compiled
from rnnjac.diagnosis.along import flattened, floating_leaves, loss_gradient
from rnnjac.linalg import jacobi
from rnnjac.linalg.signs import signs
from rnnjac.system.dynamics import Step, bind
from rnnjac.system.points import Point

BFLOAT16 = {"exponent_bits": 8, "mantissa_bits": 7}


class Gradient(NamedTuple):
    """A gradient as the log of its norm and a unit vector."""

    log_norm: jax.Array
    direction: jax.Array


@compiled("step", "length", "loss")
def rounded_gradient(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any,
    end: jax.Array,
    number: jax.Array | None,
    cotangent: jax.Array,
    noise: float | jax.Array,
    coarse: bool | jax.Array,
    *,
    length: int | None,
    loss: Callable | None,
) -> Gradient:
    """dL/d(params) by backpropagation through time, rescaled at every step.

    Without a loss, ``L = cotangent . s_end``. Without floating-point parameters, dL/d(state).
    ``noise`` moves every entry of every state and gradient on the way by that relative amount, up
    or down at random, as rounding does (its unit roundoff). ``coarse`` rounds parameters, inputs,
    states and gradients to bfloat16, products being summed as before.
    """

    def coarsely(value: Any) -> Any:
        leaves, rebuilt = floating_leaves(value)
        return rebuilt(
            [jnp.where(coarse, jax.lax.reduce_precision(leaf, **BFLOAT16), leaf) for leaf in leaves]
        )

    system = bind(step, coarsely(params), state, coarsely(inputs), length)
    weights, rebuilt = floating_leaves(system.params)
    times = jnp.arange(system.length)
    n, dtype = system.start.size, system.start.dtype

    def rounded(vector: jax.Array, time: jax.Array) -> jax.Array:
        return coarsely(vector * (1 + noise * signs(1, n, time)[0].astype(dtype)))

    def ahead(point: Point, at: tuple) -> tuple[Point, Point]:
        time, x = at

        def live(point: Point) -> Point:
            point = system.advance(system.params, point, x)
            return point._replace(flat=rounded(point.flat, time))

        return jax.lax.cond(time < end, live, lambda point: point, point), point

    last, states = jax.lax.scan(ahead, system.start, (times, system.inputs))
    if loss is not None:
        cotangent = loss_gradient(system, loss, last, number)

    def back(carry: tuple, at: tuple) -> tuple[tuple, None]:
        time, point, x = at

        def advance(weights: list, flat: jax.Array) -> jax.Array:
            return system.advance(rebuilt(weights), point._replace(flat=flat), x).flat

        def live(carry: tuple) -> tuple:
            (log, vector), (scale, total) = carry
            _, pull_back = jax.vjp(advance, weights, point.flat)
            part, vector = pull_back(vector)
            # the sum so far is in units of e^scale, that of the largest gradient met
            common = jnp.maximum(scale, log)
            ratios = [jnp.where(jnp.isneginf(a), 0, jnp.exp(a - common)) for a in (scale, log)]
            total = [a * ratios[0] + b * ratios[1] for a, b in zip(total, part, strict=True)]
            return _split(log, rounded(vector, time)), (common, total)

        return jax.lax.cond(time < end, live, lambda carry: carry, carry), None

    nothing = [jnp.zeros_like(leaf) for leaf in weights]
    first = (_split(jnp.zeros((), dtype), cotangent), (jnp.full((), -jnp.inf, dtype), nothing))
    (at_start, (scale, total)), _ = jax.lax.scan(
        back, first, (times, states, system.inputs), reverse=True
    )
    return Gradient(*(_split(scale, flattened(total)) if weights else at_start))


def _split(log_norm: jax.Array, vector: jax.Array) -> tuple[jax.Array, jax.Array]:
    log_norm, direction = jacobi.normalise_rows(log_norm[None], vector[None])
    return log_norm[0], direction[0]
