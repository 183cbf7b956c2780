"""Generators of factors: make(rng, n, T) -> (T, n, n), or (n, n) for a constant factor.

NumPy alone, and nothing that differs between machines. Weights and states are multiples of 2^-20,
so W s is a multiple of 2^-40 and its sums are exact in any order while they stay below 2^13. Values
of tanh and the like are rounded (states and gates to that grid, slopes to float32) before anything
else is computed from them, entry by entry.
"""

import numpy as np
from numpy.random import Generator


def _grid(x: np.ndarray) -> np.ndarray:
    """x rounded to multiples of 2^-20."""
    return np.round(x * 2.0**20) / 2.0**20


def _weights(rng: Generator, n: int, radius: float) -> np.ndarray:
    """A random matrix of the given spectral radius, on the grid."""
    w = rng.normal(size=(n, n))
    scale = radius / np.abs(np.linalg.eigvals(w)).max()
    return _grid(w * (scale if n <= 32 else _grid(scale)))  # rounded: LAPACK's last digits vary


def _times(w: np.ndarray, state: np.ndarray) -> np.ndarray:
    """w @ state for both on the grid, once it is seen that no sum needs more than 53 bits."""
    assert (np.abs(w).sum(axis=-1) * np.abs(state).max() < 2.0**13).all()
    return w @ state


def tanh(rng: Generator, n: int, T: int, radius: float, drive: float) -> np.ndarray:
    """D_t W along S_t = tanh(W S_{t-1} + u_t), with D = sech^2 taken from the pre-activation."""
    w = _weights(rng, n, radius)
    u = _grid(drive * rng.normal(size=(T, n)))
    state, slopes = np.zeros(n), np.empty((T, n))
    for t in range(T):
        a = _times(w, state) + u[t]
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
        a = _times(w, state) + u[t] + bias
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
    """A product of four Householder reflections with integer vectors, rounded once per entry.

    |v|^2 is near 11 n, and all numerators and sums stay below (11 n)^4: 2^46 at n = 256.
    """
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


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-a))


def _gates(rng: Generator, units: int, gates: int) -> np.ndarray:
    """Recurrent weights (gates, units, units), uniform within 1/sqrt(units), on the grid."""
    edge = 1.0 / np.sqrt(units)
    return _grid(rng.uniform(-edge, edge, size=(gates, units, units)))


def lstm(rng: Generator, n: int, T: int, drive: float) -> np.ndarray:
    """Today's LSTM of n / 2 units with forget bias 1 and random input; the state is (c, h).

    c' = f c + i g and h' = o tanh(c'), so dc'/dc = f, dh'/d. = o (1 - tanh^2 c') dc'/d. + the part
    of o, with every gate rounded to the grid.
    """
    units = n // 2
    w = _gates(rng, units, 4)
    u = _grid(drive * rng.normal(size=(T, 4, units)))
    u[:, 1] += 1.0
    c, h, js = np.zeros(units), np.zeros(units), np.zeros((T, n, n))
    for t in range(T):
        a = _times(w, h) + u[t]
        i, f, o = _grid(_sigmoid(a[0])), _grid(_sigmoid(a[1])), _grid(_sigmoid(a[3]))
        g = _grid(np.tanh(a[2]))
        slopes = np.stack([i * (1 - i) * g, f * (1 - f) * c, i * (1 - g * g)])
        c = _grid(f * c + i * g)
        bent = _grid(np.tanh(c))
        h = _grid(o * bent)
        cell = np.hstack([np.diag(f), (slopes[:, :, None] * w[:3]).sum(axis=0)])
        js[t, :units] = cell
        js[t, units:] = (o * (1 - bent * bent))[:, None] * cell
        js[t, units:, units:] += (bent * o * (1 - o))[:, None] * w[3]
    return js


def gru(rng: Generator, n: int, T: int, drive: float) -> np.ndarray:
    """A GRU with its reset gate after the product, h' = z h + (1 - z) m, and random input.

    m = tanh(u + r p) with p = W_m h, so dm/dh = (1 - m^2) (r W_m + p dr/dh).
    """
    w = _gates(rng, n, 3)
    u = _grid(drive * rng.normal(size=(T, 3, n)))
    h, js = np.zeros(n), np.empty((T, n, n))
    for t in range(T):
        a = _times(w, h)
        r, z = _grid(_sigmoid(a[0] + u[t, 0])), _grid(_sigmoid(a[1] + u[t, 1]))
        m = _grid(np.tanh(u[t, 2] + r * a[2]))
        inner = r[:, None] * w[2] + (a[2] * r * (1 - r))[:, None] * w[0]
        js[t] = ((1 - z) * (1 - m * m))[:, None] * inner
        js[t] += (z * (1 - z) * (h - m))[:, None] * w[1] + np.diag(z)
        h = _grid(z * h + (1 - z) * m)
    return js
