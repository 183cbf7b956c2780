"""How seldom a tangent frame may be factorised, found out along the way.

Between two factorisations the frame's vectors turn towards the direction that grows fastest. The
LU that follows takes that direction out of the others again, and every digit by which a pivot falls
short of what it is taken from is lost to cancellation: with L' R = J_m ... J_1 L,

    loss = (largest entry of the frame on the way) / min_j |r_jj|,

and log |r_jj| is off by some loss * eps. The next interval is longer by a step if the loss expected
of it, loss^((m + 1) / m), leaves room; an interval that lost too much is taken again, shorter.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjac._support.batching import in_turns
from rnnjac.system.dynamics import System

LONGEST = 8
# by how much the loss may exceed what is expected of it
ROOM = 4.0


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
    rule: Factorisation,
    system: System,
    carry: Any,
    interval: jax.Array,
    inputs: Any,
    length: int,
    *steps: jax.Array,
) -> tuple[Any, jax.Array]:
    """The carry after ``length`` steps, its frame factorised no more than it needs.

    The number of ``steps`` may be given besides, if the system stands still in the others.
    ``interval`` is tried first, and comes back as it was at the end. Where none above 1 can
    qualify, for derivatives and in batches that are not run one by one (where all would wait for
    the slowest) this is `every_step`.
    """
    if rule.limit < ROOM * jnp.finfo(system.start.dtype).eps or length < 2:
        return every_step(rule, system, carry, inputs, length), interval
    values, opened = system.opened()

    def plain(values, carry, interval, inputs, *_) -> tuple[Any, jax.Array]:
        return every_step(rule, opened(values), carry, inputs, length), interval

    def adaptive(values, carry, interval, inputs, steps=length) -> tuple[Any, jax.Array]:
        return _adaptive(rule, opened(values), carry, interval, inputs, steps)

    @jax.custom_jvp
    def differentiable(*arguments: Any) -> tuple[Any, jax.Array]:
        return in_turns(adaptive, system.start.size, batched=plain)(*arguments)

    differentiable.defjvp(lambda primals, tangents: jax.jvp(plain, primals, tangents))
    return differentiable(values, carry, interval, inputs, *steps)


def _adaptive(
    rule: Factorisation, system: System, carry: Any, interval: jax.Array, inputs: Any, length: Any
) -> tuple[Any, jax.Array]:
    """`as_needed` with the intervals found at run time."""
    dtype = system.start.dtype
    limit = jnp.asarray(rule.limit / jnp.finfo(dtype).eps, dtype)

    def push(step: jax.Array, frame: Any) -> Any:
        return rule.push(system, frame, jax.tree.map(lambda a: a[step], inputs))

    def span(state: tuple) -> tuple:
        done, carry, interval = state
        steps = jnp.minimum(interval, length - done)
        frame = _pushed(push, done, steps, rule.begin(carry))
        following, loss = rule.end(carry, frame)
        good = (interval == 1) | (loss <= limit)
        carry = jax.tree.map(lambda new, old: jnp.where(good, new, old), following, carry)
        expected = ROOM * loss ** (1 + 1 / interval.astype(dtype))
        longer = good & (expected < limit) & (interval < LONGEST)
        interval = jnp.where(good, interval + longer.astype(interval.dtype), interval - 1)
        return jnp.where(good, done + steps, done), carry, interval

    start = (jnp.zeros((), interval.dtype), carry, interval)
    _, carry, interval = jax.lax.while_loop(lambda state: state[0] < length, span, start)
    return carry, interval


def _pushed(push: Callable, first: jax.Array, steps: jax.Array, frame: Any) -> Any:
    """A frame after 1 to `LONGEST` steps.

    An accelerator asks the host after every step of a loop of unknown length whether there is
    another one. There, each length has a loop of its own, which would take a CPU only longer to
    compile.
    """

    def one_loop(first: jax.Array, steps: jax.Array, frame: Any) -> Any:
        return jax.lax.fori_loop(first, first + steps, push, frame)

    def of_length(steps: int) -> Callable[[jax.Array, Any], Any]:
        return lambda first, frame: jax.lax.fori_loop(
            0, steps, lambda i, frame: push(first + i, frame), frame
        )

    def loops(first: jax.Array, steps: jax.Array, frame: Any) -> Any:
        every_length = [of_length(steps) for steps in range(1, LONGEST + 1)]
        return jax.lax.switch(steps - 1, every_length, first, frame)

    return jax.lax.platform_dependent(first, steps, frame, cpu=one_loop, default=loops)
