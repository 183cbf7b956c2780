"""What training does to gradients, in a few numbers for a log."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac._support.fixed import is_traced
from rnnjac.measures.gradient_norms import gradient_norms
from rnnjac.measures.lyapunov import lyapunov_exponents
from rnnjac.measures.singular_vectors import singular_vectors
from rnnjac.system.dynamics import Step
from rnnjac.system.inputs import number_of_steps

LAGS = (1, 10, 100)
# A log needs no more digits than this leaves, and each further sweep costs as much as the first.
ITERATIONS = 2


def monitor(
    step: Step,
    state: Any,
    inputs: Any = None,
    *,
    length: int | None = None,
    params: Callable[[Any], Any] = lambda p: p,
    top: int = 4,
    every: int = 1,
) -> Callable[..., dict[str, Any]]:
    """Function of the parameters that tells how gradients travel, for a training loop's log.

    Along one probe sequence, with ``top`` directions carried along and no Jacobian formed.

    Parameters
    ----------
    step, state, inputs, length
        As for `trajectory`: the probe.
    params : callable
        Takes the parameters of ``step`` out of what the loop has: ``lambda p: p["cell"]``, or
        ``lambda state: state.params["rnn"]`` of a TrainState.
    top : int
        How many leading directions are looked at, 1 to n.
    every : int
        Measure at the first call and at every such call after it; others return an empty dict.

    Returns
    -------
    callable
        ``watch(params) -> dict of floats``, ready for any logger: "lyapunov_exponent", the leading
        one in nat per step, the first tenth of the steps not counted; "log_sigma_leading" and
        "log_sigma_median", natural logs of the largest singular value of the product over the
        sequence and of the median of the ``top`` largest; "lost", the share of these that are
        exactly zero; "horizon", steps back until the gradient that survives best is down by e (see
        `memory_horizon`), at most T; and "gradient_lag_1", "_10" and "_100", its log norm so many
        steps before the end, as far as the sequence goes. It serves as ``measure`` of `train`, too:
        a second argument is not looked at, and where it is traced it gives arrays and ``every`` is
        of no effect.

    Raises
    ------
    ValueError, TypeError
        If ``top`` or ``every`` is out of range; otherwise as `trajectory`, from the function.

    Notes
    -----
    Some sweeps along the sequence with ``top`` + 8 vectors, in one program: for 128 units and 200
    steps as long as one training step with 32 sequences, on two cores.

    References
    ----------
    Pascanu, Mikolov & Bengio (2013), eq. 5.

    Examples
    --------
    >>> watch = monitor(lambda W, s, x: W @ s, jnp.ones(2), length=10, top=2)
    >>> found = watch(2.0 * jnp.eye(2))
    >>> round(found["log_sigma_leading"] / 10, 4), found["horizon"]
    (0.6931, 10.0)
    """
    every = checks.integer("every", every, 1)
    steps = number_of_steps(inputs, length)
    calls = 0

    @jax.jit
    def measure(given: Any) -> dict[str, jax.Array]:
        system = step, params(given), state, inputs
        triplets = singular_vectors(*system, length=length, top=top, iterations=ITERATIONS)
        logs = triplets.log_singular_values
        arriving = jax.tree.map(lambda rows: rows[0], triplets.left)
        # where nothing survives, every direction is as good as another
        arriving = jax.tree.map(lambda v: jnp.where(jnp.isneginf(logs[0]), 1, v), arriving)
        back = gradient_norms(*system, cotangent=arriving, length=length)[::-1]
        leading = lyapunov_exponents(*system, length=length, top=1, warmup=steps // 10)
        return {
            "lyapunov_exponent": leading.exponents[0],
            "log_sigma_leading": logs[0],
            "log_sigma_median": logs[(len(logs) - 1) // 2],
            "lost": jnp.isneginf(logs).mean(dtype=logs.dtype),
            "horizon": _horizon(back[1:], steps),
        } | {f"gradient_lag_{lag}": back[lag] for lag in LAGS if lag <= steps}

    def watch(given: Any, key: Any = None) -> dict[str, Any]:
        nonlocal calls
        del key
        if any(is_traced(leaf) for leaf in jax.tree.leaves(given)):
            return measure(given)
        calls += 1
        if (calls - 1) % every:
            return {}
        return {name: float(value) for name, value in jax.device_get(measure(given)).items()}

    return watch


def _horizon(by_lag: jax.Array, most: int) -> jax.Array:
    """Lag, rounded, at which the first of some log norms has fallen by 1, or ``most``."""
    if not by_lag.size:
        return jnp.zeros(())
    below = by_lag[0] - 1 - by_lag
    lag = jnp.argmax(below >= 0)
    before = jnp.where(lag > 0, below[lag - 1], 0)
    # a gradient that is gone altogether falls through every level at once
    drop = jnp.where(jnp.isinf(below[lag]), 1, below[lag] - before)
    part = jnp.where(jnp.isinf(below[lag]), 0, before / jnp.where(drop == 0, 1, drop))
    found = jnp.round(lag.astype(by_lag.dtype) - 1 - part)
    gone = jnp.isneginf(by_lag[0])
    return jnp.where(gone, 0, jnp.where(jnp.any(below >= 0), jnp.minimum(found, most), most))
