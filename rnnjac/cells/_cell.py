"""The type every cell constructor returns."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax


class Cell(NamedTuple):
    """Three pure functions that define a recurrent cell.

    ``step(params, state, x)`` returns the next state; ``init(key)`` returns parameters; and
    ``initial_state()`` returns the zero state. The functions hold no arrays and no mutable data,
    so a cell can be closed over by compiled code.
    """

    init: Callable[[jax.Array], Any]
    step: Callable[[Any, Any, Any], Any]
    initial_state: Callable[[], Any]
