"""Chains of factors with one truth for float32 and float64.

A chain is J_1, ..., J_T (n by n); the product in question is J_T ... J_1. Every entry is a float32
number that is zero or at least 1e-30 in size, held in a float64 array, so the very same product is
given to both precisions. Generators use NumPy alone and avoid what differs between machines: states
of recurrences are rounded to a coarse grid at each step, so sums are exact in any order and a last
digit of tanh or of BLAS cannot grow; orthogonal factors are quotients of exact integers.
CHAINS has n <= 32, LARGE has n >= 64.
"""

import hashlib
import zlib
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from tests.generators import (
    diagonal,
    gaussian,
    gru,
    jordan,
    lstm,
    near_singular,
    nilpotent,
    one_near_singular,
    orthogonal,
    relu,
    sparse_relu,
    symmetric,
    tanh,
    tied_blocks,
    tied_permutations,
    triangular,
)

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


def linear(params: object, state: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """One step of a network whose inputs are the factors of a chain."""
    return factor @ state


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

# Sizes in use, n = 64 to 512; apart, so that a quick test can leave them out.

LARGE_ROWS: list[tuple[str, str, Make, list[tuple[int, int]]]] = [
    ("gaussian", "gaussian", gaussian, [(64, 10), (64, 500), (128, 10), (256, 10), (512, 10)]),
    ("tanh0.9", "tanh", partial(tanh, radius=0.9, drive=0.5), [(64, 100), (128, 500)]),
    (
        "tanh1.2",
        "tanh",
        partial(tanh, radius=1.2, drive=0.5),
        [(64, 10), (64, 500), (128, 100), (256, 60), (512, 20)],
    ),
    ("tanh3", "tanh", partial(tanh, radius=3.0, drive=2.0), [(64, 100), (64, 500), (128, 100)]),
    ("relu-dead", "relu", partial(relu, dead=3), [(64, 100), (128, 10)]),
    ("orthogonal", "orthogonal", orthogonal, [(64, 500), (128, 100), (256, 20)]),
    ("symmetric", "symmetric", symmetric, [(64, 100), (128, 10), (128, 500)]),
    ("tied-blocks8", "ties", partial(tied_blocks, block=8), [(64, 100), (128, 10)]),
    ("tied-permutations", "ties", tied_permutations, [(64, 500), (128, 100)]),
    ("lstm", "lstm", partial(lstm, drive=1.0), [(64, 10), (64, 500), (128, 100), (256, 60)]),
    (
        "gru",
        "gru",
        partial(gru, drive=1.0),
        [(64, 10), (64, 100), (64, 500), (128, 100), (256, 20)],
    ),
    ("lstm-driven", "lstm", partial(lstm, drive=3.0), [(64, 100), (128, 500)]),
]


def _chains(rows: list[tuple[str, str, Make, list[tuple[int, int]]]]) -> list[Chain]:
    return [
        Chain(f"{label}-n{n}-T{T}", kind, n, T, make)
        for label, kind, make, sizes in rows
        for n, T in sizes
    ]


CHAINS, LARGE = _chains(ROWS), _chains(LARGE_ROWS)
