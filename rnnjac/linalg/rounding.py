"""First-order estimate of the rounding error in the logs of a graded product.

A step computes Y = J L with |dY| <= eps |J| |L| and factors it as L' R. In graded coordinates that
error, and the tilt F of L that earlier steps left behind, act as P -> L' (I + X) diag(e^d') U' with
X = L'^-1 dY R^-1 + R F R^-1. The diagonal of X moves d'. What stands right of it is damped by
e^(d_j - d_i) on its way into U'. What stands left of it tilts the columns of L' and is harmless,
until a later step makes a direction that was small outgrow one that was large; so it is carried
along. dY is modelled by random signs and sizes. The other errors are those of rounding U and its
spectrum.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax.linalg import triangular_solve

from rnnjac.linalg.graded import Elimination, GradedProduct, back_in_order

# The true error lies within this factor of the first-order estimate (tests/test_truth.py).
SAFETY = 4.0
TILT_LIMIT = 1e30


class Rounding(NamedTuple):
    """What rounding has done to a graded product so far, in units of eps.

    ``variance`` is the sum over steps of the squared errors of each d_i (inf once rounding may have
    made a zero pivot, or a zero one nonzero), ``drift`` the signed sum of those that the tilt
    caused (they add up coherently), ``tilt`` the matrix F, strictly lower, transposed as all that
    an `Elimination` holds.
    """

    variance: jax.Array
    drift: jax.Array
    tilt: jax.Array


def exact(n: int, dtype) -> Rounding:
    """No rounding yet."""
    return Rounding(jnp.zeros(n, dtype), jnp.zeros(n, dtype), jnp.zeros((n, n), jnp.float32))


class Noise(NamedTuple):
    """The rounding X of ``several`` steps whose R were multiplied to one image C; transposed.

    ``log_size`` is the log of its size, in units of eps, and ``exact`` says where there is none.
    """

    several: jax.Array
    log_size: jax.Array
    exact: jax.Array


def after_step(
    before: Rounding,
    step: Elimination,
    image: jax.Array,
    shorter: GradedProduct,
    longer: GradedProduct,
    noise: Noise | None = None,
) -> Rounding:
    """Rounding after the elimination of an image that made the product longer by a factor.

    dY is random, of the size of each row of Y: rows shrunk by saturated units have errors as small,
    and L has entries up to 1, so that a row of |J| |L| is as large as the largest entry of that row
    of Y. Zeros that elimination does not fill in carry no rounding. An image C = R_m ... R_1 of
    several steps is rounded where its elimination changes it, besides the noise that they brought.
    """
    columns, pivots = image.T[step.order], _pivots(step)
    unit, logs, size = _unit(step, pivots), jnp.log(pivots), _size(step, longer)
    never = image.T == 0 if noise is None else noise.exact
    exact = never[step.order][:, step.rows] & (step.packed == 0)
    rounded = jnp.max(jnp.abs(columns), axis=0)[step.rows] / pivots
    changed = _random(rounded, exact, unit.dtype) + _tilted(step, unit, before.tilt)
    moved = _limited(_solved(unit, changed) * _damping(logs, size))
    if noise is not None:
        moved = jax.lax.cond(
            noise.several, lambda: moved + _brought(noise, step, unit, size, exact), lambda: moved
        )
    return _added(before, step, moved, shorter, columns)


def _brought(
    noise: Noise, step: Elimination, unit: jax.Array, size: jax.Array, exact: jax.Array
) -> jax.Array:
    """What the rounding of the steps in an image comes to behind its elimination."""
    draw = _random(jnp.ones_like(size), exact, unit.dtype)
    log_size = noise.log_size[step.rows][:, step.rows] + _into_right(size)
    return _limited(_solved(unit, draw) * _limited_exp(log_size))


def _pivots(step: Elimination) -> jax.Array:
    """|r_ii|, 1 in place of 0."""
    pivots = jnp.abs(jnp.diagonal(step.packed))
    return jnp.where(pivots == 0, 1, pivots)


def _size(step: Elimination, longer: GradedProduct) -> jax.Array:
    """Log of the size that each direction has in the product."""
    lost = jnp.isneginf(step.log_scale)
    weight = jnp.max(jnp.abs(longer.right), axis=1)
    return jnp.where(lost, 0, step.log_scale + jnp.log(weight))


def _unit(step: Elimination, pivots: jax.Array) -> jax.Array:
    """Transpose of R_1 in R = D R_1, with |R_1_ii| = 1.

    In the coordinates D^-1 X D = (D^-1 L'^-1 dY + R_1 F) R_1^-1 all entries are of moderate size,
    so that single precision is enough, and twice as fast. L' is well-conditioned.
    """
    lost = jnp.diag(jnp.diagonal(step.packed) == 0)
    unit = jnp.tril(jnp.where(lost, 1, step.packed / pivots[None, :]))
    return _limited(unit).astype(jnp.float32)


def _random(size: jax.Array, exact: jax.Array, dtype) -> jax.Array:
    """D^-1 L'^-1 dY with rows of the given size."""
    draw = jnp.asarray(np.random.default_rng(0).normal(size=exact.shape).T, dtype)
    return jnp.where(exact, 0, draw * jnp.clip(size, 0, TILT_LIMIT).astype(dtype)[None, :])


def _tilted(step: Elimination, unit: jax.Array, tilt: jax.Array) -> jax.Array:
    """R_1 F."""
    return tilt[step.order] @ back_in_order(unit, step.order)


def _solved(unit: jax.Array, changed: jax.Array) -> jax.Array:
    """The change times R_1^-1."""
    moved = triangular_solve(unit.T, changed.T, left_side=False, lower=False).T
    return _limited(jnp.where(jnp.isnan(moved), TILT_LIMIT, moved))


def _limited(moved: jax.Array) -> jax.Array:
    return jnp.clip(moved, -TILT_LIMIT, TILT_LIMIT)


def _added(
    before: Rounding,
    step: Elimination,
    moved: jax.Array,
    shorter: GradedProduct,
    columns: jax.Array,
) -> Rounding:
    """What was known before and what a step has ``moved``; ``columns`` are those of its image."""
    dtype = before.variance.dtype
    lost = jnp.isneginf(step.log_scale)
    moved = jnp.where(lost[:, None] | lost[None, :], 0, moved)
    upper = jnp.max(jnp.square(jnp.tril(moved)), axis=0).astype(dtype)
    was_alive = ~jnp.isneginf(shorter.log_scale[step.order])
    added = jax.lax.cond(
        jnp.any(lost), lambda: _of_lost(lost, was_alive, step, columns, upper), lambda: upper
    )
    # A pivot that may be all rounding could as well be zero: no finite error covers that.
    certain = SAFETY * jnp.finfo(dtype).eps * jnp.sqrt(added) < 1
    variance = before.variance[step.order] + jnp.where(certain, added, jnp.inf)
    drift = jnp.where(lost, 0, before.drift[step.order] + jnp.diagonal(moved).astype(dtype))
    return Rounding(variance, drift, _limited(jnp.triu(moved, 1)))


def _damping(log_pivots: jax.Array, size: jax.Array) -> jax.Array:
    """From D^-1 X D to X, its upper part times e^(d_j - d_i) on the way into U'; transposed."""
    return _limited_exp(log_pivots[None, :] - log_pivots[:, None] + _into_right(size))


def _into_right(size: jax.Array) -> jax.Array:
    """d_j - d_i above the diagonal, transposed."""
    return jnp.tril(jnp.minimum(0, size[:, None] - size[None, :]))


def _limited_exp(logs: jax.Array) -> jax.Array:
    return jnp.exp(jnp.minimum(logs, float(np.log(TILT_LIMIT))).astype(jnp.float32))


def _of_lost(
    lost: jax.Array, was_alive: jax.Array, step: Elimination, columns: jax.Array, added: jax.Array
) -> jax.Array:
    """A pivot that came out as zero is certain only if nothing was rounded in its row.

    That is an entry from the pivot on, or one before it whose elimination changed such an entry.
    """
    present = columns[:, step.rows] != 0
    before = jnp.triu(present | (step.packed != 0), 1).astype(jnp.float32)
    changed = jnp.tril(step.packed != 0).astype(jnp.float32) @ before > 0
    rounded = jnp.tril(present | changed) & was_alive[:, None]
    return jnp.where(lost, jnp.where(was_alive & jnp.any(rounded, axis=0), jnp.inf, 0), added)


def total(rounding: Rounding) -> jax.Array:
    """Square of the error of each d_i, in units of eps: of all steps, and of the tilt left now."""
    tilted = jnp.max(rounding.tilt * rounding.tilt, axis=1).astype(rounding.variance.dtype)
    return rounding.variance + rounding.drift**2 + tilted


def error_of_logs(values: jax.Array, relative: jax.Array) -> jax.Array:
    """Bounds on |error| of sorted ``values`` (log sigma) from their own errors, in the same order.

    Neighbours share their errors, since they mix. A value whose relative error may be 1 may be
    zero: its lower end is -inf, and every later value may stand one place higher. The sorted ends
    of all intervals bound the sorted truth.
    """
    lost, unsure = jnp.isneginf(values), ~(relative < 1)
    place = jnp.where(lost, 0, values)
    near = jnp.exp(-jnp.abs(place[:, None] - place[None, :]))
    near = jnp.where(lost[:, None] | lost[None, :], 0, near)
    error = jnp.max(near * jnp.where(unsure, 1, relative)[None, :], axis=1)
    low = jnp.where(lost | unsure, -jnp.inf, values - error)
    below = values - _descending(low)
    above = _descending(values + error) - values
    error = jnp.maximum(error, jnp.maximum(below, above))
    return jnp.where(lost, jnp.where(unsure, jnp.inf, 0), error)


def _descending(x: jax.Array) -> jax.Array:
    return -jnp.sort(-x)
