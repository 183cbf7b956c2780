"""A graded product extended by several steps at a time: their R multiplied first, graded after.

Each step is factored, J_k L_{k-1} = L_k R_k, but the R are multiplied as they are,

    J_m ... J_1 L_0 = L_m C,        C = R_m ... R_1,

and only C is brought to graded form: one sort, one exponential of all differences of d, one product
with U and one estimate of the rounding for m steps. C keeps the digits of each R, since its row i
stays about as large as its diagonal entry; a product of the Jacobians would be dominated by the
largest direction in every row. Where a row of C does outgrow its diagonal entry (factors far from
normal), fewer steps are taken at a time. One that loses rank, or nearly does, needs the column
order and the checks of `graded.extend`, and is taken alone.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac.linalg import graded, lu, rounding
from rnnjac.linalg.graded import GradedProduct
from rnnjac.system.dynamics import System
from rnnjac.system.jacobians import push_forward

FIRST, LONGEST = 8, 64
# By how much the tilt of L may grow within some steps: its growth is estimated there, not followed.
REGROWTH = 1e3
# From this size on the n x n products are what counts, and are worth a split into blocks.
LARGE = 128


class Flow(NamedTuple):
    """A state, the graded product up to it with L and U transposed, and its rounding.

    ``stride`` is the number of steps to try next.
    """

    flat: jax.Array
    turned: GradedProduct
    error: rounding.Rounding
    stride: jax.Array


class _Factor(NamedTuple):
    """What ``done`` steps do to a graded product L diag(e^d) U: they turn L into ``left`` C.

    ``left`` and C, the ``triangle``, are transposed; ``scale`` is |c_ii|, ``rows`` the order of the
    last step. ``fresh`` holds for each step the squared noise of the rows of R relative to their
    pivots, in units of eps, ``before`` the scale that it came upon, and ``tilt`` (transposed) what
    it does to L, see `_tilted`. ``sound`` says whether the factor may be used; ``done`` counts the
    step that was not. A single step is not eliminated yet: J L itself stands in place of C.
    """

    flat: jax.Array
    left: jax.Array
    triangle: jax.Array
    scale: jax.Array
    fresh: jax.Array
    before: jax.Array
    tilt: jax.Array
    rows: jax.Array
    done: jax.Array
    sound: jax.Array


def start(system: System) -> Flow:
    """The empty product at the start of a system."""
    n, dtype = system.start.size, system.start.dtype
    first = jnp.asarray(FIRST, jnp.int32)
    return Flow(system.start, graded.identity(n, dtype), rounding.exact(n, dtype), first)


def transposed(product: GradedProduct) -> GradedProduct:
    """The product with L and U transposed, or back: the layout in which no pass copies them."""
    return product._replace(left=product.left.T, right=product.right.T)


def step_by_step(system: System, flow: Flow, first: jax.Array, last: jax.Array) -> Flow:
    """The flow from time ``first`` to time ``last``, each step graded by itself."""

    def one(time: jax.Array, flow: Flow) -> Flow:
        found, product = _single(system, flow, time), transposed(flow.turned)
        longer, step = graded.extend(product, found.triangle.T)
        error = rounding.after_step(flow.error, step, found.triangle.T, product, longer)
        return Flow(found.flat, transposed(longer), error, flow.stride)

    return jax.lax.fori_loop(first, last, one, flow)


def in_strides(system: System, flow: Flow, first: jax.Array, last: jax.Array) -> Flow:
    """The flow from time ``first`` to time ``last``, as many steps as possible graded together.

    In single precision large states leave the range of floats after so few steps that it would not
    pay.
    """
    if system.start.size >= LARGE and system.start.dtype != jnp.float64:
        return step_by_step(system, flow, first, last)

    def turn(carry: tuple) -> tuple:
        time, flow = carry
        return _turn(system, time, flow, last)

    return jax.lax.while_loop(lambda carry: carry[0] < last, turn, (first, flow))[1]


def _turn(system: System, time: jax.Array, flow: Flow, last: jax.Array) -> tuple[jax.Array, Flow]:
    """The time and the flow after the next steps that go together; no time passes if none do."""
    steps = jnp.minimum(flow.stride, last - time)
    found = jax.lax.cond(
        steps == 1,
        lambda: _single(system, flow, time),
        lambda: _several(system, flow, time, steps),
    )
    flow = jax.lax.cond(
        found.sound, lambda: _graded(flow, found), lambda: _retreated(flow, found, steps)
    )
    return time + jnp.where(found.sound, found.done, 0), flow


def _single(system: System, flow: Flow, time: jax.Array) -> _Factor:
    """The factor of the step at a time."""
    flat, image = push_forward(system, flow.flat, _row(system, time), flow.turned.left)
    return _empty(flow)._replace(flat=flat, triangle=image, done=jnp.ones_like(flow.stride))


def _several(system: System, flow: Flow, time: jax.Array, steps: jax.Array) -> _Factor:
    """The factor of some steps, or of as many as there are up to one that is not sound."""
    found = jax.lax.while_loop(
        lambda found: found.sound & (found.done < steps),
        lambda found: _push(system, found, time + found.done),
        _empty(flow),
    )
    return found._replace(sound=found.sound & (_tail(found) < _limit(found.scale.dtype)))


def _graded(flow: Flow, found: _Factor) -> Flow:
    """The flow with a factor taken into its product, and the number of steps to try next."""
    product, image, single = transposed(flow.turned), found.triangle.T, found.done == 1
    # the columns of C all have the size of its first row: what is left of each is c_ii
    sizes = jnp.where(single, jnp.max(jnp.abs(image), axis=0), found.scale)
    inner, step = graded.extend(product, image, sizes)
    error = rounding.after_step(flow.error, step, image, product, inner, _noise(found))
    left = jax.lax.cond(single, lambda: inner.left.T, lambda: inner.left.T @ found.left)
    turned = GradedProduct(left, inner.log_scale, inner.right.T)
    stride = jax.lax.cond(
        single, lambda: _from_one(flow, step, image), lambda: _lengthened(flow, found)
    )
    return Flow(found.flat, turned, error, stride)


def _from_one(flow: Flow, step: graded.Elimination, image: jax.Array) -> jax.Array:
    """How many steps to try after a single one, which may be the last before the end."""
    pivots = jnp.abs(jnp.diagonal(step.packed))
    sound = _sound(pivots, jnp.max(jnp.abs(image), axis=1)[step.rows] / pivots)
    return jnp.where(sound, jnp.maximum(flow.stride, 2), 1)


def _lengthened(flow: Flow, found: _Factor) -> jax.Array:
    """Twice as many steps as before, if C leaves room for that."""
    dtype = found.scale.dtype
    in_range = 2.5 * jnp.max(jnp.abs(jnp.log(found.scale))) < _range(dtype)
    room = in_range & (_tail(found) ** 1.5 < _limit(dtype)) & (found.done == flow.stride)
    return jnp.minimum(jnp.where(room, 2 * flow.stride, flow.stride), LONGEST)


def _retreated(flow: Flow, found: _Factor, steps: jax.Array) -> Flow:
    """The flow as it was, to go up to the step that was not sound, or half as far."""
    fewer = jnp.where(found.done < steps, found.done - 1, steps // 2)
    return flow._replace(stride=jnp.maximum(fewer, 1))


def _empty(flow: Flow) -> _Factor:
    """No step yet after a flow."""
    one = jnp.ones_like(flow.turned.log_scale)
    return _Factor(
        flat=flow.flat,
        left=flow.turned.left,
        triangle=jnp.diag(one),
        scale=one,
        fresh=jnp.zeros((LONGEST, one.size), one.dtype),
        before=jnp.ones((LONGEST, one.size), one.dtype),
        tilt=jnp.zeros((one.size, one.size), jnp.float32),
        rows=jnp.zeros(one.shape, jnp.int32),
        done=jnp.zeros_like(flow.stride),
        sound=jnp.ones((), bool),
    )


def _push(system: System, found: _Factor, time: jax.Array) -> _Factor:
    """One more step: J L = L' R, and R C."""
    flat, image = push_forward(system, found.flat, _row(system, time), found.left)
    packed, rows = lu.lu(image.T)
    packed = packed.T
    pivots = jnp.abs(jnp.diagonal(packed))
    # along the last axis, the one a row of J L is contiguous in where a step takes W @ s
    noise = jnp.max(jnp.abs(image.T), axis=1)[rows] / pivots
    scale = found.scale * pivots
    fresh = found.fresh.at[found.done].set(noise * noise)
    tilt = _tilted(found.tilt, pivots, noise * noise)
    grown = jnp.max(tilt, axis=0).astype(scale.dtype) / jnp.sum(fresh, axis=0)
    return _Factor(
        flat=flat,
        left=lu.in_place(packed, rows),
        triangle=_product(found.triangle, jnp.tril(packed)),
        scale=scale,
        fresh=fresh,
        before=found.before.at[found.done].set(found.scale),
        tilt=tilt,
        rows=rows,
        done=found.done + 1,
        sound=_sound(scale, noise) & jnp.all(grown < REGROWTH**2),
    )


def _tilted(tilt: jax.Array, pivots: jax.Array, fresh: jax.Array) -> jax.Array:
    """Variance of the tilt of L after one more step, as if all R were diagonal.

    X_ij, left of the diagonal, grows by r_i / r_j in the step that brings it and in each one after
    it. Pivots that differ by more than single precision can hold end in a tilt that is no number.
    """
    middle = jnp.sqrt(jnp.max(pivots)) * jnp.sqrt(jnp.min(pivots))
    square = jnp.square(pivots / middle).astype(jnp.float32)
    grown = (tilt + fresh.astype(jnp.float32)[None, :]) * (square[None, :] * (1 / square)[:, None])
    return jnp.where(jnp.tri(pivots.size, dtype=bool), 0, grown)


def _into_right(found: _Factor) -> jax.Array:
    """Variance of the rounding that goes into U: sum over steps of fresh_i (c_j / c_i)^2.

    X_ij, right of the diagonal, is seen through the C of the steps before; transposed. The c are
    centred, so that their squares stay in range.
    """
    logs = jnp.log(found.before)
    middle = (jnp.max(logs, axis=1) + jnp.min(logs, axis=1)) / 2
    limit = float(np.log(np.finfo(logs.dtype).max)) / 2
    squares = jnp.exp(jnp.clip(2 * (logs - middle[:, None]), -limit, limit))
    return squares.T @ (found.fresh / squares)


def _noise(found: _Factor) -> rounding.Noise:
    """The rounding of the steps of a factor."""
    several, into_right = found.done > 1, jnp.tri(found.rows.size, dtype=bool)

    def log_size() -> jax.Array:
        logs = jnp.log(found.scale)
        variance = jnp.where(into_right, _into_right(found), found.tilt.astype(logs.dtype))
        spread = jnp.where(into_right, logs[None, :] - logs[:, None], 0)
        return 0.5 * jnp.log(variance) + spread

    size = jax.lax.cond(several, log_size, lambda: jnp.zeros_like(found.triangle))
    # left of the diagonal, an entry of L' that is zero was never there to be eliminated
    in_image = into_right | ~several
    absent = jnp.where(in_image, found.triangle == 0, found.left[:, found.rows] == 0)
    return rounding.Noise(several, size, absent)


def _product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Product of two lower triangular matrices, without the half of the work that is with zeros."""
    n = left.shape[0]
    if n < LARGE:
        return left @ right
    h = n // 2
    top = jnp.pad(_product(left[:h, :h], right[:h, :h]), ((0, 0), (0, n - h)))
    bottom = [left[h:] @ right[:, :h], _product(left[h:, h:], right[h:, h:])]
    return jnp.concatenate([top, jnp.concatenate(bottom, axis=1)])


def _tail(found: _Factor) -> jax.Array:
    """How many times a row of C outgrows its diagonal entry."""
    largest = jnp.max(jnp.abs(found.triangle), axis=0)
    return jnp.max(largest / found.scale)


def _limit(dtype: np.dtype) -> float:
    """How noisy a step, relative to its pivots, and how large a tail of C may be."""
    return float(np.finfo(dtype).eps ** (-1 / 3))


def _sound(pivots: jax.Array, noise: jax.Array) -> jax.Array:
    """Whether pivots are far from rounding alone, and from the ends of the range of floats."""
    in_range = jnp.abs(jnp.log(jnp.abs(pivots))) < _range(pivots.dtype)
    return jnp.all(in_range & (noise < _limit(noise.dtype)))


def _range(dtype: np.dtype) -> float:
    """Largest |log| of an entry of C beside which one eps times as large is still a float."""
    info = np.finfo(dtype)
    return float(np.log(info.eps) - np.log(info.tiny))


def _row(system: System, time: jax.Array) -> Any:
    return jax.tree.map(lambda rows: rows[time], system.inputs)
