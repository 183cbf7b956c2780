"""Chains of factors with one truth for float32 and float64.

A chain is J_1, ..., J_T (n by n); the product in question is J_T ... J_1. Every entry is a float32
number that is zero or at least 1e-30 in size, held in a float64 array, so the very same product is
given to both precisions. Generators use NumPy alone and avoid what differs between machines: states
of recurrences are rounded to a coarse grid at each step, so sums are exact in any order and a last
digit of tanh or of BLAS cannot grow; orthogonal factors are quotients of exact integers.
"""

import hashlib
import zlib
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

Make = Callable[[Generator, int, int], np.ndarray]


class Chain(NamedTuple):
    """One row of the table; `make(rng, n, T)` gives the factors before rounding to float32."""

    name: str
    kind: str
    n: int
    T: int
    make: Make


def factors(chain: Chain) -> np.ndarray:
    """The (T, n, n) factors, float64 with float32 values; the seed is the name of the chain."""
    rng = np.random.default_rng(zlib.crc32(chain.name.encode()))
    rounded = np.asarray(chain.make(rng, chain.n, chain.T), np.float32)
    return np.broadcast_to(rounded, (chain.T, chain.n, chain.n)).astype(np.float64) + 0.0


def digest(js: np.ndarray) -> str:
    """The sha256 of the factors' float32 bytes (little-endian) and of their shape."""
    head = repr(js.shape).encode()
    return hashlib.sha256(head + np.ascontiguousarray(js, "<f4").tobytes()).hexdigest()


def row_scaled_condition(j: np.ndarray) -> float:
    """The condition number of diag(1/|row|_inf) J over its nonzero rows; 1 if there are none."""
    size = np.abs(j).max(axis=1)
    rows = j[size > 0] / size[size > 0, None]
    if not len(rows):
        return 1.0
    sigma = np.linalg.svd(rows, compute_uv=False)
    return float(sigma[0] / sigma[-1]) if sigma[-1] > 0 else np.inf


def worst_condition(chain: Chain) -> float:
    """The largest row-scaled condition number among the factors of a chain."""
    distinct = np.unique(factors(chain), axis=0)
    return max(row_scaled_condition(j) for j in distinct)


def nonzero_rows(js: np.ndarray) -> int:
    """The fewest rows of any running product that the zero patterns alone leave nonzero.

    The rank is at most this. Where it equals this, exact zeros survive rounding and every lost
    direction must come out as -inf; where it is less, sums that are zero only in exact arithmetic
    take part, and a floating-point method may report a tiny number in place of zero.
    """
    alive, fewest = np.ones(js.shape[-1], bool), js.shape[-1]
    for j in js:
        alive = (j[:, alive] != 0).any(axis=1)
        fewest = min(fewest, int(alive.sum()))
    return fewest


# Generators: make(rng, n, T) -> (T, n, n), or (n, n) for a constant factor.


def _grid(x: np.ndarray) -> np.ndarray:
    """x rounded to multiples of 2^-20."""
    return np.round(x * 2.0**20) / 2.0**20


def _weights(rng: Generator, n: int, radius: float) -> np.ndarray:
    """A random matrix of the given spectral radius, on the grid."""
    w = rng.normal(size=(n, n))
    return _grid(w * (radius / np.abs(np.linalg.eigvals(w)).max()))


def tanh(rng: Generator, n: int, T: int, radius: float, drive: float) -> np.ndarray:
    """D_t W along S_t = tanh(W S_{t-1} + u_t), with D = sech^2 taken from the pre-activation."""
    w = _weights(rng, n, radius)
    u = _grid(drive * rng.normal(size=(T, n)))
    state, slopes = np.zeros(n), np.empty((T, n))
    for t in range(T):
        a = w @ state + u[t]
        slopes[t] = 1.0 / np.cosh(a) ** 2
        state = _grid(np.tanh(a))
    return slopes.astype(np.float32).astype(np.float64)[:, :, None] * w


def relu(rng: Generator, n: int, T: int, dead: int) -> np.ndarray:
    """D_t W with the 0/1 masks of a driven relu net; the first `dead` units are never active."""
    w = _weights(rng, n, 0.8)
    bias = np.where(np.arange(n) < dead, -1e3, 1.0)
    u = _grid(rng.normal(size=(T, n)))
    state, masks = np.zeros(n), np.empty((T, n))
    for t in range(T):
        a = w @ state + u[t] + bias
        masks[t] = a > 0
        state = _grid(np.maximum(a, 0.0))
    return masks[:, :, None] * w


def sparse_relu(rng: Generator, n: int, T: int, per_row: int, off: float) -> np.ndarray:
    """D_t W, W with few nonzeros in each row, every row masked with probability `off`.

    A permutation with the sparse pattern on top keeps W itself of full structural rank, while the
    masked products have columns that are dependent by their pattern alone.
    """
    w = np.zeros((n, n))
    w[np.arange(n), rng.permutation(n)] = rng.uniform(0.5, 1.5, size=n)
    for i in range(n):
        extra = rng.choice(n, size=min(per_row - 1, n), replace=False)
        w[i, extra] += rng.normal(size=len(extra))
    return (rng.random((T, n)) >= off)[:, :, None] * _grid(w)


def gaussian(rng: Generator, n: int, T: int, gain: float = 1.0) -> np.ndarray:
    """Independent entries of variance gain^2 / n."""
    return rng.normal(size=(T, n, n)) * (gain / np.sqrt(n))


def _orthogonal(rng: Generator, n: int) -> np.ndarray:
    """A product of four Householder reflections with integer vectors, rounded once per entry."""
    numerator, denominator = np.eye(n), 1.0
    for _ in range(4):
        v = rng.integers(1, 6, size=n) * rng.choice([-1.0, 1.0], size=n)
        numerator = (v @ v) * numerator - 2.0 * np.outer(v, v @ numerator)
        denominator *= v @ v
    return numerator / denominator


def orthogonal(rng: Generator, n: int, T: int) -> np.ndarray:
    """A new orthogonal factor at each step, up to the rounding to float32."""
    return np.stack([_orthogonal(rng, n) for _ in range(T)])


def symmetric(rng: Generator, n: int, T: int) -> np.ndarray:
    """One constant symmetric factor of spectral radius near 1."""
    w = rng.normal(size=(n, n))
    return _grid((w + w.T) / np.sqrt(8.0 * n))


def jordan(rng: Generator, n: int, T: int, a: float, b: float) -> np.ndarray:
    """The constant Jordan block a I + b N."""
    return a * np.eye(n) + b * np.eye(n, k=1)


def triangular(rng: Generator, n: int, T: int, drift: float) -> np.ndarray:
    """Non-normal upper triangular; with drift > 0 the entries above the diagonal vary slowly."""
    base = np.triu(rng.normal(size=(n, n)), 1) + np.diag(rng.uniform(0.5, 1.2, size=n))
    if drift == 0.0:
        return base
    swing = np.triu(rng.normal(size=(n, n)), 1)
    return base + drift * np.sin(0.05 * np.arange(T))[:, None, None] * swing


def diagonal(rng: Generator, n: int, T: int) -> np.ndarray:
    """A constant diagonal in ascending order, against the order of a graded product."""
    return np.diag(2.0 ** np.linspace(-6.0, 1.0, n)) if n > 1 else np.full((1, 1), 0.5)


def _unimodular(rng: Generator, n: int) -> np.ndarray:
    """A small integer matrix of determinant +-1."""
    lower = np.eye(n) + np.diag(rng.integers(-1, 2, size=n - 1), -1)
    return lower[rng.permutation(n)]


def _near_singular(rng: Generator, n: int, size: int) -> np.ndarray:
    """An integer matrix of determinant +-1 and condition number about F^2, F = Fibonacci(size).

    [[F_{k+1}, F_k], [F_k, F_{k-1}]] has determinant +-1, so rows are parallel to 1/F^2, far closer
    than rounded random rows can be; the entries stay below 2^24 and so are float32 numbers.
    """
    a, b = 1, 1
    for _ in range(size - 2):
        a, b = b, a + b
    core = np.eye(n)
    core[:2, :2] = [[a + b, b], [b, a]]
    dense = _unimodular(rng, n) @ core @ _unimodular(rng, n).T
    return dense * 2.0 ** -np.ceil(np.log2(np.abs(dense).max()))


def near_singular(rng: Generator, n: int, T: int, size: int) -> np.ndarray:
    """Every factor near-singular."""
    return np.stack([_near_singular(rng, n, size) for _ in range(T)])


def one_near_singular(rng: Generator, n: int, T: int, size: int) -> np.ndarray:
    """Gaussian factors with one near-singular factor in the middle."""
    js = gaussian(rng, n, T)
    js[T // 2] = _near_singular(rng, n, size)
    return js


def tied_blocks(rng: Generator, n: int, T: int, block: int) -> np.ndarray:
    """The same block repeated along the diagonal: every singular value n / block times."""
    return np.stack([np.kron(np.eye(n // block), b) for b in gaussian(rng, block, T)])


def tied_permutations(rng: Generator, n: int, T: int) -> np.ndarray:
    """Scaled signed permutations: all n singular values equal."""
    signs = rng.choice([-1.0, 1.0], size=(T, n, 1)) * rng.uniform(0.5, 1.5, size=(T, 1, 1))
    return np.stack([np.eye(n)[rng.permutation(n)] for _ in range(T)]) * signs


def nilpotent(rng: Generator, n: int, T: int) -> np.ndarray:
    """Strictly upper triangular factors: n - T singular values are left, none once T >= n."""
    return np.triu(gaussian(rng, n, T), 1)


# The table: label, kind, generator, and the (n, T) it occurs at.

ROWS: list[tuple[str, str, Make, list[tuple[int, int]]]] = [
    ("tanh0.5", "tanh", partial(tanh, radius=0.5, drive=0.5), [(3, 10), (8, 200)]),
    (
        "tanh0.9",
        "tanh",
        partial(tanh, radius=0.9, drive=0.5),
        [(1, 1), (3, 2), (8, 200), (16, 200), (32, 10)],
    ),
    (
        "tanh1.2",
        "tanh",
        partial(tanh, radius=1.2, drive=0.5),
        [(1, 1000), (8, 1000), (16, 10), (16, 200), (32, 200), (32, 1000)],
    ),
    (
        "tanh3",
        "tanh",
        partial(tanh, radius=3.0, drive=2.0),
        [(2, 200), (8, 10), (8, 200), (16, 1000), (32, 1000)],
    ),
    ("relu", "relu", partial(relu, dead=0), [(3, 2), (8, 10), (16, 200), (32, 200)]),
    ("relu-dead", "relu", partial(relu, dead=3), [(8, 2), (16, 10), (32, 1000)]),
    (
        "sparse",
        "sparse_relu",
        partial(sparse_relu, per_row=2, off=0.1),
        [(8, 10), (16, 10), (16, 200)],
    ),
    (
        "sparse3",
        "sparse_relu",
        partial(sparse_relu, per_row=3, off=0.05),
        [(8, 2), (8, 200), (32, 10), (32, 200)],
    ),
    ("gaussian", "gaussian", gaussian, [(1, 1000), (2, 10), (8, 200), (32, 1), (32, 1000)]),
    ("gaussian-large", "gaussian", partial(gaussian, gain=1024.0), [(2, 200), (8, 1000)]),
    ("orthogonal", "orthogonal", orthogonal, [(2, 1), (3, 200), (8, 200), (32, 1000)]),
    ("symmetric", "symmetric", symmetric, [(2, 10), (8, 10), (16, 200), (32, 1000)]),
    ("jordan0.5", "jordan", partial(jordan, a=0.5, b=1.0), [(2, 10), (2, 200), (8, 200)]),
    ("jordan1", "jordan", partial(jordan, a=1.0, b=1.0), [(3, 200), (16, 10)]),
    ("triangular", "triangular", partial(triangular, drift=0.0), [(2, 1), (8, 200), (16, 200)]),
    ("triangular-slow", "triangular", partial(triangular, drift=0.5), [(8, 10), (16, 200)]),
    ("diagonal", "diagonal", diagonal, [(1, 1), (3, 10), (16, 1000)]),
    ("near-singular1e8", "near_singular", partial(near_singular, size=19), [(2, 10), (8, 200)]),
    ("near-singular1e12", "near_singular", partial(near_singular, size=29), [(2, 1), (16, 200)]),
    (
        "one-near-singular1e8",
        "near_singular",
        partial(one_near_singular, size=19),
        [(3, 200), (16, 10)],
    ),
    (
        "one-near-singular1e12",
        "near_singular",
        partial(one_near_singular, size=30),
        [(2, 200), (8, 200)],
    ),
    ("tied-blocks", "ties", partial(tied_blocks, block=2), [(8, 10), (16, 200)]),
    ("tied-permutations", "ties", tied_permutations, [(3, 2), (8, 1000)]),
    ("nilpotent", "nilpotent", nilpotent, [(1, 1), (3, 2), (3, 10), (8, 2), (16, 200), (32, 10)]),
]

CHAINS = [
    Chain(f"{label}-n{n}-T{T}", kind, n, T, make)
    for label, kind, make, sizes in ROWS
    for n, T in sizes
]
