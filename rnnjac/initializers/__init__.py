"""Weight initializers: functions that build a function ``(key, shape, dtype) -> array``.

A matrix of shape (n_out, n_in) acts on a column from the left, so the last axis counts its inputs.
What is built here has the signature of ``jax.nn.initializers``; those fit wherever these do.
"""

from rnnjac.initializers._gates import chrono as chrono
from rnnjac.initializers._gates import forget_bias as forget_bias
from rnnjac.initializers._gates import orthogonal_blocks as orthogonal_blocks
from rnnjac.initializers._weights import Initializer as Initializer
from rnnjac.initializers._weights import constant as constant
from rnnjac.initializers._weights import gaussian as gaussian
from rnnjac.initializers._weights import identity as identity
from rnnjac.initializers._weights import normal as normal
from rnnjac.initializers._weights import orthogonal as orthogonal
from rnnjac.initializers._weights import sparse as sparse
from rnnjac.initializers._weights import uniform as uniform
from rnnjac.initializers._weights import zeros as zeros
