"""Activation functions whose derivatives keep their digits when the unit is saturated.

Derivatives are computed from the argument, never from the value, and from products and sums of one
sign: where a slope passes through 0, as those of silu, gelu and mish do, it is expanded at its root
so that nothing cancels there either.
"""

from rnnjac.activations._gated import gelu_tanh as gelu_tanh
from rnnjac.activations._gated import mish as mish
from rnnjac.activations._gated import silu as silu
from rnnjac.activations._gelu import gelu as gelu
from rnnjac.activations._names import ACTIVATIONS as ACTIVATIONS
from rnnjac.activations._names import get as get
from rnnjac.activations._names import slope_bound as slope_bound
from rnnjac.activations._parts import Activation as Activation
from rnnjac.activations._piecewise import elu as elu
from rnnjac.activations._piecewise import hard_tanh as hard_tanh
from rnnjac.activations._piecewise import identity as identity
from rnnjac.activations._piecewise import leaky_relu as leaky_relu
from rnnjac.activations._piecewise import relu as relu
from rnnjac.activations._piecewise import selu as selu
from rnnjac.activations._piecewise import softsign as softsign
from rnnjac.activations._saturating import sigmoid as sigmoid
from rnnjac.activations._saturating import softplus as softplus
from rnnjac.activations._saturating import tanh as tanh
