"""The activation functions, their slopes and their curvatures in multi-precision."""

import mpmath

mpmath.mp.dps = 50


def sech_squared(x):
    return mpmath.sech(x) ** 2


def logistic_slope(x):
    return 1 / (2 * mpmath.cosh(x / 2)) ** 2


def logistic(x):
    return 1 / (1 + mpmath.exp(-x))


def gated(gate):
    return lambda x: x * gate(x)


def slope_of_gated(gate, slope):
    return lambda x: gate(x) + x * slope(x)


def cubic(x):
    return mpmath.sqrt(8 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)


def cubic_slope(x):
    return mpmath.sqrt(8 / mpmath.pi) * (1 + 3 * mpmath.mpf("0.044715") * x**2)


def mish_gate(x):
    return mpmath.tanh(mpmath.log1p(mpmath.exp(x)))


def mish_gate_slope(x):
    return sech_squared(mpmath.log1p(mpmath.exp(x))) * logistic(x)


def elu(x, scale=1, alpha=1):
    return scale * (x if x > 0 else alpha * mpmath.expm1(x))


def elu_slope(x, scale=1, alpha=1):
    return scale * (mpmath.mpf(1) if x > 0 else alpha * mpmath.exp(x))


def normal_distribution(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


# from the definition by two integrals (mean 0, variance 1), in 25 digits
SELU = mpmath.mpf("1.050700987355480493419335"), mpmath.mpf("1.673263242354377284817043")

VALUES = {
    "elu": elu,
    "selu": lambda x: elu(x, *SELU),
    "gelu": gated(normal_distribution),
    "gelu_tanh": gated(lambda x: logistic(cubic(x))),
    "silu": gated(logistic),
    "mish": gated(mish_gate),
    "softsign": lambda x: x / (1 + abs(x)),
    "leaky_relu": lambda x: x if x > 0 else x / 100,
    "hard_tanh": lambda x: max(-1, min(1, x)),
    "tanh": mpmath.tanh,
    "sigmoid": logistic,
    "relu": lambda x: max(x, mpmath.mpf(0)),
    "identity": lambda x: x,
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}
SLOPES = {
    "elu": elu_slope,
    "selu": lambda x: elu_slope(x, *SELU),
    "gelu": slope_of_gated(normal_distribution, mpmath.npdf),
    "gelu_tanh": slope_of_gated(
        lambda x: logistic(cubic(x)), lambda x: logistic_slope(cubic(x)) * cubic_slope(x)
    ),
    "silu": slope_of_gated(logistic, logistic_slope),
    "mish": slope_of_gated(mish_gate, mish_gate_slope),
    "softsign": lambda x: 1 / (1 + abs(x)) ** 2,
    "leaky_relu": lambda x: mpmath.mpf(1) if x > 0 else mpmath.mpf(1) / 100,
    "hard_tanh": lambda x: mpmath.mpf(abs(x) < 1),
    "tanh": sech_squared,
    "sigmoid": logistic_slope,
    "relu": lambda x: mpmath.mpf(x > 0),
    "identity": lambda x: mpmath.mpf(1),
    "softplus": logistic,
}
CURVATURES = {
    "tanh": lambda x: -2 * mpmath.tanh(x) * sech_squared(x),
    "sigmoid": lambda x: -mpmath.tanh(x / 2) * logistic_slope(x),
    "softplus": logistic_slope,
}
