"""A state and the product of Jacobians up to it, moved along a system."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjac.linalg import rounding, running
from rnnjac.linalg.lengthen import pivoted, rebalanced
from rnnjac.linalg.powers import LOST, is_lost
from rnnjac.linalg.rounding import Rounding, Steps
from rnnjac.linalg.running import Elimination, Running
from rnnjac.system.dynamics import System
from rnnjac.system.jacobians import push_forward
from rnnjac.system.points import Point

# Steps whose R are multiplied before they go into the product: that spares three of four gradings,
# looks at V and estimates of the rounding. With 8, directions that shrink and grow again within a
# block were missed by up to 200 times their error; with 1 the estimate is 1.7 times as large.
BLOCK = 4
# A step with a pivot this many times smaller than its row is the last of its block: it is on the
# last one that the noise of a block is modelled. With 1e4, one near-singular factor was missed by
# up to 14 times its error; ordinary steps of 64 units have 5 to 30.
NOISY = 50.0


class Flow(NamedTuple):
    """A state, the running product up to it, and its rounding (None where nobody asks for it)."""

    time: jax.Array
    flat: Point
    product: Running
    rounding: Rounding | None


class _Block(NamedTuple):
    """A state and what ``count`` steps do to the product before them: see `rounding.Steps`."""

    count: jax.Array
    flat: Point
    vectors: jax.Array
    triangle: jax.Array
    exponent: jax.Array
    last: Elimination
    sizes: jax.Array
    noise: jax.Array
    certain: jax.Array


class _Turn(NamedTuple):
    """A flow, and what it needs before it can go on: a pivoted step, a rebalancing."""

    flow: Flow
    stuck: jax.Array
    degraded: jax.Array


def start(system: System, *, error: bool, turn: bool = False) -> Flow:
    """The empty product at the start of a system."""
    n, dtype = system.start.size, system.start.dtype
    product = running.identity(n, dtype, turn=turn)
    return Flow(
        jnp.zeros((), jnp.int32), system.start, product, rounding.exact(n, dtype) if error else None
    )


def after_first_step(system: System, flow: Flow) -> Flow:
    """A flow at the start, one step later, with the product still empty."""
    point = system.advance(system.params, flow.flat, _row(system, flow.time))
    return flow._replace(time=flow.time + 1, flat=point)


def advance(system: System, flow: Flow, last: jax.Array) -> Flow:
    """The flow at time ``last``.

    Blocks of steps follow each other until one calls for a repair; those are rare, and all of a
    batch wait for them together.
    """

    def going(turn: _Turn) -> jax.Array:
        return (turn.flow.time < last) & ~turn.stuck & ~turn.degraded

    def until_repair(flow: Flow) -> Flow:
        no = jnp.zeros((), bool)
        turn = _Turn(flow, no, no)
        turn = jax.lax.while_loop(going, lambda turn: _block(system, turn.flow, last), turn)
        flow = jax.lax.cond(
            turn.stuck, lambda flow: _pivoted_step(system, flow), lambda flow: flow, turn.flow
        )
        repair = turn.stuck | turn.degraded
        return jax.lax.cond(repair, _rebalanced, lambda flow: flow, flow)

    return jax.lax.while_loop(lambda flow: flow.time < last, until_repair, flow)


def _block(system: System, flow: Flow, last: jax.Array) -> _Turn:
    """The flow after some more steps, or the same flow if it is stuck."""
    longest = jnp.minimum(BLOCK, last - flow.time)

    def going(block: _Block) -> jax.Array:
        return (block.count < longest) & ~(jnp.max(block.sizes) > NOISY)

    block = jax.lax.while_loop(going, lambda block: _step(system, flow.time, block), _empty(flow))
    product, steep = running.absorb(flow.product, block.vectors, block.triangle, block.exponent)
    sound = block.certain & ~steep
    error = flow.rounding
    if error is not None:
        steps = Steps(*block[3:8], block.count)
        error = rounding.after_steps(error, steps, is_lost(product.exponent), flow.time)
    longer = Flow(flow.time + block.count, block.flat, product, error)
    flow = jax.tree.map(lambda new, old: jnp.where(sound, new, old), longer, flow)
    return _Turn(flow, ~sound, sound & running.degraded(product))


def _empty(flow: Flow) -> _Block:
    """No step yet after a flow."""
    product, none, yes = flow.product, jnp.zeros_like(flow.time), jnp.ones((), bool)
    exponent = jnp.where(is_lost(product.exponent), LOST, 0)
    zero = jnp.zeros(exponent.size, flow.flat.dtype)
    nothing = jnp.zeros_like(product.lower)
    last = Elimination(nothing, exponent, yes)
    return _Block(none, flow.flat, product.vectors, nothing, exponent, last, zero, zero, yes)


def _step(system: System, begun: jax.Array, block: _Block) -> _Block:
    """One more step of a block."""
    row = _row(system, begun + block.count)
    flat, image = push_forward(system, block.flat, row, block.vectors)
    vectors, last = running.factored(image, block.exponent)
    sizes = rounding.sizes_of(image, last)
    triangle, exponent = running.chained(
        block.triangle, block.exponent, last.packed, block.count == 0
    )
    noise, certain = block.noise + sizes * sizes, block.certain & last.certain
    return _Block(block.count + 1, flat, vectors, triangle, exponent, last, sizes, noise, certain)


def _pivoted_step(system: System, flow: Flow) -> Flow:
    """The flow one step later, by complete pivoting; its product is to be rebalanced."""
    row = _row(system, flow.time)
    flat, image = push_forward(system, flow.flat, row, flow.product.vectors)
    return Flow(flow.time + 1, flat, *pivoted(flow.product, flow.rounding, image, flow.time))


def _rebalanced(flow: Flow) -> Flow:
    """The flow with its product in order again."""
    product, error = rebalanced(flow.product, flow.rounding)
    return flow._replace(product=product, rounding=error)


def _row(system: System, time: jax.Array) -> Any:
    return jax.tree.map(lambda rows: rows[time], system.inputs)
