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
# Pairs of QRs after the first one, before the rotations.
PAIRS = 2


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


def log_singular_values(log_scale: jax.Array, factor: jax.Array) -> LogSpectrum:
    """Log singular values of ``diag(e^log_scale) @ factor``.

    Parameters
    ----------
    log_scale : Array, shape (n,)
        Natural logs of the row scales, in any range; -inf for a row that is exactly zero.
    factor : Array, shape (n, n)
        Rows of moderate size, well-conditioned once their lengths are divided out.

    Returns
    -------
    LogSpectrum
        Four arrays of shape (n,); values are -inf for each lost direction.
    """
    logs, rows, order = _longest_first(*normalise_rows(log_scale, factor))
    first, _ = _damped(logs, rows)
    start = (*first, jnp.eye(logs.size, dtype=rows.dtype))
    damped, rows, turn = jax.lax.fori_loop(0, PAIRS, _damped_twice, start)
    values, rows, _ = _longest_first(*_sweep_until_orthogonal(damped, rows))
    left = rows @ turn.T
    return LogSpectrum(values, order, _sensitivity(logs, values, left), _residual(values, rows))


def graded_exponential(
    columns: jax.Array, rows: jax.Array, shift: jax.Array | float = 0.0
) -> jax.Array:
    """Upper triangle of e^(columns_j - rows_i + shift_j), 0 below and where either log is -inf.

    Below the diagonal the exponential may overflow, and the difference of two logs that are -inf
    is NaN; neither is ever wanted.
    """
    present = jnp.triu(~(jnp.isneginf(rows)[:, None] | jnp.isneginf(columns)[None, :]))
    difference = (columns[None, :] - rows[:, None]) + jnp.broadcast_to(shift, present.shape)
    return jnp.where(present, jnp.exp(jnp.where(present, difference, 0)), 0)


def normalise_rows(logs: jax.Array, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The same log-scaled rows with unit vectors; a zero row gets the log norm -inf."""
    norms = jnp.sqrt(jnp.sum(rows * rows, axis=1))
    gone = norms == 0
    logs = jnp.where(gone, -jnp.inf, logs + jnp.log(jnp.where(gone, 1, norms)))
    return logs, rows / jnp.where(gone, 1, norms)[:, None]


def _longest_first(logs: jax.Array, rows: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Log-scaled rows in descending order, and that order."""
    order = jnp.argsort(-logs)
    return logs[order], rows[order], order


def _damped(logs: jax.Array, rows: jax.Array) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
    """Log-scaled rows of R diag(e^l), and Q, where V^T = Q R."""
    orthogonal, triangle = jnp.linalg.qr(rows.T)
    return normalise_rows(logs, triangle * graded_exponential(logs, logs)), orthogonal


def _damped_twice(_: int, carry: tuple) -> tuple:
    """Rows M'' with M^T = Q M' and M'^T = Q' M'', rows sorted, and the rotation so far times Q.

    M'' = G diag(sigma) W^T gives M = (...) diag(sigma) (Q W)^T: the right vectors turn by Q.
    """
    logs, rows, turn = carry
    once, orthogonal = _damped(*_longest_first(logs, rows)[:2])
    logs, rows, order = _longest_first(*once)
    return *_damped(logs, rows)[0], turn @ orthogonal[:, order]


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


def _sweep_until_orthogonal(logs: jax.Array, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Sweeps of rotations until every pair of rows is orthogonal.

    Convergence is quadratic: a sweep that starts with max |v_i . v_j| = sqrt(eps) ends at eps. One
    product of matrices sees earlier whether nothing is left, without a sweep that changes nothing.
    """
    n = logs.size
    if n == 1:
        return logs, rows
    padding = n % 2  # an odd count gets a zero row of log norm -inf, which no rotation touches
    logs = jnp.pad(logs, (0, padding), constant_values=-jnp.inf)
    rows = jnp.pad(rows, ((0, padding), (0, 0)))
    half = logs.size // 2
    tolerance = 0.1 * jnp.sqrt(jnp.finfo(rows.dtype).eps)

    def sweep(carry: tuple) -> tuple:
        count, _, tops, bottoms = carry
        start = (jnp.zeros((), rows.dtype), tops, bottoms)
        worst, tops, bottoms = jax.lax.fori_loop(0, 2 * half - 1, _round, start)
        return count + 1, (worst > tolerance) & left_over(tops, bottoms), tops, bottoms

    def left_over(tops: tuple, bottoms: tuple) -> jax.Array:
        overlap = jnp.max(_overlaps(jnp.concatenate([tops[1], bottoms[1]])))
        return ~(overlap <= ORTHOGONAL * jnp.finfo(rows.dtype).eps)  # or NaN

    def unfinished(carry: tuple) -> jax.Array:
        count, more, _, _ = carry
        return more & (count < MAX_SWEEPS)

    tops, bottoms = (logs[:half], rows[:half]), (logs[half:], rows[half:])
    start = (0, left_over(tops, bottoms), tops, bottoms)
    _, _, (top_logs, tops), (bottom_logs, bottoms) = jax.lax.while_loop(unfinished, sweep, start)
    logs, rows = jnp.concatenate([top_logs, bottom_logs]), jnp.concatenate([tops, bottoms])
    if padding:
        keep = jnp.argsort(-logs)[:n]  # the padding row has stayed at -inf, behind every other
        logs, rows = logs[keep], rows[keep]
    return logs, rows


def _round(_: int, carry: tuple) -> tuple:
    """Rotate n/2 disjoint pairs, then move on to the next pairs of the round-robin."""
    worst, (top_logs, tops), (bottom_logs, bottoms) = carry
    cosine, into_top, into_bottom, overlap = _rotation(top_logs, bottom_logs, tops, bottoms)
    top_logs, new_tops = normalise_rows(top_logs, cosine * tops + into_top * bottoms)
    bottom_logs, new_bottoms = normalise_rows(bottom_logs, cosine * bottoms + into_bottom * tops)
    top_logs, bottom_logs = _next_pairs(top_logs, bottom_logs)
    tops, bottoms = _next_pairs(new_tops, new_bottoms)
    worst = jnp.maximum(worst, jnp.max(jnp.abs(overlap)))
    return worst, (top_logs, tops), (bottom_logs, bottoms)


def _rotation(top_logs, bottom_logs, tops, bottoms):
    """Rotation that makes each pair orthogonal, in terms of the unit vectors.

    For the longer row v_i and the shorter v_j, with r = e^(l_j - l_i) <= 1 and g = v_i . v_j,
    t = tan(theta) = tau r with tau = 2 g / (1 - r^2 + sqrt((1 - r^2)^2 + 4 r^2 g^2)), so that
    v_i <- c (v_i + t r v_j) and v_j <- c (v_j - tau v_i), in which nothing over- or underflows.
    """
    overlap = jnp.sum(tops * bottoms, axis=1)
    lost = jnp.isneginf(top_logs) | jnp.isneginf(bottom_logs)
    gap = jnp.where(lost, -jnp.inf, -jnp.abs(jnp.where(lost, 0, top_logs - bottom_logs)))
    ratio, spread = jnp.exp(gap), -jnp.expm1(2 * gap)
    root = spread + jnp.sqrt(spread * spread + 4 * ratio * ratio * overlap * overlap)
    tau = jnp.where(root == 0, 0, 2 * overlap / jnp.where(root == 0, 1, root))
    tangent = tau * ratio
    cosine = jax.lax.rsqrt(1 + tangent * tangent)
    into_longer, into_shorter = tangent * ratio * cosine, -tau * cosine
    top_longer = top_logs >= bottom_logs
    into_top = jnp.where(top_longer, into_longer, into_shorter)
    into_bottom = jnp.where(top_longer, into_shorter, into_longer)
    return cosine[:, None], into_top[:, None], into_bottom[:, None], overlap


def _next_pairs(tops: jax.Array, bottoms: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Circle method: the first place stays, all others move on by one."""
    if tops.shape[0] == 1:
        return tops, bottoms
    next_tops = jnp.concatenate([tops[:1], bottoms[:1], tops[1:-1]])
    return next_tops, jnp.concatenate([bottoms[1:], tops[-1:]])


def _residual(logs: jax.Array, rows: jax.Array) -> jax.Array:
    """Effect of the overlaps g_ij left behind: r g for a pair of like length, g^2 for others."""
    overlaps = _overlaps(rows)
    ratio = graded_exponential(logs, logs)
    ratio = jnp.maximum(ratio, ratio.T)
    return jnp.max(jnp.maximum(overlaps * ratio, overlaps * overlaps), axis=1)


def _overlaps(rows: jax.Array) -> jax.Array:
    """|v_i . v_j| of each two rows, 0 on the diagonal."""
    return jnp.abs(rows @ rows.T) * (1 - jnp.eye(rows.shape[0], dtype=rows.dtype))
