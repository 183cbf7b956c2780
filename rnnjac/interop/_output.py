"""Steps of other conventions."""

import functools
from collections.abc import Callable
from typing import Any


@functools.lru_cache(maxsize=128)
def without_output(step: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Step that returns the state alone, of one that returns ``(state, output)``.

    Flax's cells and the bodies of `jax.lax.scan` do.

    Parameters
    ----------
    step : callable
        ``step(params, state, x) -> (state, output)``.

    Returns
    -------
    callable
        ``step(params, state, x) -> state``; the same one for the same ``step``, so that programs
        compiled for it are found again.

    Raises
    ------
    TypeError
        If ``step`` cannot be hashed.

    Examples
    --------
    >>> pair = lambda p, s, x: (0.5 * s, s)
    >>> without_output(pair)(None, 2.0, None)
    1.0
    """

    def state_of(params: Any, state: Any, x: Any) -> Any:
        return step(params, state, x)[0]

    return state_of
