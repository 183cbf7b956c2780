"""How seldom a tangent frame may be factorised, found out along the way.

Between two factorisations the frame's vectors turn towards the direction that grows fastest. The
LU that follows takes that direction out of the others again, and every digit by which a pivot falls
short of what it is taken from is lost to cancellation: with L' R = J_m ... J_1 L,

    loss = (largest entry of the frame on the way) / min_j |r_jj|,

and log |r_jj| is off by some loss * eps. An interval is kept while loss * eps stays below `LOST`;
where it does not, the same steps are taken once more with a factorisation after each.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from rnnjac import frame
from rnnjac.dynamics import System
from rnnjac.jacobian import push_forward

# Absolute error that a longer interval may add to log |r_jj|; in float32 no interval qualifies.
LOST = 1e-10
INTERVALS = (1, 2, 4)
GROUP = INTERVALS[-1]


class Flow(NamedTuple):
    """A state, the (n, k) frame at it, and the logs (k,) by which the frame has grown so far."""

    flat: jax.Array
    vectors: jax.Array
    logs: jax.Array


def every_step(system: System, flow: Flow, inputs: Any, length: int) -> Flow:
    """The flow after ``length`` steps, its frame factorised after each; differentiable."""
    return _at_interval(1, system, flow, inputs, length)[0]


def as_needed(
    system: System, flow: Flow, level: jax.Array, inputs: Any, length: int
) -> tuple[Flow, jax.Array]:
    """The flow after ``length`` steps (a multiple of `GROUP`), factorised no more than it needs.

    ``level`` says which of `INTERVALS` is tried first, and comes back as it was at the end. Under
    `jax.vmap`, where all branches would be taken at once, and for derivatives it is `every_step`.
    """
    first = jax.tree.map(lambda a: a[0], inputs)
    # what the user's step closes over may be traced; custom rules need it among the arguments
    traced = jax.make_jaxpr(system.advance)(system.params, flow.flat, first)

    def bound(params: Any, enclosed: list) -> System:
        advance = jaxpr_as_fun(ClosedJaxpr(traced.jaxpr, enclosed))
        return system._replace(
            advance=lambda *arguments: advance(*jax.tree.leaves(arguments))[0], params=params
        )

    def plain(params, enclosed, flow, level, inputs) -> tuple[Flow, jax.Array]:
        return every_step(bound(params, enclosed), flow, inputs, length), level

    @jax.custom_batching.custom_vmap
    def adaptive(params, enclosed, flow, level, inputs) -> tuple[Flow, jax.Array]:
        system = bound(params, enclosed)

        def one(carry: tuple[Flow, jax.Array], xs: Any) -> tuple[tuple[Flow, jax.Array], None]:
            return _group(system, *carry, xs), None

        groups = jax.tree.map(lambda a: a.reshape(-1, GROUP, *a.shape[1:]), inputs)
        return jax.lax.scan(one, (flow, level), groups, length=length // GROUP)[0]

    @adaptive.def_vmap
    def batched(size: int, mapped: list, *arguments: Any) -> tuple[Any, Any]:
        axes = jax.tree.map(lambda is_mapped: 0 if is_mapped else None, tuple(mapped))
        out = jax.vmap(plain, in_axes=axes, out_axes=0, axis_size=size)(*arguments)
        return out, jax.tree.map(lambda _: True, out)

    @jax.custom_jvp
    def differentiable(*arguments: Any) -> tuple[Flow, jax.Array]:
        return adaptive(*arguments)

    differentiable.defjvp(lambda primals, tangents: jax.jvp(plain, primals, tangents))
    return differentiable(system.params, traced.consts, flow, level, inputs)


def _group(system: System, flow: Flow, level: jax.Array, inputs: Any) -> tuple[Flow, jax.Array]:
    """`GROUP` steps at the interval of ``level``, or at 1 if that lost too much; the next level."""
    limit = LOST / jnp.finfo(flow.logs.dtype).eps
    runs = [lambda flow, xs, m=m: _at_interval(m, system, flow, xs, GROUP) for m in INTERVALS]
    tried, loss = jax.lax.switch(level, runs, flow, inputs)
    failed = (level > 0) & ~(loss <= limit)
    done = jax.lax.cond(failed, lambda: runs[0](flow, inputs)[0], lambda: tried)
    # twice the interval loses about twice the digits
    longer = (loss * loss < limit) & (level < len(INTERVALS) - 1)
    return done, level + jnp.where(failed, -1, jnp.where(longer, 1, 0))


def _at_interval(
    interval: int, system: System, flow: Flow, inputs: Any, length: int
) -> tuple[Flow, jax.Array]:
    """``length`` steps with a factorisation after each ``interval``, and the largest loss."""

    def push(carry: tuple, x: Any) -> tuple[tuple, None]:
        flat, vectors, peak = carry
        flat, image = push_forward(system, flat, x, vectors)
        return (flat, image, jnp.maximum(peak, jnp.max(jnp.abs(image)))), None

    def one(carry: tuple[Flow, jax.Array], xs: Any) -> tuple[tuple[Flow, jax.Array], None]:
        (flat, vectors, logs), loss = carry
        start = (flat, vectors, jnp.zeros((), logs.dtype))
        if interval == 1:
            (flat, image, peak), _ = push(start, xs)
        else:
            (flat, image, peak), _ = jax.lax.scan(push, start, xs, length=interval)
        vectors, grown = frame.eliminate(image)
        loss = jnp.maximum(loss, peak * jnp.exp(-jnp.min(grown)))
        return (Flow(flat, vectors, logs + grown), loss), None

    if interval > 1:
        inputs = jax.tree.map(lambda a: a.reshape(-1, interval, *a.shape[1:]), inputs)
    start = (flow, jnp.zeros((), flow.logs.dtype))
    return jax.lax.scan(one, start, inputs, length=length // interval)[0]
