"""Over how many steps a gradient lasts."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac.measures.gradient_norms import gradient_norms
from rnnjac.measures.singular_vectors import singular_vectors
from rnnjac.system.dynamics import Step, number_of_steps


def memory_horizon(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any = None,
    *,
    length: int | None = None,
    cotangent: Any = None,
    factor: float = math.e,
) -> int:
    """Number of steps back over which a gradient falls to a part of itself.

    The lag k at which ``|| P[T, T-k]^T g ||`` has fallen by ``factor``, interpolated in its log
    between two lags and rounded. A cell that keeps the share f of its state per step has the
    horizon -1 / log f: 3 steps for an LSTM with forget bias 1 and no input, 149 with 5.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`.
    cotangent : pytree, optional
        The gradient g arriving at the last state; structure and shapes of ``state``. By default the
        one that survives best over the sequence: what it is after its first step back is followed,
        since the last step may only read out (an LSTM makes h of c).
    factor : float > 1
        e by default; 1000 gives a length for truncated backpropagation, beyond which terms are a
        thousandth of the first.

    Returns
    -------
    int
        From 0 to T; T also where the gradient has not fallen so far by the start of the sequence.

    Raises
    ------
    ValueError, TypeError
        As `trajectory` and `gradient_norms`; or if ``factor`` is not a finite number above 1.

    Notes
    -----
    Some sweeps along the sequence with few vectors (see `singular_vectors`), one with ``cotangent``
    given; O(T n) memory. A number for people: not to be traced, nor differentiated.

    References
    ----------
    Pascanu, Mikolov & Bengio (2013), eq. 5; Tallec & Ollivier (2018), for -1 / log f.

    Examples
    --------
    >>> memory_horizon(lambda p, s, x: 0.99 * s, None, jnp.ones(1), length=200)
    99
    """
    real = isinstance(factor, (int, float)) and not isinstance(factor, bool)
    if not real or not 1 < factor < math.inf:
        raise checks.error("factor", "a finite number above 1", checks.describe(factor))
    given = cotangent is not None
    steps = number_of_steps(inputs, length)
    if not given:
        leading = singular_vectors(step, params, state, inputs, length=length, top=1)
        lost = bool(jnp.isneginf(leading.log_singular_values[0]))
        # where nothing survives, every direction is as good as another
        cotangent = jax.tree.map(
            lambda rows: jnp.ones_like(rows[0]) if lost else rows[0], leading.left
        )
    logs = gradient_norms(step, params, state, inputs, cotangent=cotangent, length=length)
    by_lag = np.asarray(logs, float)[::-1]
    return horizon(by_lag if given else by_lag[1:], factor, steps)


def horizon(by_lag: np.ndarray, factor: float, most: int) -> int:
    """Lag, rounded, at which the first of some log norms has fallen by ``factor``, or ``most``."""
    if by_lag.size and np.isneginf(by_lag[0]):
        return 0
    below = by_lag[:1] - math.log(factor) - by_lag  # how far each is below the wanted level
    reached = np.flatnonzero(below >= 0)
    if not reached.size:
        return most
    lag = int(reached[0])
    # a gradient that is gone altogether falls through every level at once
    drop = below[lag] - below[lag - 1]
    return min(most, round(lag - 1 - float(below[lag - 1] / drop)))
