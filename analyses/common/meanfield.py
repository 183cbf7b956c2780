"""Mean-field theory of random tanh networks, and the limit laws of random matrix products.

In x' = J tanh(x) + sd·noise, where J has independent entries of variance g²/n, each unit is
Gaussian as n → ∞, and with z standard normal

    v = g² <tanh²(√v z)> + sd²,        λ₁ = ½ ln( g² <(1 − tanh²(√v z))²> ).
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

# A dense trapezoid, not Gauss–Hermite: at g = 10 the slope of tanh is narrower than the gaps
# between 201 Hermite nodes. The rule converges exponentially; the cut tails hold 5e-32.
NODES = np.linspace(-12.0, 12.0, 4801)
WEIGHTS = np.exp(-(NODES**2) / 2)
WEIGHTS /= WEIGHTS.sum()


def gaussian_mean(function: Callable[[np.ndarray], np.ndarray], variance: float) -> float:
    """<function(√variance · z)> over a standard normal z."""
    return float(WEIGHTS @ function(math.sqrt(variance) * NODES))


def variance(gain: float, noise: float = 0.0) -> float:
    """The non-zero solution v of v = g²<tanh²> + sd², for g > 1 or sd > 0."""

    def excess(log_v: float) -> float:
        v = math.exp(log_v)
        return math.log(gain**2 * gaussian_mean(lambda x: np.tanh(x) ** 2, v) + noise**2) - log_v

    return math.exp(brentq(excess, math.log(1e-6), math.log(2 * (gain**2 + noise**2)), xtol=1e-14))


def exponent(gain: float, noise: float = 0.0) -> float:
    """Largest Lyapunov exponent per step at gain g, driven by noise of deviation sd."""
    return log_slope(gain, variance(gain, noise))


def log_slope(gain: float, v: float) -> float:
    """½ ln(g² <sech⁴(√v z)>), half the log of χ."""
    return 0.5 * math.log(gain**2 * gaussian_mean(lambda x: np.cosh(x) ** -4, v))


def quieting_noise(gain: float) -> float:
    """Deviation of the noise at which the exponent of the network of gain g > 1 crosses zero."""
    return brentq(lambda noise: exponent(gain, noise), 0.01, 2 * gain, xtol=1e-13)


def critical_weight(bias_variance: float) -> float:
    """σ_w² at which χ = σ_w²<sech⁴> = 1, with q = σ_w²<tanh²> + σ_b² and given σ_b²."""
    return brentq(
        lambda weight: exponent(math.sqrt(weight), math.sqrt(bias_variance)), 1.0, 10.0, xtol=1e-13
    )


def gaussian_exponents(n: int, *, scale: float | None = None, field: int = 1) -> np.ndarray:
    """Lyapunov exponents of products of n×n Gaussian matrices, entries of variance scale (1/n).

    λ_i = ½ [ln(2·scale/β) + ψ(β(n−i+1)/2)], β = 1 for real, 2 for complex entries.
    """
    scale = 1 / n if scale is None else scale
    return 0.5 * (math.log(2 * scale / field) + digamma(field * np.arange(n, 0, -1) / 2))


def gaussian_variances(n: int, *, field: int = 1) -> np.ndarray:
    """Variance per step of log R_kk, ψ'(β(n−k+1)/2)/4, and of t·(the k-th exponent) as t → ∞."""
    return polygamma(1, field * np.arange(n, 0, -1) / 2) / 4


def fuss_catalan(length: int, order: int) -> float:
    """Moment C(Lk+k, k)/(Lk+1) of the squared singular values of L factors, n → ∞."""
    return math.comb(length * order + order, order) / (length * order + 1)


def fuss_catalan_edge(length: int) -> float:
    """Largest squared singular value (L+1)^{L+1}/L^L of L factors, n → ∞."""
    return (length + 1) ** (length + 1) / length**length
