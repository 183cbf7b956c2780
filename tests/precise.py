"""Log singular values of large products, each with an error bound computed after the fact.

As in oracles, the product is exact and a pivoted QR in multi-precision leaves its R (r by n). The
rows of R are then made orthogonal in np.longdouble, which settles nothing by itself: what is kept
is the matrix G that did it, and integers with 192 bits after the point show how good G was.

The bound. Let S hold powers of two near the norms of the rows of R, N the norms recorded at the
end, and H = N^-1 G S, so that G R = N B with B = H S^-1 R and rows of B near 1. Let F = G G^T - I
and E = Q Q^T - I, Q being B with its rows b_i scaled to 1; both are taken from the integers.
Ostrowski's theorem on multiplicative perturbations, used for G and for Q, gives for each i

    |log sigma_i(R) - log(N_i |b_i|)| <= -log(1 - |F|) / 2 - log(1 - |E|) / 2

however far apart the N_i are. For R itself: Gram-Schmidt gives the R of a matrix within
sqrt(n) 2^-100 r_rr of the product (oracles.triangle refuses otherwise), and sigma_r(R) is at least
r_rr sigma_r(S^-1 R) / 2, so log sigma moves by at most 2^-90 / sigma_r(S^-1 R), which also covers
what is lost in rounding to 192 bits. A bound above 1e-13 is refused. The value is then rounded once
to float64: by half a unit in its last place, 4.5e-13 for |log sigma| in 4096 to 8192.
"""

import numpy as np

from tests import oracles

EXTENDED_BITS = int(np.finfo(np.longdouble).nmant)  # 63 on x86
FRACTION = 192  # bits after the point of the integers
ALLOWED = 1e-13  # largest bound; with the rounding of |log sigma| < 8192 no error passes 1e-12
SWEEPS = 40


def exact_with_bound(js: np.ndarray) -> tuple[np.ndarray, int, float]:
    """All n log singular values, descending; the bits of the QR; the bound before rounding."""
    if EXTENDED_BITS < 63:
        raise RuntimeError(f"np.longdouble: expected 63 bits or more; got {EXTENDED_BITS}")
    out = np.full(js.shape[-1], -np.inf)
    product, exponent = oracles.exact_product(js)
    rank = _rank(product)
    if rank == 0:
        return out, 0, 0.0
    bits = _bits(js, rank)
    while (r := oracles.triangle(product, rank, bits)) is None:
        bits += bits // 4
    logs, bound = orthogonalised(r, exponent)
    if bound > ALLOWED:
        raise ArithmeticError(f"the bound {bound} is too large")
    out[:rank] = logs
    return out, bits, bound


def _bits(js: np.ndarray, rank: int) -> int:
    """Bits to try the QR with: the spread that a QR recursion in float64 sees, and 192 more."""
    logs = np.sort(oracles.benettin(js))[::-1][:rank]
    logs = np.append(logs[np.isfinite(logs)], logs[:1] if np.isfinite(logs[0]) else 0.0)
    return 192 + int(np.ptp(logs) / np.log(2.0))


def _rank(m: np.ndarray) -> int:
    """The rank of a matrix of Python integers, as in oracles.exact_rank."""
    return max(oracles.eliminate((m % p).astype(np.int64), p) for p in oracles.PRIMES)


def orthogonalised(r: np.ndarray, exponent: int = 0) -> tuple[np.ndarray, float]:
    """The log singular values of 2^exponent R, descending, R in multi-precision; and the bound."""
    unit, start = _unit_rows(r)
    floating = _extended(unit)
    smallest = np.linalg.svd(floating.astype(float), compute_uv=False)[-1] - 1e-12
    h, end, size = jacobi(floating, start)

    (h, h_shift), (size, size_shift) = _split(h), _split(size)
    end = end + size_shift  # N = size 2^end, exactly
    b = _multiply(_shift(h, h_shift + FRACTION), unit) >> FRACTION
    g = _shift(h * size[:, None], h_shift + end[:, None] - start + FRACTION)
    gram_b, gram_g = _multiply(b, b.T), _multiply(g, g.T)
    squares = np.diag(gram_b).copy()

    gram_g[np.diag_indices(len(g))] -= 1 << 2 * FRACTION
    norm = np.sqrt(squares.astype(float))
    cosines = gram_b.astype(float) / norm / norm[:, None]
    np.fill_diagonal(cosines, 0.0)
    defects = np.array([np.linalg.norm(cosines), np.linalg.norm(_scaled(gram_g))])
    if not (defects.max() < 0.5 and smallest > 1e-9):
        raise ArithmeticError(f"E and F {defects}, smallest singular value {smallest}")
    logs = _logs(squares * size**2, 2 * (end + exponent - FRACTION)) / 2.0
    return np.sort(logs)[::-1], float(2.0**-90 / smallest - 0.5 * np.log1p(-defects).sum())


def jacobi(unit: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """H, and the final norms size 2^end, of one-sided Jacobi on the rows 2^start unit.

    Rows are unit vectors and their norms are kept apart, so that none under- or overflows: with
    rho <= 1 the ratio of two norms, c their cosine and t the tangent of the angle, the longer row
    turns into p + t rho q and the shorter into q - (t / rho) p. All pairs of one round of a
    tournament are disjoint and turned at once. H turns along with the rows.
    """
    count, n = unit.shape
    eps = np.finfo(np.longdouble).eps
    rows = np.hstack([unit, np.eye(count, dtype=unit.dtype)])
    size, end = np.ones(count, unit.dtype), start.astype(int)
    _normalise(rows, size, end, np.arange(count), n)
    for _ in range(SWEEPS):
        worst = 0.0
        order = np.arange(count + count % 2)  # an odd one out meets nobody
        for _ in range(len(order) - 1):
            i, j = order[: len(order) // 2], order[len(order) // 2 :][::-1]
            i, j = i[both := np.maximum(i, j) < count], j[both]
            order = np.r_[order[0], np.roll(order[1:], 1)]
            with np.errstate(over="ignore", divide="ignore"):
                rho = np.ldexp(size[j] / size[i], end[j] - end[i])
                i, j = np.where(rho <= 1, i, j), np.where(rho <= 1, j, i)
                rho = np.where(rho <= 1, rho, 1 / rho)
            p, q = rows[i], rows[j]
            cosine = np.einsum("ij,ij->i", p[:, :n], q[:, :n])
            worst = max(worst, np.abs(cosine).max(initial=0.0))
            gap = (1 - rho) * (1 + rho)
            root = gap + np.sqrt(gap**2 + (2 * cosine * rho) ** 2)
            tilt = 2 * cosine / np.where(root > 0, root, 1)  # t / rho
            rows[i] = p + (tilt * rho**2)[:, None] * q
            rows[j] = q - tilt[:, None] * p
            turn = 1 / np.sqrt(1 + (tilt * rho) ** 2)
            size[i], size[j] = size[i] * turn, size[j] * turn
            _normalise(rows, size, end, np.r_[i, j], n)
        if worst <= count * eps:
            return rows[:, n:], end, size
    raise ArithmeticError(f"Jacobi did not converge: cosine {worst}")


def _normalise(
    rows: np.ndarray, size: np.ndarray, end: np.ndarray, which: np.ndarray, n: int
) -> None:
    """The first n entries of some rows brought to norm 1, in place, their norms put into size."""
    norm = np.sqrt(np.einsum("ij,ij->i", rows[which, :n], rows[which, :n]))
    rows[which] /= norm[:, None]
    size[which], carry = np.frexp(size[which] * norm)
    end[which] += carry


# Integers and what they stand for: x = m 2^e.


def _multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product of two matrices of Python integers."""
    if not oracles.flint:
        return a @ b
    return oracles.integers(oracles.flint.fmpz_mat(a.tolist()) * oracles.flint.fmpz_mat(b.tolist()))


def _logs(x: np.ndarray, exponents: np.ndarray | int = 0) -> np.ndarray:
    """log(2^exponents x) for x of any kind and size, rounded once to float64."""
    with oracles.precision(oracles.JACOBI_BITS):
        two = oracles.log(oracles.real(2))
        e = np.broadcast_to(exponents, x.shape).tolist()
        logs = [oracles.log(oracles.real(v)) + k * two for v, k in zip(x, e, strict=True)]
        return np.array([float(v) for v in logs])


def _truncated(x: np.ndarray, exponents: np.ndarray | int) -> np.ndarray:
    """2^exponents x cut to Python integers."""
    with oracles.precision(oracles.JACOBI_BITS):
        powers = oracles.apply(lambda e: oracles.real(2) ** int(e), np.asarray(exponents))
        return oracles.apply(int, oracles.apply(oracles.real, x) * powers)


def _unit_rows(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers and shifts with R = 2^(shift - 192) integers, whose rows have norms near 2^192."""
    shifts = np.ceil(_logs((r * r).sum(axis=1)) / np.log(4.0)).astype(int)
    return _truncated(r, FRACTION - shifts[:, None]), shifts


def _extended(m: np.ndarray) -> np.ndarray:
    """2^-192 m in np.longdouble, rounded to at least 2^-105 of its size."""
    high = m.astype(float)
    low = (m - _truncated(high, 0)).astype(float)
    return np.ldexp(high.astype(np.longdouble) + low.astype(np.longdouble), -FRACTION)


def _split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers below 2^64 and exponents of an extended array (what is longer is cut off)."""
    fraction, e = np.frexp(x)
    high = np.trunc(np.ldexp(fraction, 32))
    low = np.trunc(np.ldexp(np.ldexp(fraction, 32) - high, 32))
    return high.astype(np.int64).astype(object) * 2**32 + low.astype(np.int64), e.astype(int) - 64


def _shift(m: np.ndarray, by: np.ndarray) -> np.ndarray:
    """2^by m, rounded down."""
    left, right = np.maximum(by, 0).astype(object), np.maximum(-by, 0).astype(object)
    return (m << left) >> right


def _scaled(m: np.ndarray) -> np.ndarray:
    return m.astype(float) * 2.0 ** (-2 * FRACTION)
