"""Activation functions by name, and what is known of each."""

from rnnjac._support import checks
from rnnjac.activations import _gated, _gelu, _piecewise, _saturating
from rnnjac.activations._parts import Activation

ACTIVATIONS: dict[str, Activation] = {
    "tanh": _saturating.tanh,
    "sigmoid": _saturating.sigmoid,
    "relu": _piecewise.relu,
    "identity": _piecewise.identity,
    "softplus": _saturating.softplus,
    "elu": _piecewise.elu,
    "selu": _piecewise.selu,
    "gelu": _gelu.gelu,
    "gelu_tanh": _gated.gelu_tanh,
    "silu": _gated.silu,
    "mish": _gated.mish,
    "softsign": _piecewise.softsign,
    "leaky_relu": _piecewise.leaky_relu,
    "hard_tanh": _piecewise.hard_tanh,
}

# Those of the gated units stand where the second derivative is 0: at sqrt(2) for gelu, where the
# slope is Phi + sqrt(2) phi; the others are roots found in 40 digits.
_SLOPE_BOUNDS = {
    "tanh": 1.0,
    "sigmoid": 0.25,
    "relu": 1.0,
    "identity": 1.0,
    "softplus": 1.0,
    "elu": 1.0,
    "selu": 1.7580993408473769,
    "gelu": 1.1289041451851548,
    "gelu_tanh": 1.1289930686587718,
    "silu": 1.0998393201288669,
    "mish": 1.0884981612517279,
    "softsign": 1.0,
    "leaky_relu": 1.0,
    "hard_tanh": 1.0,
}


def get(activation: str | Activation) -> Activation:
    """Activation function of a name, or the callable given.

    Parameters
    ----------
    activation : a key of ``ACTIVATIONS``, or any elementwise callable
        A callable is returned as it is; ``jax.numpy.tanh`` keeps its own, cancelling derivative.

    Returns
    -------
    callable from an array to an array of the same shape.

    Raises
    ------
    ValueError
        If the name is not known.
    TypeError
        If ``activation`` is neither a string nor callable.

    Examples
    --------
    >>> get("tanh") is _saturating.tanh
    True
    """
    if isinstance(activation, str):
        checks.one_of("activation", activation, ACTIVATIONS)
        return ACTIVATIONS[activation]
    if not callable(activation):
        raise checks.error(
            "activation", "a name or a callable", checks.describe(activation), TypeError
        )
    return activation


def slope_bound(activation: str | Activation | float) -> float:
    """Largest slope of an activation function.

    gamma = sup_x |phi'(x)|: 1/4 for sigmoid, 1.13 for gelu and gelu_tanh, 1.10 for silu, 1.09 for
    mish, 1.76 for selu, and 1 for the others.

    Parameters
    ----------
    activation : a key of ``ACTIVATIONS``, one of its functions, or gamma itself
        For any other function gamma is not known here: give the number.

    Returns
    -------
    float, without unit.

    Raises
    ------
    ValueError
        If the name is not known, the number is negative, or the callable is not one of this module.
    TypeError
        If ``activation`` is neither a string, nor callable, nor a real number.

    References
    ----------
    Pascanu, Mikolov, Bengio (2013), section 2.1.

    Examples
    --------
    >>> slope_bound("sigmoid")
    0.25
    """
    if isinstance(activation, (int, float)):
        if isinstance(activation, bool) or not activation >= 0:
            raise checks.error("activation", "a slope bound >= 0", activation)
        return float(activation)
    function = get(activation)
    for name, known in ACTIVATIONS.items():
        if function is known:
            return _SLOPE_BOUNDS[name]
    expected = "a known activation, or its largest slope as a number"
    raise checks.error("activation", expected, checks.describe(activation))
