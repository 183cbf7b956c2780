"""Log singular values of long products, by means that share nothing with rnnjac.

The product is formed exactly, in integers. Its rank is taken modulo primes. The singular values are
those of the R of a pivoted QR, by one-sided Jacobi, in multi-precision; the number of bits doubles
until nothing moves by 1e-25. mpmath suffices; gmpy2 and python-flint only make it quicker.
For n >= 64, precise.py has quicker rotations, and a bound on their error, in place of the last.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np

from tests.problems import Chain, digest, factors, worst_condition


def _optional(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


gmpy2, flint = _optional("gmpy2"), _optional("flint")

TRUTH = Path(__file__).parent / "truth" / "chains.npz"
PROVENANCE = TRUTH.with_suffix(".json")
STABLE = 1e-25  # largest change of any log sigma when the bits are doubled
MAX_BITS = 2**20
JACOBI_BITS = 256  # after pivoting the scales sit in the column norms, which Jacobi does not mix
PRIMES = (268435399, 268435367, 268435361)  # below 2^28: 32 products of residues fit in int64


def exact_log_singular_values(js: np.ndarray) -> np.ndarray:
    """All n log singular values of J_T ... J_1, descending; -inf for an exact zero."""
    return exact_with_bits(js)[0]


def exact_with_bits(js: np.ndarray) -> tuple[np.ndarray, int]:
    """The log singular values and the bits of the QR at which they no longer changed."""
    n, rank = js.shape[-1], exact_rank(js)
    out = np.full(n, -np.inf)
    if rank == 0:
        return out, 0
    product, exponent = exact_product(js)
    bits, before = 256, None
    while bits <= MAX_BITS:
        logs = _log_singular_values(product, exponent, rank, bits)
        if logs is not None and before is not None:
            with precision(2 * JACOBI_BITS):
                if max(abs(x - y) for x, y in zip(logs, before, strict=True)) < STABLE:
                    out[:rank] = np.sort([float(x) for x in logs])[::-1]
                    return out, bits
        bits, before = 2 * bits, logs
    raise ArithmeticError(f"no stable answer within {MAX_BITS} bits")


# The exact product and its rank.


def _integer(j: np.ndarray) -> tuple[np.ndarray, int]:
    """Python integers M and an exponent e with J = 2^e M exactly."""
    fractions, exponents = np.frexp(j)
    if not j.any():
        return np.zeros(j.shape, object), 0
    e = int(exponents[j != 0].min()) - 53
    mantissas = np.ldexp(fractions, 53).astype(np.int64)
    bits = np.bitwise_or.reduce(mantissas, axis=None)
    spare = int(bits & -bits).bit_length() - 1  # float32 numbers end in 29 zeros
    shortened = (mantissas >> spare).astype(object)
    return shortened << np.maximum(exponents - 53 - e, 0).astype(object), e + spare


def exact_product(js: np.ndarray) -> tuple[np.ndarray, int]:
    """Integers M (object array) and an exponent e with J_T ... J_1 = 2^e M exactly."""
    level, exponent = [], 0
    for j in js:
        m, e = _integer(j)
        level.append(flint.fmpz_mat(m.tolist()) if flint else m)
        exponent += e
    while len(level) > 1:  # pairs, so that the long integers meet few multiplications
        pairs = [
            later * earlier if flint else later @ earlier
            for earlier, later in zip(level[::2], level[1::2], strict=False)
        ]
        level = pairs + level[2 * len(pairs) :]
    return integers(level[0]), exponent


def integers(m: Any) -> np.ndarray:
    """A matrix of either kind as an object array of Python integers."""
    return np.array([[int(x) for x in row] for row in m.tolist()], object)


def exact_rank(js: np.ndarray) -> int:
    """The rank of J_T ... J_1.

    A rank modulo p never exceeds the true one, and falls short of it with probability about T/p for
    a prime p chosen without regard to the factors; the largest over three primes is taken.
    """
    return max(_rank_modulo(js, p) for p in PRIMES)


def _rank_modulo(js: np.ndarray, p: int) -> int:
    product = np.eye(js.shape[-1], dtype=np.int64)
    for j in js:
        fractions, exponents = np.frexp(j)
        mantissas = np.ldexp(fractions, 53).astype(np.int64) % p
        low = int(exponents.min()) - 53
        powers = np.array([pow(2, low + k, p) for k in range(int(np.ptp(exponents)) + 1)])
        residues = mantissas * powers[exponents - 53 - low] % p
        parts = range(0, len(product), 32)
        product = sum(residues[:, k : k + 32] @ product[k : k + 32] % p for k in parts) % p
    return eliminate(product, p)


def eliminate(a: np.ndarray, p: int) -> int:
    """The rank of a square matrix of residues modulo p."""
    rank = 0
    for column in range(a.shape[1]):
        below = np.flatnonzero(a[rank:, column])
        if below.size == 0:
            continue
        a[[rank, rank + below[0]]] = a[[rank + below[0], rank]]
        a[rank] = a[rank] * pow(int(a[rank, column]), -1, p) % p
        a[rank + 1 :] = (a[rank + 1 :] - a[rank + 1 :, column, None] * a[rank]) % p
        rank += 1
    return rank


# Multi-precision, in arrays of gmpy2.mpfr, or of mpmath.mpf where gmpy2 is absent.


@contextmanager
def precision(bits: int) -> Iterator[None]:
    if gmpy2:
        with gmpy2.context(
            gmpy2.get_context(),
            precision=bits,
            emax=gmpy2.get_emax_max(),
            emin=gmpy2.get_emin_min(),
        ):
            yield
    else:
        with mpmath.workprec(bits):
            yield


def real(x: Any) -> Any:
    """x rounded to the precision in force."""
    return gmpy2.mpfr(x) if gmpy2 else mpmath.mpf(x) + 0


def _sqrt(x: Any) -> Any:
    return gmpy2.sqrt(x) if gmpy2 else mpmath.sqrt(x)


def log(x: Any) -> Any:
    return gmpy2.log(x) if gmpy2 else mpmath.log(x)


def apply(f: Callable[[Any], Any], a: np.ndarray) -> np.ndarray:
    out = np.empty(a.shape, object)
    for index in np.ndindex(a.shape):
        out[index] = f(a[index])
    return out


def _log_singular_values(m: np.ndarray, exponent: int, rank: int, bits: int) -> list[Any] | None:
    """log sigma of 2^exponent M, descending in the pivots; None where the bits do not suffice."""
    r = triangle(m, rank, bits)
    if r is None:
        return None
    with precision(JACOBI_BITS << bits.bit_length() % 2):  # differs between bits and 2 bits
        rows = apply(real, r)
        _one_sided_jacobi(rows)
        shift = exponent * log(real(2))
        return sorted((log(c @ c) / 2 + shift for c in rows), reverse=True)


def triangle(m: np.ndarray, rank: int, bits: int) -> np.ndarray | None:
    """The first `rank` rows of R in M P = Q R, largest remaining column first (Gram-Schmidt).

    Each column carries an error 2^-bits |M|: the last pivot must stand 2^100 above 2^30 times that,
    or the answer is None, and what is left after `rank` pivots must not stand out of it.
    """
    with precision(bits):
        a = apply(real, m.T)  # columns, as rows
        squares = (a * a).sum(axis=1)
        noise = _sqrt(max(squares)) * real(2) ** (30 - bits)
        r = apply(real, np.zeros((rank, len(a)), object))
        seen = squares.copy()  # each square as it was when last summed
        for k in range(rank):
            pivot = k + int(np.argmax(squares[k:]))
            for x in (a, squares, seen, r.T):
                x[[k, pivot]] = x[[pivot, k]]
            norm = _sqrt(a[k] @ a[k])
            if norm < noise * 2**100:
                return None
            r[k, k], q = norm, a[k] / norm
            r[k, k + 1 :] = a[k + 1 :] @ q
            a[k + 1 :] -= r[k, k + 1 :, None] * q
            squares[k + 1 :] -= r[k, k + 1 :] ** 2
            fallen = k + 1 + np.flatnonzero(squares[k + 1 :] < seen[k + 1 :] / 2**64)
            squares[fallen] = seen[fallen] = (a[fallen] * a[fallen]).sum(axis=1)
        if rank < len(a) and max(_sqrt(x @ x) for x in a[rank:]) > noise:
            raise ArithmeticError("the rank found modulo primes is too small")
    return r


def _one_sided_jacobi(rows: np.ndarray, tolerance: float = 1e-40, sweeps: int = 60) -> None:
    """Rotate pairs of rows in place until all are orthogonal; their norms are then sigma."""
    r = len(rows)
    for _ in range(sweeps):
        worst = 0.0
        for i in range(r):
            for j in range(i + 1, r):
                a, b, g = rows[i] @ rows[i], rows[j] @ rows[j], rows[i] @ rows[j]
                cosine = float(abs(g) / _sqrt(a * b))
                worst = max(worst, cosine)
                if cosine < tolerance:
                    continue
                zeta = (b - a) / (2 * g)
                root = abs(zeta) + _sqrt(1 + zeta * zeta)
                t = 1 / root if zeta >= 0 else -1 / root
                c = 1 / _sqrt(1 + t * t)
                rows[i], rows[j] = c * (rows[i] - t * rows[j]), c * (rows[j] + t * rows[i])
        if worst < tolerance:
            return
    raise ArithmeticError(f"Jacobi did not converge: cosine {worst}")


# Plain NumPy.


def multiplied_out(js: np.ndarray) -> np.ndarray:
    """log sigma from the product and np.linalg.svd; good to eps sigma_1 / sigma_i for small T."""
    product = np.eye(js.shape[-1])
    for j in js:
        product = j @ product
    with np.errstate(divide="ignore"):
        return np.log(np.linalg.svd(product, compute_uv=False))


def benettin(js: np.ndarray) -> np.ndarray:
    """The sums of log|R_ii| of the QR recursion started from the identity, in the frame's order."""
    q, total = np.eye(js.shape[-1]), np.zeros(js.shape[-1])
    for j in js:
        q, r = np.linalg.qr(j @ q)
        with np.errstate(divide="ignore"):
            total += np.log(np.abs(np.diag(r)))
    return total


# Stored truth and the comparison.


class Stored(NamedTuple):
    """One stored row: sha256 of the factors, their worst condition number, log sigma."""

    digest: str
    condition: float
    log_sigma: np.ndarray


@cache
def stored_rows() -> dict[str, Stored]:
    """Every stored row by the name of its chain."""
    with np.load(TRUTH, allow_pickle=False) as data:
        values = np.split(data["log_sigma"], np.cumsum(data["sizes"])[:-1])
        columns = data["names"].tolist(), data["digests"].tolist(), data["conditions"].tolist()
        rows = zip(*columns, values, strict=True)
        return {name: Stored(sha, condition, logs) for name, sha, condition, logs in rows}


@cache
def _digest(chain: Chain) -> str:
    return digest(factors(chain))


def truth(chain: Chain) -> np.ndarray:
    """The stored log singular values of a chain, once its factors are seen to be the same."""
    stored = stored_rows()[chain.name]
    if _digest(chain) != stored.digest:
        raise AssertionError(f"{chain.name}: factors differ from those of the stored truth")
    return stored.log_sigma.copy()


def condition(chain: Chain) -> float:
    """problems.worst_condition of a chain, as stored; computed where it is not."""
    stored = stored_rows().get(chain.name)
    if stored is None or _digest(chain) != stored.digest:
        return worst_condition(chain)
    return stored.condition


def log_sigma_error(measured: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """|measured - expected| entry by entry: 0 for -inf against -inf, inf for -inf against a number.

    NaN in either counts as inf; the shapes must be equal, so nothing is broadcast.
    """
    measured, expected = np.asarray(measured, float), np.asarray(expected, float)
    if measured.shape != expected.shape:
        raise ValueError(f"measured: expected shape {expected.shape}; got {measured.shape}")
    with np.errstate(invalid="ignore"):
        error = np.abs(measured - expected)
    both_lost = np.isneginf(measured) & np.isneginf(expected)
    return np.where(both_lost, 0.0, np.where(np.isnan(error), np.inf, error))


def provenance() -> dict[str, Any]:
    """Versions, method, bits and bound with which the stored truth was made."""
    return json.loads(PROVENANCE.read_text())
