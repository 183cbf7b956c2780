"""A product P = L diag(2^k) V Q that grows by one factor at a time.

L and V are well-conditioned, V is upper triangular, Q orthogonal, and all of the scale is in the
integers k. With J L = L' R by LU with partial pivoting, columns as they stand,

    J P = L' diag(2^k') V' Q,      V' = R~ V,      R~_ij = R_ij 2^(k_j - k'_i),

where nothing but R itself is rounded. Elimination is insensitive to the scale of rows, so that
those made tiny by saturated units keep their digits.

The order of the columns is that of the start, until V has degraded: directions that shrank early
and outgrow others later leave its rows nearly parallel. Then `rebalance` sorts the product, once.
To sort at every step would be worse: directions of nearly equal size change places again and again,
and each change multiplies V by an R~ that nothing damps (Tomas, Chang, Scalettar & Bai 2012 sort
once, too).

Matrices are held transposed: LAPACK wants the columns of a frame contiguous, so a vector is a row.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.lax.linalg import triangular_solve

from rnnjac.linalg import lu
from rnnjac.linalg.powers import LOST, exponent_of, is_lost, power_of_two
from rnnjac.linalg.signs import signs

# A step may leave 5 bits of a direction's row of V to the directions behind it. More, and it is
# pivoted; V could not be mended, since the row's own part is rounded with the rest. (With 10 bits a
# chain whose last directions outgrow the first lost 200 times as much; dense ones never get there.)
STEEP = 5
# V is rebalanced where |V^-1| exceeds this. Rounding V then moves log sigma by far less than
# rounding L does (measured in float32 over 100 Gaussian factors of 128: 4e-6, of 1e-2 in all).
DEGRADED = 1e3
# Products of triangles are made in four parts, of 32 rows at least: half of the work is with zeros.
PARTS, SMALLEST = 4, 32


class Running(NamedTuple):
    """A product P = L diag(2^k) V Q of size n, or of n by k.

    ``vectors`` is the transpose of L, ``exponent`` k (int32, `LOST` for a lost direction; those
    stand last), ``lower`` the transpose of V with rows of V of size 1 to 2, ``turn`` the
    transpose of Q, or None where only singular values are wanted.
    """

    vectors: jax.Array
    exponent: jax.Array
    lower: jax.Array
    turn: jax.Array | None


class Elimination(NamedTuple):
    """L' R = J L: ``packed`` is R^T and, right of its diagonal, the multipliers of L'.

    ``rows`` are the rows of J L in the order of their pivots, ``certain`` tells whether every
    direction that was lost is so for certain.
    """

    packed: jax.Array
    rows: jax.Array
    certain: jax.Array


def identity(n: int, dtype, *, turn: bool = False) -> Running:
    """The empty product."""
    return of_frame(jnp.eye(n, dtype=dtype), turn=turn)


def of_frame(vectors: jax.Array, *, turn: bool = False) -> Running:
    """The empty product, applied to the k rows of ``vectors`` (k, n): V = I of size k."""
    eye = jnp.eye(vectors.shape[0], dtype=vectors.dtype)
    exponent = jnp.zeros(vectors.shape[0], jnp.int32)
    return Running(vectors, exponent, eye, eye if turn else None)


def extend(product: Running, image: jax.Array) -> tuple[Running, jax.Array]:
    """The product with one more factor J, given the ``image`` J L, transposed.

    Besides, whether this order of the columns will do: no row is too steep (see `absorb`), and
    every direction that was lost is so for certain.
    """
    vectors, step = factored(image, product.exponent)
    nothing = jnp.zeros_like(product.exponent)
    longer, steep = absorb(product, vectors, triangle_of(step.packed), nothing)
    return longer, step.certain & ~steep


def factored(image: jax.Array, exponent: jax.Array) -> tuple[jax.Array, Elimination]:
    """L' and the factors of an image J L whose columns have the given exponents; all transposed."""
    packed, rows = lu.lu(image.T)
    packed = packed.T
    step = Elimination(packed, rows, _loses_only_zero_rows(exponent, packed))
    return lu.in_place(packed, rows), step


def chained(
    triangle: jax.Array, exponent: jax.Array, packed: jax.Array, first: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """diag(2^e') C' = R diag(2^e) C, all transposed; C is the identity at the ``first`` step.

    Rows are scaled by their pivots alone. What outgrows a pivot by more than 1 / eps leaves it no
    digit, and is cut off there, so that some steps stay in range.
    """
    pivot = exponent_of(jnp.diagonal(packed))
    lost = is_lost(pivot) | is_lost(exponent)
    longer = jnp.where(lost, LOST, exponent + pivot)
    gap = jnp.where(lost[None, :], LOST, exponent[:, None] - longer[None, :])
    limit = 1 / jnp.finfo(packed.dtype).eps
    scaled = jnp.clip(triangle_of(packed) * power_of_two(gap, packed.dtype), -limit, limit)
    product = jax.lax.cond(first, lambda: scaled, lambda: lower_product(triangle, scaled))
    return product, longer


def absorb(
    product: Running, vectors: jax.Array, triangle: jax.Array, exponent: jax.Array
) -> tuple[Running, jax.Array]:
    """The product with L' in place of L and diag(2^e) R, upper triangular, moved into it.

    Besides, whether a row of R~ is too steep: its pivot too small for what stands right of it.
    """
    graded, size, steep = _graded(product.exponent, triangle)
    lost = is_lost(size) | is_lost(exponent)
    lower = lower_product(product.lower, jnp.where(lost[None, :], 0, graded))
    lower, longer = _with_unit_rows(lower, jnp.where(lost, LOST, size + exponent))
    return Running(vectors, longer, lower, product.turn), jnp.any(steep & ~lost)


def _graded(exponent: jax.Array, triangle: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """R~ and e in R diag(2^exponent) = diag(2^e) R~, transposed, with rows of R~ of size 1/2 to 1.

    Besides, which rows are too steep: their pivot too small for what stands right of it.
    """
    place = jnp.where(is_lost(exponent), LOST, exponent)
    size = jnp.max(exponent_of(triangle) + place[:, None], axis=0)
    steep = size - exponent_of(jnp.diagonal(triangle)) - place > STEEP
    gap = place[:, None] - jnp.where(is_lost(size), 0, size)[None, :]
    return triangle * power_of_two(gap, triangle.dtype), size, steep


def _with_unit_rows(lower: jax.Array, exponent: jax.Array) -> tuple[jax.Array, jax.Array]:
    """V with rows of size 1 to 2, so that powers of two leave it as it is, and its exponents."""
    lost = is_lost(exponent)
    grown = exponent_of(jnp.max(jnp.abs(lower), axis=0)) - 1
    grown = jnp.where(lost | is_lost(grown), 0, grown)
    lower = lower * power_of_two(-grown, lower.dtype)[None, :]
    lower = jnp.where(lost[None, :], jnp.eye(lost.size, dtype=lower.dtype), lower)
    return lower, exponent + grown


def degraded(product: Running) -> jax.Array:
    """Whether the rows of V have become nearly parallel.

    |V^-T z| for three vectors of signs z is about |V^-1| for most V, at the cost of three
    right-hand sides.
    """
    n = product.exponent.size
    probes = signs(3, n).T.astype(product.lower.dtype)
    solved = triangular_solve(
        product.lower.T, probes, left_side=True, lower=False, transpose_a=True
    )
    return jnp.max(jnp.abs(solved)) > DEGRADED


class Rebalancing(NamedTuple):
    """What a rebalancing did to L: its columns in a new ``order``, L[:, order] = L' ``change``.

    ``spread`` is by how much the rounding of a direction's row of U and column of L was enlarged.
    """

    order: jax.Array
    change: jax.Array
    spread: jax.Array


def rebalance(product: Running) -> tuple[Running, Rebalancing]:
    """The same product with its directions in descending order, L orthogonal and V near diagonal.

    With U = V Q sorted by size, U = M Q' (M lower triangular, by QR of U^T), and

        D M = N D',     D' = diag(2^(k_j + e_j)),     N_ij = M_ij 2^(k_i - k_j - e_j),

    where 2^e_j is the size of M_jj: N is damped below its diagonal, and goes into L. Then L N = L'
    R, and R is graded into V as in any step. V need not be triangular before.
    """
    size = jnp.max(jnp.abs(product.lower), axis=0)
    order = jnp.lexsort((-size, -product.exponent))
    exponent, vectors = product.exponent[order], product.vectors[order]
    lost = is_lost(exponent)
    turned, triangle = jnp.linalg.qr(product.lower[:, order])  # U^T = Q' M^T
    left_over = jnp.diagonal(triangle)
    grown = exponent_of(left_over) - 1
    grown = jnp.where(is_lost(grown) | lost, 0, grown)
    gap = exponent[None, :] - (exponent + grown)[:, None]
    damped = jnp.triu(triangle) * power_of_two(gap, triangle.dtype)
    either = lost[:, None] | lost[None, :]
    damped = jnp.where(either, jnp.eye(lost.size, dtype=damped.dtype), damped)
    moved = damped @ vectors  # (L N)^T
    orthogonal, right = jnp.linalg.qr(moved.T)
    turn = None if product.turn is None else product.turn @ turned
    graded, size, _ = _graded(jnp.where(lost, LOST, exponent + grown), right.T)
    lower, exponent = _with_unit_rows(graded, size)
    balanced = Running(orthogonal.T, exponent, lower, turn)
    spread = jnp.max(jax.vmap(_spread)(jnp.stack([triangle, right])), axis=0)
    return balanced, Rebalancing(order, orthogonal.T @ vectors.T, spread)


def _spread(triangle: jax.Array) -> jax.Array:
    """By how much rounding each column of Q R by eps of its size moves the scale of each direction.

    An error E of R moves the logs of its leading minors by tr(E_j R_j^-1), and the scale of
    direction j by what that has more than the one before: (E R^-1)_jj, the root of the sum over i
    of |R_:i|^2 (R^-1)_ij^2 for an E of such columns.
    """
    kept = jnp.diagonal(triangle)
    upper = jnp.triu(triangle) + jnp.diag((kept == 0).astype(triangle.dtype))
    eye = jnp.eye(kept.size, dtype=triangle.dtype)
    inverse = triangular_solve(upper, eye, left_side=True, lower=False)
    sizes = jnp.linalg.norm(upper, axis=0)
    return jnp.linalg.norm(sizes[:, None] * inverse, axis=0)


def lower_product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Product of two lower triangular matrices, without most of the half that is with zeros."""
    n = left.shape[0]
    size = -(-n // min(PARTS, max(1, n // SMALLEST)))
    ends = [min(first + size, n) for first in range(0, n, size)]
    starts = [0, *ends[:-1]]
    parts = [left[a:b, :b] @ right[:b, :b] for a, b in zip(starts, ends, strict=True)]
    return jnp.concatenate([jnp.pad(part, ((0, 0), (0, n - part.shape[1]))) for part in parts])


def triangle_of(packed: jax.Array) -> jax.Array:
    """R^T out of LAPACK's factors of an (n, k) matrix, transposed."""
    return jnp.tril(packed[:, : packed.shape[0]])


def _loses_only_zero_rows(exponent: jax.Array, packed: jax.Array) -> jax.Array:
    """Whether each direction that is lost in this step is a row of zeros in J L.

    Those come last by themselves, and nothing in them was rounded. Any other zero pivot calls for
    another order of the columns.
    """
    new = (jnp.diagonal(packed) == 0) & ~is_lost(exponent)

    def certain() -> jax.Array:
        return ~jnp.any(new & jnp.any(packed[:, : new.size] != 0, axis=0))

    return jax.lax.cond(jnp.any(new), certain, lambda: jnp.ones((), bool))
