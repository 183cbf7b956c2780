"""Singular values of diag(e^l) V at any range of l: one-sided Jacobi on log-scaled rows.

A row is held as (log norm l_i, unit vector v_i), so that a pair of rows whose lengths differ by
e^1000 is rotated with the same relative accuracy as a pair of equal lengths (Demmel & Veselic 1992:
one-sided Jacobi keeps the relative accuracy that a badly scaled, well-conditioned matrix allows).

QRs of the transposed factor come first: with V^T = Q R, the rows of R diag(e^l) have the singular
values of diag(e^l) V, and entry (k, j) of row k is damped by e^(l_j - l_k), so that they are nearly
orthogonal to begin with (Drmac & Veselic 2008). Column scaling commutes with QR, so the range of l
plays no part in it. Each further QR damps once more, for less than a sweep of rotations costs.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

MAX_SWEEPS = 40
# Overlaps that end the rotations, in units of eps: rounding alone leaves some 2.
ORTHOGONAL = 8.0
# QRs before the rotations. Odd: each transposes, and what is left is the transpose of the factor.
QRS = 5


class LogSpectrum(NamedTuple):
    """Log singular values, descending, and how well they are determined.

    ``order`` says which row of the factor each value stems from (as far as rows and values are
    separate), ``sensitivity`` how much a relative error of 1 in the rows of the factor moves log
    sigma, and ``residual`` the effect of what the rotations left over.
    """

    values: jax.Array
    order: jax.Array
    sensitivity: jax.Array
    residual: jax.Array


class Rows(NamedTuple):
    """Rows e^l_i v_i, and the rows of an orthogonal matrix that is rotated along with them."""

    logs: jax.Array
    units: jax.Array
    turned: jax.Array


def log_singular_values(log_scale: jax.Array, factor: jax.Array) -> LogSpectrum:
    """Log singular values of ``diag(e^log_scale) @ factor``.

    Parameters
    ----------
    log_scale : Array, shape (m,)
        Natural logs of the row scales, in any range; -inf for a row that is exactly zero.
    factor : Array, shape (m, n)
        Rows of moderate size, well-conditioned once their lengths are divided out; m <= n.

    Returns
    -------
    LogSpectrum
        Four arrays of shape (m,); values are -inf for each lost direction.
    """
    m, n = factor.shape
    if m < n:  # V = R^T Q^T has the singular values of R^T
        factor = jnp.linalg.qr(factor.T, mode="r").T
    logs, units = normalise_rows(log_scale, factor)
    damped = damped_rows(logs, units)
    values, rows, _ = orthogonal_rows(damped.logs, damped.units, jnp.zeros((m, 0), units.dtype))
    sensitivity = _sensitivity(logs, values, rows @ damped.right.T)
    return LogSpectrum(values, jnp.argsort(-logs), sensitivity, _residual(values, rows))


class Damped(NamedTuple):
    """Rows M = diag(e^logs) units of A = right M^T left^T, much closer to orthogonal than A's."""

    logs: jax.Array
    units: jax.Array
    left: jax.Array
    right: jax.Array


def damped_rows(logs: jax.Array, units: jax.Array) -> Damped:
    """A square A = diag(e^logs) units after all QRs."""
    eye = jnp.eye(logs.size, dtype=units.dtype)
    return jax.lax.fori_loop(0, QRS, _transposed, Damped(logs, units, eye, eye))


def _transposed(_: int, before: Damped) -> Damped:
    """One QR more: A = left diag(e^l) V right^T, rows sorted, becomes its transpose.

    With V^T = Q R, A^T = (right Q) (R diag(e^l)) left^T.
    """
    order = jnp.argsort(-before.logs)
    logs = before.logs[order]
    orthogonal, triangle = jnp.linalg.qr(before.units[order].T)
    rows = normalise_rows(logs, triangle * graded_exponential(logs, logs))
    return Damped(*rows, before.right @ orthogonal, before.left[:, order])


def orthogonal_rows(logs: jax.Array, units: jax.Array, turned: jax.Array) -> Rows:
    """Rows rotated until every two are orthogonal, longest first.

    ``turned`` (m, any) is multiplied by the same rotations: with the identity it becomes G in G
    diag(e^l) V = diag(sigma) W^T, where sigma and W^T are the new rows. Convergence is quadratic: a
    sweep that starts with max |v_i . v_j| = sqrt(eps) ends at eps. One product of matrices sees
    earlier whether nothing is left, without a sweep that changes nothing.
    """
    m = logs.size
    rows = Rows(logs, units, turned)
    if m == 1:
        return rows
    if m % 2:  # an odd count gets a zero row of log norm -inf, which no rotation touches
        none = Rows(jnp.full(1, -jnp.inf, logs.dtype), *(jnp.zeros_like(x[:1]) for x in rows[1:]))
        rows = Rows(*map(jnp.concatenate, zip(rows, none, strict=True)))
    # row i of the first half and row i of the second are a pair
    pairs = Rows(*(x.reshape(2, x.shape[0] // 2, *x.shape[1:]) for x in rows))
    eps = jnp.finfo(units.dtype).eps
    tolerance = 0.1 * jnp.sqrt(eps)

    def left_over(pairs: Rows) -> jax.Array:
        return ~(jnp.max(_overlaps(_joined(pairs.units))) <= ORTHOGONAL * eps)  # or NaN

    def sweep(carry: tuple) -> tuple:
        count, _, pairs = carry
        start = (jnp.zeros((), units.dtype), pairs)
        worst, pairs = jax.lax.fori_loop(0, rows.logs.size - 1, _round, start)
        return count + 1, (worst > tolerance) & left_over(pairs), pairs

    def unfinished(carry: tuple) -> jax.Array:
        count, more, _ = carry
        return more & (count < MAX_SWEEPS)

    _, _, pairs = jax.lax.while_loop(unfinished, sweep, (0, left_over(pairs), pairs))
    # a row of padding has stayed at -inf, behind every other
    order = jnp.argsort(-_joined(pairs.logs), stable=True)[:m]
    return Rows(*(_joined(x)[order] for x in pairs))


def graded_exponential(columns: jax.Array, rows: jax.Array) -> jax.Array:
    """Upper triangle of e^(columns_j - rows_i), 0 below and where either log is -inf.

    Below the diagonal the exponential may overflow, and the difference of two logs that are -inf
    is NaN; neither is ever wanted.
    """
    present = jnp.triu(~(jnp.isneginf(rows)[:, None] | jnp.isneginf(columns)[None, :]))
    difference = columns[None, :] - rows[:, None]
    return jnp.where(present, jnp.exp(jnp.where(present, difference, 0)), 0)


def normalise_rows(logs: jax.Array, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The same log-scaled rows with unit vectors; a zero row gets the log norm -inf."""
    norms = jnp.linalg.norm(rows, axis=-1)
    gone = norms == 0
    sizes = jnp.where(gone, 1, norms)
    return jnp.where(gone, -jnp.inf, logs + jnp.log(sizes)), rows / sizes[..., None]


def _sensitivity(logs: jax.Array, values: jax.Array, left: jax.Array) -> jax.Array:
    """First-order bound sum_i |u_ki| e^(l_i - log sigma_k) on d log sigma_k over relative d rows.

    Rotating the rows of (diag(e^l) V)^T leaves them as sigma_k u_k, u_k its left singular vectors:
    d sigma_k = u_k^T d(diag(e^l) V) w_k. Entries of u_k that are rounding alone are left out: all
    small ones, and any in a row so much larger that a true one could not be seen.
    """
    eps = jnp.finfo(left.dtype).eps
    gap = logs[None, :] - jnp.where(jnp.isneginf(values), jnp.inf, values)[:, None]
    size = jnp.abs(left)
    known = (size > logs.size * eps) & (gap < -2 * jnp.log(eps))
    return jnp.sum(jnp.where(known, size * jnp.exp(jnp.where(known, gap, 0)), 0), axis=1)


def _round(_: int, carry: tuple) -> tuple:
    """Rotate pairs of rows that share none, then move on to the next pairs of the round-robin."""
    worst, pairs = carry
    pairs, overlap = _rotated(pairs)
    return jnp.maximum(worst, jnp.max(jnp.abs(overlap))), Rows(*map(_next_pairs, pairs))


def _rotated(pairs: Rows) -> tuple[Rows, jax.Array]:
    """Both rows of each pair after the rotation that makes them orthogonal, and their overlaps.

    For the longer row v_i and the shorter v_j, with r = e^(l_j - l_i) <= 1 and g = v_i . v_j,
    t = tan(theta) = tau r with tau = 2 g / (1 - r^2 + sqrt((1 - r^2)^2 + 4 r^2 g^2)), so that
    v_i <- c (v_i + t r v_j) and v_j <- c (v_j - tau v_i), in which nothing over- or underflows.
    """
    logs, units, turned = pairs
    overlap = jnp.sum(units[0] * units[1], axis=1)
    lost = jnp.isneginf(logs[0]) | jnp.isneginf(logs[1])
    gap = jnp.where(lost, -jnp.inf, -jnp.abs(jnp.where(lost, 0, logs[0] - logs[1])))
    ratio, spread = jnp.exp(gap), -jnp.expm1(2 * gap)
    root = spread + jnp.sqrt(spread * spread + 4 * ratio * ratio * overlap * overlap)
    tau = jnp.where(root == 0, 0, 2 * overlap / jnp.where(root == 0, 1, root))
    tangent = tau * ratio
    cosine = jax.lax.rsqrt(1 + tangent * tangent)
    longer = jnp.stack([logs[0] >= logs[1], logs[0] < logs[1]])
    into = jnp.where(longer, cosine * tangent * ratio, -cosine * tau)
    turn = jnp.where(longer, cosine * tangent, -cosine * tangent)
    kept = cosine[None, :, None]
    moved = kept * units + into[..., None] * units[::-1]
    turned = kept * turned + turn[..., None] * turned[::-1]
    return Rows(*normalise_rows(logs, moved), turned), overlap


def _next_pairs(pairs: jax.Array) -> jax.Array:
    """Circle method: the first place stays, all others move on by one."""
    first, second = pairs
    if len(first) == 1:
        return pairs
    first, second = [first[:1], second[:1], first[1:-1]], [second[1:], first[-1:]]
    return jnp.concatenate(first + second).reshape(pairs.shape)


def _joined(pairs: jax.Array) -> jax.Array:
    """The rows of all pairs, one after the other."""
    return pairs.reshape(2 * pairs.shape[1], *pairs.shape[2:])


def _residual(logs: jax.Array, rows: jax.Array) -> jax.Array:
    """Effect of the overlaps g_ij left behind: r g for a pair of like length, g^2 for others."""
    overlaps = _overlaps(rows)
    ratio = graded_exponential(logs, logs)
    ratio = jnp.maximum(ratio, ratio.T)
    return jnp.max(jnp.maximum(overlaps * ratio, overlaps * overlaps), axis=1)


def _overlaps(rows: jax.Array) -> jax.Array:
    """|v_i . v_j| of each two rows, 0 on the diagonal."""
    return jnp.abs(rows @ rows.T) * (1 - jnp.eye(rows.shape[0], dtype=rows.dtype))
