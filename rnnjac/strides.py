"""A graded product extended by several steps at a time: their R multiplied first, graded after.

Each step is factored, J_k L_{k-1} = L_k R_k, but the R are multiplied as they are,

    J_m ... J_1 L_0 = L_m C,        C = R_m ... R_1,

and only C is brought to graded form: one sort, one exponential of all differences of d, one product
with U and one estimate of the rounding for m steps. C keeps the digits of each R, since its row i
stays about as large as its diagonal entry; a product of the Jacobians would be dominated by the
largest direction in every row.

A step that loses rank, or nearly does, needs the column order and the checks of `graded.extend`,
and is taken alone.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac import frame, graded, rounding
from rnnjac.dynamics import System
from rnnjac.graded import GradedProduct
from rnnjac.jacobian import push_forward

FIRST, LONGEST = 8, 64
# From this size on a product of triangles is put together from those of its blocks.
LARGE = 128


class Flow(NamedTuple):
    """A state, the graded product up to it with L and U transposed, and its rounding.

    ``stride`` is the number of steps to try next.
    """

    flat: jax.Array
    turned: GradedProduct
    error: rounding.Rounding
    stride: jax.Array


class _Composite(NamedTuple):
    """What ``done`` steps have made of a state and of L, with their C; L and C transposed.

    ``squares`` sums the squared errors of each row of R relative to its pivot, in units of eps.
    ``pivots`` and ``rows`` are those of the last step. ``sound`` says whether C may be used.
    """

    flat: jax.Array
    left: jax.Array
    triangle: jax.Array
    squares: jax.Array
    pivots: jax.Array
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
    return jax.lax.fori_loop(first, last, lambda time, flow: _alone(system, flow, time)[0], flow)


def in_strides(system: System, flow: Flow, first: jax.Array, last: jax.Array) -> Flow:
    """The flow from time ``first`` to time ``last``, as many steps as possible graded together."""

    def stride(carry: tuple) -> tuple:
        time, flow = carry
        steps = jnp.minimum(flow.stride, last - time)
        flow, done = jax.lax.cond(
            steps == 1,
            lambda: _alone(system, flow, time),
            lambda: _together(system, flow, time, steps),
        )
        return time + done, flow

    return jax.lax.while_loop(lambda carry: carry[0] < last, stride, (first, flow))[1]


def _alone(system: System, flow: Flow, time: jax.Array) -> tuple[Flow, jax.Array]:
    """The flow after one step, and 1."""
    product, x = transposed(flow.turned), _row(system, time)
    flat, image = push_forward(system, flow.flat, x, flow.turned.left)
    longer, step = graded.extend(product, image.T)
    error = rounding.after_step(flow.error, step, image.T, product, longer)
    pivots = jnp.abs(jnp.diagonal(step.packed))
    sound = _sound(pivots, jnp.max(jnp.abs(image), axis=0)[step.rows] / pivots)
    stride = jnp.where(sound, jnp.maximum(flow.stride, 2), 1)
    return Flow(flat, transposed(longer), error, stride), jnp.ones_like(flow.stride)


def _together(
    system: System, flow: Flow, time: jax.Array, steps: jax.Array
) -> tuple[Flow, jax.Array]:
    """The flow after ``steps`` steps and their number; as it was and 0 if they need more care.

    After a step that is not sound those before it are tried next, which brings it to the front.
    """
    found = jax.lax.while_loop(
        lambda found: found.sound & (found.done < steps),
        lambda found: _push(system, found, time + found.done),
        _empty(flow, steps),
    )
    good = found.sound & jnp.all(jnp.isfinite(found.triangle))
    following = jax.lax.cond(good, lambda: _graded(flow, found), lambda: flow)
    spread = jnp.max(jnp.abs(jnp.log(jnp.abs(jnp.diagonal(found.triangle)))))
    room = (steps == flow.stride) & (2 * spread < _range(spread.dtype))
    longer = jnp.minimum(jnp.where(room, 2 * steps, flow.stride), LONGEST)
    shorter = jnp.maximum(jnp.where(found.sound, steps // 2, found.done - 1), 1)
    following = following._replace(stride=jnp.where(good, longer, shorter))
    return following, jnp.where(good, found.done, 0)


def _empty(flow: Flow, steps: jax.Array) -> _Composite:
    """No step yet after a flow."""
    one = jnp.ones_like(flow.turned.log_scale)
    return _Composite(
        flat=flow.flat,
        left=flow.turned.left,
        triangle=jnp.diag(one),
        squares=jnp.zeros_like(one),
        pivots=one,
        rows=jnp.zeros(one.shape, jnp.int32),
        done=jnp.zeros_like(steps),
        sound=jnp.ones((), bool),
    )


def _push(system: System, found: _Composite, time: jax.Array) -> _Composite:
    """One more step: J L = L' R, and R C."""
    flat, image = push_forward(system, found.flat, _row(system, time), found.left)
    packed, _, rows = jax.lax.linalg.lu(image.T)
    packed = packed.T
    pivots = jnp.abs(jnp.diagonal(packed))
    error = jnp.max(jnp.abs(image), axis=0)[rows] / pivots
    triangle = _product(found.triangle, jnp.tril(packed))
    return _Composite(
        flat=flat,
        left=frame.in_place(packed, rows),
        triangle=triangle,
        squares=found.squares + error * error,
        pivots=pivots,
        rows=rows,
        done=found.done + 1,
        sound=_sound(jnp.diagonal(triangle), error),
    )


def _product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Product of two lower triangular matrices, without the half of the work that is with zeros."""
    n = left.shape[0]
    if n < LARGE:
        return left @ right
    h = n // 2
    top = jnp.pad(_product(left[:h, :h], right[:h, :h]), ((0, 0), (0, n - h)))
    bottom = [left[h:] @ right[:, :h], _product(left[h:, h:], right[h:, h:])]
    return jnp.concatenate([top, jnp.concatenate(bottom, axis=1)])


def _graded(flow: Flow, found: _Composite) -> Flow:
    """The flow with C taken into its product, like any other factor."""
    product, image = transposed(flow.turned), found.triangle.T
    inner, step = graded.extend(product, image)
    steps = found.done.astype(image.dtype)
    # left of the diagonal, an entry of L' that is zero was never there to be eliminated
    absent = jnp.where(
        jnp.tri(*image.shape, dtype=bool), found.triangle == 0, found.left[:, found.rows] == 0
    )
    noise = rounding.Noise(jnp.sqrt(found.squares / steps), found.pivots, absent, steps)
    error = rounding.after_several(flow.error, step, image, noise, product, inner)
    turned = GradedProduct(inner.left.T @ found.left, inner.log_scale, inner.right.T)
    return Flow(found.flat, turned, error, flow.stride)


def _sound(pivots: jax.Array, error: jax.Array) -> jax.Array:
    """Whether pivots are far from rounding alone, and from the ends of the range of floats."""
    eps = jnp.finfo(error.dtype).eps
    in_range = jnp.abs(jnp.log(jnp.abs(pivots))) < _range(pivots.dtype)
    return jnp.all(in_range & (error < eps ** (-2 / 3)))


def _range(dtype: np.dtype) -> float:
    """Largest |log| of an entry of C beside which one eps times as large is still a float."""
    info = np.finfo(dtype)
    return float(np.log(info.eps) - np.log(info.tiny))


def _row(system: System, time: jax.Array) -> Any:
    return jax.tree.map(lambda rows: rows[time], system.inputs)
