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

from rnnjac.graded import Elimination, GradedProduct, back_in_order

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


def after_step(
    before: Rounding,
    step: Elimination,
    image: jax.Array,
    shorter: GradedProduct,
    longer: GradedProduct,
) -> Rounding:
    """Rounding after the elimination of an image that made the product longer by a factor."""
    lost = jnp.isneginf(step.log_scale)
    pivots = jnp.abs(jnp.diagonal(step.packed))
    pivots = jnp.where(pivots == 0, 1, pivots)
    columns = image.T[step.order]
    moved = _in_graded_coordinates(step, columns, pivots, before.tilt)
    moved = jnp.where(lost[:, None] | lost[None, :], 0, moved)
    size = jnp.where(lost, 0, step.log_scale + jnp.log(jnp.max(jnp.abs(longer.right), axis=1)))
    moved = moved * _damping(jnp.log(pivots), size)
    upper = jnp.max(jnp.square(jnp.tril(moved)), axis=0).astype(pivots.dtype)
    was_alive = ~jnp.isneginf(shorter.log_scale[step.order])
    added = jax.lax.cond(
        jnp.any(lost), lambda: _of_lost(lost, was_alive, step, columns, upper), lambda: upper
    )
    # A pivot that may be all rounding could as well be zero: no finite error covers that.
    certain = SAFETY * jnp.finfo(added.dtype).eps * jnp.sqrt(added) < 1
    variance = before.variance[step.order] + jnp.where(certain, added, jnp.inf)
    turned = jnp.diagonal(moved).astype(pivots.dtype)
    drift = jnp.where(lost, 0, before.drift[step.order] + turned)
    return Rounding(variance, drift, jnp.clip(jnp.triu(moved, 1), -TILT_LIMIT, TILT_LIMIT))


def _in_graded_coordinates(
    step: Elimination, columns: jax.Array, pivots: jax.Array, tilt: jax.Array
) -> jax.Array:
    """Transpose of D^-1 X D with R = D R_1, |R_1_ii| = 1: (D^-1 L'^-1 dY + R_1 F) R_1^-1.

    Without the pivots D all entries are of moderate size, so single precision is enough, and twice
    as fast. dY is random, of the size of each row of Y, but zeros that elimination does not fill in
    carry no rounding: rows shrunk by saturated units have errors as small, and L has entries up to
    1, so that a row of |J| |L| is as large as the largest entry of that row of Y. L' is
    well-conditioned.
    """
    error = jnp.max(jnp.abs(columns), axis=0)[step.rows] / pivots
    error = jnp.clip(error, 0, TILT_LIMIT).astype(tilt.dtype)
    draw = jnp.asarray(np.random.default_rng(0).normal(size=columns.shape).T, tilt.dtype)
    unrounded = (columns == 0)[:, step.rows] & (step.packed == 0)
    rounded = jnp.where(unrounded, 0, draw * error[None, :])
    lost = jnp.diag(jnp.diagonal(step.packed) == 0)
    unit = jnp.tril(jnp.where(lost, 1, step.packed / pivots[None, :]))
    unit = jnp.clip(unit, -TILT_LIMIT, TILT_LIMIT).astype(tilt.dtype)
    changed = rounded + tilt[step.order] @ back_in_order(unit, step.order)
    moved = triangular_solve(unit.T, changed.T, left_side=False, lower=False).T
    moved = jnp.where(jnp.isnan(moved), TILT_LIMIT, moved)
    return jnp.clip(moved, -TILT_LIMIT, TILT_LIMIT)


def _damping(log_pivots: jax.Array, size: jax.Array) -> jax.Array:
    """From D^-1 X D to X, its upper part times e^(d_j - d_i) on the way into U'; transposed."""
    grown = log_pivots[None, :] - log_pivots[:, None]
    into_right = jnp.tril(jnp.minimum(0, size[:, None] - size[None, :]))
    limited = jnp.minimum(grown + into_right, jnp.log(TILT_LIMIT).astype(size.dtype))
    return jnp.exp(limited.astype(jnp.float32))


def _of_lost(
    lost: jax.Array, was_alive: jax.Array, step: Elimination, columns: jax.Array, added: jax.Array
) -> jax.Array:
    """A pivot that came out as zero is certain only if nothing was rounded in its row."""
    rounded = jnp.tril(columns[:, step.rows] != 0) & was_alive[:, None]
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
