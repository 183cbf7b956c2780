"""Synthetic tasks with long lags, sampled inside jit; `jax.vmap` over keys makes a batch.

Every task is ``f(key, length, ...)`` and returns one example with ``inputs`` (time on axis 0) and
``target``. The target belongs to the state after the last step (`temporal_order`, `permutation`),
after ``steps`` steps (`addition`, `multiplication`) or to every step (`memorization`, and
`delayed_copy` and `delayed_xor` where ``wanted``).
"""

from rnnjac.tasks._numbers import Numbers as Numbers
from rnnjac.tasks._numbers import addition as addition
from rnnjac.tasks._numbers import multiplication as multiplication
from rnnjac.tasks._order import Example as Example
from rnnjac.tasks._order import temporal_order as temporal_order
from rnnjac.tasks._recall import Recall as Recall
from rnnjac.tasks._recall import memorization as memorization
from rnnjac.tasks._recall import permutation as permutation
from rnnjac.tasks._stream import Stream as Stream
from rnnjac.tasks._stream import delayed_copy as delayed_copy
from rnnjac.tasks._stream import delayed_xor as delayed_xor
