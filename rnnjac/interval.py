"""How seldom a tangent frame may be factorised, found out along the way.

Between two factorisations the frame's vectors turn towards the direction that grows fastest. The
LU that follows takes that direction out of the others again, and every digit by which a pivot falls
short of what it is taken from is lost to cancellation: with L' R = J_m ... J_1 L,

    loss = (largest entry of the frame on the way) / min_j |r_jj|,

and log |r_jj| is off by some loss * eps. An interval is kept while loss * eps stays below a limit;
where it does not, the same steps are taken once more with a factorisation after each.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from rnnjac.dynamics import System

GROUP = 4  # steps that share an interval: 1, 2 or 4


class Factorisation(NamedTuple):
    """A recursion that pushes a frame along and factorises it now and then.

    ``begin(carry)`` takes a frame out of what is carried, ``push(system, frame, x)`` moves it by a
    step, ``end(carry, frame)`` factorises it and gives the next carry and the loss. ``limit`` is
    the largest loss times eps that an interval of more than one step may have.
    """

    begin: Callable[[Any], Any]
    push: Callable[[System, Any, Any], Any]
    end: Callable[[Any, Any], tuple[Any, jax.Array]]
    limit: float


def every_step(rule: Factorisation, system: System, carry: Any, inputs: Any, length: int) -> Any:
    """The carry after ``length`` steps with a factorisation after each; differentiable."""

    def one(carry: Any, x: Any) -> tuple[Any, None]:
        return rule.end(carry, rule.push(system, rule.begin(carry), x))[0], None

    return jax.lax.scan(one, carry, inputs, length=length)[0]


def as_needed(
    rule: Factorisation, system: System, carry: Any, interval: jax.Array, inputs: Any, length: int
) -> tuple[Any, jax.Array]:
    """The carry after ``length`` steps, its frame factorised no more than it needs.

    ``interval`` is tried first, and comes back as it was at the end. Where no interval above 1 can
    qualify, under `jax.vmap` (where all would wait for the slowest) and for derivatives this is
    `every_step`.
    """
    if rule.limit < jnp.finfo(system.start.dtype).eps * GROUP or length < GROUP:
        return every_step(rule, system, carry, inputs, length), interval
    whole = length // GROUP * GROUP
    groups, rest = (
        jax.tree.map(lambda a: a[:whole].reshape(-1, GROUP, *a.shape[1:]), inputs),
        jax.tree.map(lambda a: a[whole:], inputs),
    )
    carry, interval = _adaptive(rule, system, carry, interval, groups, whole // GROUP)
    if whole < length:
        carry = every_step(rule, system, carry, rest, length - whole)
    return carry, interval


def _adaptive(
    rule: Factorisation, system: System, carry: Any, interval: jax.Array, groups: Any, count: int
) -> tuple[Any, jax.Array]:
    first = jax.tree.map(lambda a: a[0, 0], groups)
    # what the user's step closes over may be traced; custom rules need it among the arguments
    traced = jax.make_jaxpr(system.advance)(system.params, system.start, first)

    def bound(params: Any, enclosed: list) -> System:
        advance = jaxpr_as_fun(ClosedJaxpr(traced.jaxpr, enclosed))
        return system._replace(
            advance=lambda *arguments: advance(*jax.tree.leaves(arguments))[0], params=params
        )

    def plain(params, enclosed, carry, interval, groups) -> tuple[Any, jax.Array]:
        steps = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), groups)
        system = bound(params, enclosed)
        return every_step(rule, system, carry, steps, count * GROUP), interval

    @jax.custom_batching.custom_vmap
    def adaptive(params, enclosed, carry, interval, groups) -> tuple[Any, jax.Array]:
        system = bound(params, enclosed)

        def one(state: tuple[Any, jax.Array], xs: Any) -> tuple[tuple[Any, jax.Array], None]:
            return _group(rule, system, *state, xs), None

        return jax.lax.scan(one, (carry, interval), groups, length=count)[0]

    @adaptive.def_vmap
    def batched(size: int, mapped: list, *arguments: Any) -> tuple[Any, Any]:
        axes = jax.tree.map(lambda is_mapped: 0 if is_mapped else None, tuple(mapped))
        out = jax.vmap(plain, in_axes=axes, out_axes=0, axis_size=size)(*arguments)
        return out, jax.tree.map(lambda _: True, out)

    @jax.custom_jvp
    def differentiable(*arguments: Any) -> tuple[Any, jax.Array]:
        return adaptive(*arguments)

    differentiable.defjvp(lambda primals, tangents: jax.jvp(plain, primals, tangents))
    return differentiable(system.params, traced.consts, carry, interval, groups)


def _group(
    rule: Factorisation, system: System, start: Any, interval: jax.Array, xs: Any
) -> tuple[Any, jax.Array]:
    """`GROUP` steps at ``interval``, or at 1 if that lost too much; and the next interval.

    Loops whose bounds are known at run time alone: all intervals share one compiled body.
    """
    limit = rule.limit / jnp.finfo(system.start.dtype).eps

    def span(index: jax.Array, state: tuple[Any, jax.Array], interval: jax.Array) -> tuple:
        carry, loss = state

        def push(step: jax.Array, frame: Any) -> Any:
            return rule.push(system, frame, jax.tree.map(lambda a: a[step], xs))

        begun = index * interval
        frame = jax.lax.fori_loop(begun, begun + interval, push, rule.begin(carry))
        carry, lost = rule.end(carry, frame)
        return carry, jnp.maximum(loss, lost)

    def attempt(state: tuple) -> tuple:
        _, _, interval, _ = state
        nothing = jnp.zeros((), system.start.dtype)
        spans = GROUP // interval
        done, loss = jax.lax.fori_loop(0, spans, lambda i, s: span(i, s, interval), (start, nothing))
        failed = (interval > 1) & ~(loss <= limit)
        return done, loss, jnp.where(failed, 1, interval), failed

    pending = (start, jnp.zeros((), system.start.dtype), interval, jnp.ones((), bool))
    done, loss, used, _ = jax.lax.while_loop(lambda state: state[3], attempt, pending)
    # twice the interval loses about twice the digits, and some more
    longer = (16 * loss * loss < limit) & (used < GROUP)
    return done, jnp.where(used < interval, interval // 2, jnp.where(longer, 2 * used, used))
