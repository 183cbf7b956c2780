"""The graded product P = L diag(e^d) U: well-conditioned L and U, all of the scale in d.

Rank-revealing in the sense of Demmel et al. (1999); the UDT product of determinant quantum Monte
Carlo; Stewart's graded matrices. Nothing here knows of recurrent networks.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac._support.batching import in_turns
from rnnjac._support.compiled import compiled
from rnnjac._support.precision import at_least_float32
from rnnjac.linalg import jacobi, lu
from rnnjac.linalg.jacobi import graded_exponential

# A pivot this many times smaller than what stands to its right calls for another column order.
TAIL_LIMIT = 16.0
# Rows of U whose largest entry leaves 1/64 ... 64 hand the excess on to d.
BALANCE = 64.0


class GradedProduct(NamedTuple):
    """A product ``P = left @ diag(e^log_scale) @ right`` whose scale may have any range.

    ``left`` and ``right`` are well-conditioned (n, n) matrices, ``log_scale`` holds natural logs,
    -inf for a lost direction. For vectors beyond the range of floats shift the scale first:
    ``product._replace(log_scale=product.log_scale - product.log_norm())`` has norm 1.
    """

    left: jax.Array
    log_scale: jax.Array
    right: jax.Array

    def log_singular_values(self) -> jax.Array:
        """Natural logs of the singular values of P, shape (n,), descending; -inf where lost."""
        return _log_singular_values(self)

    def log_norm(self) -> jax.Array:
        """Natural log of the spectral norm of P, a scalar."""
        return self.log_singular_values()[0]

    def apply(self, v: jax.Array) -> jax.Array:
        """P @ v for ``v`` of shape (n,) or (n, k); under- or overflows where the result does."""
        return _multiply(self.left, self.log_scale, self.right, v)

    def transpose_apply(self, g: jax.Array) -> jax.Array:
        """P.T @ g for ``g`` of shape (n,) or (n, k): a gradient carried back to the start."""
        return _multiply(self.right.T, self.log_scale, self.left.T, g)


class Elimination(NamedTuple):
    """LU with partial pivoting of an image whose columns carry the log scales d.

    All matrices are transposed: LAPACK stores a matrix column by column, and no pass over one is
    lost to copying it. ``order`` is that of elimination, ``graded`` R~ with
    ``R~_ij = R_ij / |r_ii| e^(d_j - d_i)`` and unit diagonal up to sign, ``log_scale`` is
    d_i + log |r_ii|, ``packed`` and ``rows`` LAPACK's factors and row order, and ``steep`` whether
    a pivot is too small for this order.
    """

    order: jax.Array
    graded: jax.Array
    log_scale: jax.Array
    packed: jax.Array
    rows: jax.Array
    steep: jax.Array


def identity(n: int, dtype) -> GradedProduct:
    """The empty product."""
    eye = jnp.eye(n, dtype=dtype)
    return GradedProduct(eye, jnp.zeros(n, dtype), eye)


def extend(
    product: GradedProduct, image: jax.Array, sizes: jax.Array | None = None
) -> tuple[GradedProduct, Elimination]:
    """Product with one more factor J on the left, given ``image = J @ product.left``.

    Elimination is insensitive to row scaling, so that rows made tiny by saturated units keep their
    digits, and costs a fraction of a QR. ``sizes`` are those of the columns of the image that they
    are sorted by; their largest entries by default.
    """
    weight = jnp.max(jnp.abs(product.right), axis=1)
    scale, factor = _balanced(product.log_scale, weight)
    sorted_step = in_turns(_eliminate_sorted, scale.size)
    sizes = jnp.max(jnp.abs(image), axis=0) if sizes is None else sizes
    step = sorted_step(image.T, scale, weight * factor, sizes)
    left = lu.in_place(step.packed, step.rows).T
    graded = step.graded * factor[step.order][:, None]
    right = (product.right.T @ back_in_order(graded, step.order)).T
    return GradedProduct(left, step.log_scale, right), step


def _balanced(scale: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Scale d and factors f with the same diag(e^d) diag(f) U, where U's rows have grown or shrunk.

    U makes up for the rounding of d at every step (see `grade`). In float32 that is 0.01 at
    |d| = 1e5, always to the same side in a steady chain, and e^(-0.01 t) ends in underflow. What d
    takes over it cannot hold exactly either; the rest stays in f.
    """
    outgrown = ((weight < 1 / BALANCE) | (weight > BALANCE)) & (weight > 0) & ~jnp.isneginf(scale)
    shift = jnp.where(outgrown, jnp.log(jnp.where(outgrown, weight, 1)), 0)
    shifted = scale + shift
    rest = jnp.where(outgrown, shift - (shifted - jnp.where(outgrown, scale, 0)), 0)
    return shifted, jnp.where(outgrown, jnp.exp(rest) / jnp.where(outgrown, weight, 1), 1)


def back_in_order(rows: jax.Array, order: jax.Array) -> jax.Array:
    """Rows y_j of a matrix in the places order[j]: X[:, order] @ Y = X @ back_in_order(Y, order).

    On a CPU rows are moved more quickly than columns, and the product keeps the layout it is fast
    in.
    """
    count = jnp.arange(order.size, dtype=order.dtype)
    inverse = jnp.zeros_like(order).at[order].set(count, unique_indices=True)
    return rows[inverse]


def orthogonal_left(product: GradedProduct) -> GradedProduct:
    """The same product with an orthogonal left factor; diag(e^d) U then has P's singular values.

    The columns must stand in descending order of d (as `by_scale` puts them). With L = Q R,
    R diag(e^d) = diag(e^d') R~ where d' = d + log |r_ii|, and R~ moves into U.
    """
    left, triangle = jnp.linalg.qr(product.left)
    size = jnp.max(jnp.abs(triangle), axis=0)
    graded, scale = grade(triangle.T, size, product.log_scale)
    return GradedProduct(left, scale, graded.T @ product.right)


def by_scale(product: GradedProduct) -> tuple[GradedProduct, jax.Array]:
    """The same product with its directions in descending order of scale, and that order."""
    left, scale, right = product
    order = jnp.argsort(-(scale + jnp.log(jnp.max(jnp.abs(right), axis=1))))
    return GradedProduct(left[:, order], scale[order], right[order]), order


def _eliminate_sorted(
    columns: jax.Array, log_scale: jax.Array, weight: jax.Array, sizes: jax.Array
) -> Elimination:
    """Elimination in descending order of graded column norms, re-sorted where that is not enough.

    Column j brings the term image_j e^(d_j) u_j to the product; ``weight`` is the size of u_j.

    Columns that are (nearly) dependent on the ones before them leave a pivot far below its right
    neighbours; those neighbours must go first, or exact rank would be lost and U become
    ill-conditioned. Each pass mends the first such place, so n passes are enough.
    """
    n = columns.shape[0]
    size = jnp.max(jnp.abs(columns), axis=1)

    def attempt(order: jax.Array) -> Elimination:
        step = _eliminate(columns[order], size[order], log_scale[order], weight[order])
        return step._replace(order=order)

    def unfinished(carry: tuple[jax.Array, Elimination]) -> jax.Array:
        passes, step = carry
        return step.steep & (passes < n)

    def resort(carry: tuple[jax.Array, Elimination]) -> tuple[jax.Array, Elimination]:
        passes, step = carry
        steep = _steep(step, log_scale[step.order], weight[step.order])
        done = jnp.arange(n) < jnp.argmax(jnp.any(steep, axis=0))
        left_over = jnp.where(done[None, :], 0, jnp.abs(jnp.tril(step.packed)))
        key = jnp.log(jnp.max(left_over, axis=1) * weight[step.order]) + log_scale[step.order]
        return passes + 1, attempt(step.order[jnp.argsort(-jnp.where(done, jnp.inf, key))])

    first = attempt(jnp.argsort(-(jnp.log(sizes * weight) + log_scale)))
    return jax.lax.while_loop(unfinished, resort, (jnp.zeros((), jnp.int32), first))[1]


def _eliminate(
    columns: jax.Array, size: jax.Array, scale: jax.Array, weight: jax.Array
) -> Elimination:
    """Elimination of the columns in the order in which they stand."""
    packed, rows = lu.lu(columns.T)
    packed = packed.T
    graded, new_scale = grade(packed, size, scale)
    order, no = jnp.arange(scale.size), jnp.zeros((), bool)
    step = Elimination(order, graded, new_scale, packed, rows, no)
    return step._replace(steep=jnp.any(_steep(step, scale, weight)))


def _steep(step: Elimination, scale: jax.Array, weight: jax.Array) -> jax.Array:
    """Entries (j, i) of R^T that are too large for the pivot i.

    Behind a zero pivot, nothing of a column that is still alive may be left over.
    """
    lost = jnp.isneginf(step.log_scale)  # graded has a unit vector there
    tail = jnp.abs(step.graded) * weight[:, None] > TAIL_LIMIT * weight[None, :]
    left_over = (step.packed != 0) & lost[None, :] & ~jnp.isneginf(scale)[:, None]
    return jnp.tril(tail | left_over, -1)


def grade(triangle: jax.Array, size: jax.Array, scale: jax.Array) -> tuple[jax.Array, jax.Array]:
    """R~ and d' such that R diag(e^d) = diag(e^d') R~, with |R~_ii| = 1; R and R~ transposed.

    What stands above the diagonal of R^T is not read. ``size`` is about that of the largest entry
    of each column of R: it keeps the exponential in range. A lost direction's column is a unit
    vector. It is the *rounded* d' that enters the exponent, so its rounding (eps |d|, large for a
    long chain) is made up for in R~ and never adds up; `_balanced` keeps U in range.
    """
    pivots = jnp.diagonal(triangle)
    grown = jnp.log(jnp.abs(pivots))
    new_scale = scale + grown
    lost = jnp.isneginf(new_scale)
    unit = jnp.where(lost, 1, jnp.sign(pivots) * jnp.exp((scale - new_scale) + grown))
    size = jnp.where(size == 0, 1, size)
    exponential = graded_exponential(scale, new_scale, jnp.log(size)[None, :]).T
    part = triangle / size[:, None]
    # where an order is to be rejected the exponential may overflow, but not where nothing is left
    graded = jnp.where((part == 0) | lost[None, :], 0, part * exponential)
    return jnp.where(jnp.eye(scale.size, dtype=bool), unit[None, :], graded), new_scale


@compiled()
def graded_product(jacobians: jax.Array) -> GradedProduct:
    """Graded form of the product of a sequence of matrices.

    ``J_T ... J_2 J_1`` for ``jacobians = [J_1, ..., J_T]``: the latest factor on the left.

    Parameters
    ----------
    jacobians : Array, shape (T, n, n)
        Real floating-point factors in the order of time; float16 is computed in float32.

    Returns
    -------
    GradedProduct
        ``left @ diag(e^log_scale) @ right``, of any magnitude.

    Raises
    ------
    ValueError
        If there are not three axes, or the factors are not square or empty.
    TypeError
        If the entries are not real floating point.

    Notes
    -----
    O(T n^3) work, O(n^2) memory besides the input. Relative errors of singular values of some 10 to
    1000 eps for well-conditioned factors; for an estimate use `spectrum`. Not differentiable.

    References
    ----------
    Demmel, Gu, Eisenstat, Slapnicar, Veselic & Drmac (1999).

    Examples
    --------
    >>> product = graded_product(jnp.full((2000, 1, 1), 0.5))
    >>> jnp.round(product.log_singular_values() / jnp.log(2.0))
    Array([-2000.], dtype=float32)
    """
    factors = jnp.asarray(jacobians)
    if factors.ndim != 3 or factors.shape[1] != factors.shape[2] or factors.shape[1] == 0:
        raise checks.error("jacobians", "shape (T, n, n) with n >= 1", f"shape {factors.shape}")
    if not jnp.issubdtype(factors.dtype, jnp.floating):
        wanted = "real floating-point entries"
        raise checks.error("jacobians", wanted, f"dtype {factors.dtype}", TypeError)
    factors = at_least_float32(factors)

    def one(product: GradedProduct, factor: jax.Array) -> tuple[GradedProduct, None]:
        return extend(product, factor @ product.left)[0], None

    return jax.lax.scan(one, identity(factors.shape[1], factors.dtype), factors)[0]


@compiled()
def _log_singular_values(product: GradedProduct) -> jax.Array:
    factor = orthogonal_left(by_scale(product)[0])
    return jacobi.log_singular_values(factor.log_scale, factor.right).values


@compiled()
def _multiply(left: jax.Array, log_scale: jax.Array, right: jax.Array, v: jax.Array) -> jax.Array:
    v = jnp.asarray(v)
    if v.ndim not in (1, 2) or v.shape[0] != log_scale.size:
        n = log_scale.size
        raise checks.error("v", f"shape ({n},) or ({n}, k)", f"shape {v.shape}")
    scale = jnp.exp(log_scale)
    return left @ ((scale[:, None] if v.ndim == 2 else scale) * (right @ v))
