"""Reference checks on products of given matrices: laws that hold for any n and any length.

Each check is a generator of rows (quantity, expected, measured, tolerance, why that tolerance).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from analyses.common import meanfield

SIGMAS = 4.0  # a z-score beyond it has probability 6e-5
EPS = np.finfo(np.float64).eps
TIMES = (100, 200, 300)


def multiply(_, state, matrix):
    """Step of a linear system driven by its own matrices."""
    return matrix @ state


def linear(matrix, state, _):
    """Step of a linear autonomous system."""
    return matrix @ state


def exponents(matrices, **options):
    start = jnp.zeros(matrices.shape[-1])
    return rnnjac.lyapunov_exponents(multiply, None, start, matrices, **options).exponents


def log_sigma(matrices, **options):
    start = jnp.zeros(matrices.shape[-1])
    return rnnjac.spectrum(multiply, None, start, matrices, **options).log_singular_values


def each(function, chains):
    """``function`` of every chain, one at a time.

    Not `jax.vmap`: on CPU two independent batched LAPACK calls can wait for each other's threads
    for ever (jaxlib 0.10).
    """
    return jax.lax.map(function, chains)


def spectra(factors):
    """log σ of a product of 300 factors after each of TIMES: n = 16 always, hence one program."""
    return np.asarray(rnnjac.product_spectrum(factors, at=TIMES).log_singular_values)


def powers(matrix):
    """`spectra` of a matrix by itself."""
    return spectra(jnp.broadcast_to(matrix, (TIMES[-1], *matrix.shape)))


def gaussian(key, *shape):
    """Square matrices with independent entries of variance 1/n."""
    return jax.random.normal(key, shape) / math.sqrt(shape[-1])


def orthogonal(key, n):
    return jnp.linalg.qr(jax.random.normal(key, (n, n)))[0]


def complex_gaussian(key, length, n):
    """Complex Gaussian matrices, E|entry|² = 1/n, as real ones of twice the size."""
    real, imaginary = jax.random.normal(key, (2, length, n, n)) / math.sqrt(2 * n)
    return jnp.block([[real, -imaginary], [imaginary, real]])


def gaussian_products(settings, key):
    """Newman (1986); Akemann, Burda, Kieburg (2014)."""
    n, steps = 6, settings.steps
    keys = jax.random.split(key, 3)
    for n_printed, printed in ((2, -0.28861), (8, -0.065088), (32, -0.0157877), (128, -0.00391642)):
        formula = meanfield.gaussian_exponents(n_printed)[0]
        half = 0.5 * 10.0 ** -len(str(printed).split(".")[1])
        yield f"λ₁, real, n = {n_printed}: formula", printed, formula, half, "last printed digit"

    real = exponents(gaussian(keys[0], steps, n, n))
    pairs = exponents(complex_gaussian(keys[1], steps, n)).reshape(n, 2).mean(axis=1)
    for name, field, measured in (("real", 1, real), ("complex", 2, pairs)):
        formula = meanfield.gaussian_exponents(n, field=field)
        sd = np.sqrt(meanfield.gaussian_variances(n, field=field) / steps)
        for i in (0, n - 1):
            yield (
                f"λ{'₁₂₃₄₅₆'[i]} of {steps} {name} factors, n = {n}",
                formula[i],
                measured[i],
                SIGMAS * sd[i],
                "four standard deviations of the finite product",
            )
        score = np.abs((np.asarray(measured) - formula) / sd).max()
        yield f"largest |z| of the {n} {name} exponents", 0, score, SIGMAS, "four sigma"

    length, chains = 50, settings.chains
    matrices = gaussian(keys[2], chains, length, n, n)
    # the exponents are sorted, the growth of one vector is not
    first, total = each(lambda m: (exponents(m, top=1)[0], exponents(m).sum()), matrices)
    formula, variance = meanfield.gaussian_exponents(n), meanfield.gaussian_variances(n)
    reason = f"four standard errors of {chains} products"
    sd = math.sqrt(variance[0] / (length * chains))
    yield f"mean of log‖P v‖/t at t = {length}", formula[0], first.mean(), SIGMAS * sd, reason
    sd = math.sqrt(variance.sum() / (length * chains))
    total = total.mean()
    yield f"mean of log|det P|/t at t = {length}", formula.sum(), total, SIGMAS * sd, reason

    radii = np.sort(np.exp(meanfield.gaussian_exponents(1000)))
    gap = np.abs(np.arange(1, 1001) / 1000 - radii**2).max()
    yield "triangular law, n = 1000: sup |F(r) − r²|", 0, gap, 2e-3, "two steps of the staircase"


def orthonormalised_gaussians(settings, key):
    """log R_kk of a QR at every step: exact mean and variance at any length."""
    n, length, chains = 4, 400, max(50, settings.chains // 4)
    printed = np.array([0.55796576, 0.36481858, 0.05796576, -0.63518142])
    formula = meanfield.gaussian_exponents(n, scale=1.0)
    variance = meanfield.gaussian_variances(n)
    gap = np.abs(formula - printed).max()
    yield "four means, n = 4: largest difference from print", 0, gap, 5e-9, "last printed digit"
    matrices = 2 * gaussian(key, chains, length, n, n)  # unit variance at n = 4
    values = np.asarray(each(exponents, matrices))
    sd = np.sqrt(variance / (length * chains))
    score = np.abs((values.mean(axis=0) - formula) / sd).max()
    yield f"largest |z| of the means, {chains} chains of {length}", 0, score, SIGMAS, "four sigma"
    ratio = (length * values.var(axis=0, ddof=1) / variance).mean()
    spread = SIGMAS * math.sqrt(2 / (n * (chains - 1)))
    yield "variance of the means over ψ′/4", 1, ratio, spread, "four sigma of a sample variance"


def fuss_catalan(settings, key):
    """Squared singular values of L Gaussian factors; Penson and Życzkowski (2011)."""
    n, chains, lengths = 64, settings.chains // 4, (1, 2, 3, 5)
    drawn, single = jax.random.split(key)
    factors = gaussian(drawn, chains, lengths[-1], n, n)
    matrices = gaussian(single, chains, n, n)
    singles = jnp.broadcast_to(matrices[:, None], factors.shape)
    both = each(lambda m: log_sigma(m, at=lengths), jnp.concatenate([factors, singles]))
    products, alone = np.split(np.exp(2 * np.asarray(both)), 2)
    error = f"four standard errors of {chains}"
    for row, length in enumerate(lengths):
        mean, wide = mean_and_width((products[:, row] ** 2).mean(axis=1))
        expected = second_moment(length, n)
        reason = f"exact at this n; {error}"
        yield f"second moment, product of {length}, n = {n}", expected, mean, wide, reason
    for kind, squares in (("product of", products), ("power", alone)):
        for row, length in enumerate(lengths[:3]):
            expected = meanfield.fuss_catalan(length, 3)
            mean, wide = mean_and_width((squares[:, row] ** 3).mean(axis=1))
            wide += expected * 3 * length / n
            reason = f"n → ∞, bias within 3L/n (2L/n seen); {error}"
            yield f"third moment, {kind} {length}, n = {n}", expected, mean, wide, reason
            expected = meanfield.fuss_catalan_edge(length)
            mean, wide = mean_and_width(squares[:, row, 0])
            wide += expected * 1.5 * length * n ** (-2 / 3)
            reason = f"n → ∞, edge within 1.5L n^(−2/3) (1.0L seen); {error}"
            yield f"edge, {kind} {length}, n = {n}", expected, mean, wide, reason


def mean_and_width(samples):
    """Mean of independent samples and four standard errors of it."""
    return samples.mean(), SIGMAS * samples.std(ddof=1) / math.sqrt(len(samples))


def second_moment(length, n):
    """E tr((PPᵀ)²)/n of L real Gaussian factors at finite n, by Wick's theorem.

    With M = PPᵀ, q = E(tr M/n)² and m = E tr M²/n one more factor gives
    m' = q + m(1 + 1/n) and q' = q + 2m/n²; as n → ∞ m = L + 1.
    """
    m = q = 1.0
    for _ in range(length):
        m, q = q + m * (1 + 1 / n), q + 2 * m / n**2
    return m


def known_spectra(settings, key):
    """Orthogonal, normal and defective matrices, and the identity."""
    n, length = 16, 200
    keys = jax.random.split(key, 2)
    reason = "one rounding of relative size n·eps at each step"
    wide = length * n * EPS

    gain = 0.3
    # three times again, for the program that finishes a spectrum
    options = {"length": 1600, "at": (*TIMES[:2], 1600)}
    found = rnnjac.spectrum(linear, gain * orthogonal(keys[0], n), jnp.zeros(n), **options)
    logs = found.log_singular_values[-1]
    gap = np.abs(np.asarray(logs) - 1600 * math.log(gain)).max()
    yield "0.3·orthogonal, T = 1600: worst log σ", 0, gap, 8 * wide, reason
    yield "the same, its smallest log σ", 1600 * math.log(gain), logs[-1], 8 * wide, reason

    basis = np.asarray(orthogonal(keys[1], n))
    radii, angles = np.geomspace(1.5, 0.05, n // 2), np.linspace(0.1, 3.0, n // 2)
    blocks = np.zeros((n, n))
    for i, (r, a) in enumerate(zip(radii, angles, strict=True)):
        turn = [[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]]
        blocks[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = r * np.array(turn)
    logs = powers(jnp.asarray(basis @ blocks @ basis.T))[TIMES.index(length)]
    expected = length * np.repeat(np.log(radii), 2)
    gap = np.abs(logs - expected).max()
    # an entry of W carries n·eps·‖W‖, which is n·eps·‖W‖/|λ| for the smallest eigenvalue
    wide = 2 * wide * radii[0] / radii[-1]
    reason = "W itself is rounded: n·eps·max|λ|/min|λ| at each step"
    yield f"normal matrix, T = {length}: worst log σ − T log|λ|", 0, gap, wide, reason

    a, b = 0.9, 1.0
    # beside an identity, whose singular values are 1: those of the block are smaller
    matrix = jnp.eye(n).at[:2, :2].set(jnp.array([[a, b], [0.0, a]]))
    logs = powers(matrix)[TIMES.index(length), -2:]
    reason = "two roundings at each step"
    wide = 4 * length * EPS * 10
    yield "Jordan block, T = 200: log σ₁σ₂", 2 * length * math.log(a), logs.sum(), wide, reason
    # with k = (T b / a)², e^{2 log σ₁ − 2T log a} solves y + 1/y = 2 + k
    k = (length * b / a) ** 2
    expected = length * math.log(a) + 0.5 * math.log((2 + k + math.sqrt(k * k + 4 * k)) / 2)
    yield "Jordan block, T = 200: log σ₁", expected, logs[0], wide, reason
