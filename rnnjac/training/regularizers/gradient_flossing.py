"""Gradient flossing: a penalty on Lyapunov exponents that are not 0."""

import math
import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjac._support.fixed import is_array
from rnnjac.measures.lyapunov import lyapunov_exponents
from rnnjac.system.dynamics import Step
from rnnjac.system.inputs import number_of_steps


class Flossing(NamedTuple):
    """Penalty of `flossing` and what it was computed from.

    ``penalty`` (), ``exponents`` (k,) descending, ``lost`` () the number of them that are -inf and
    do not count, ``amplification`` () = lambda_1 T.
    """

    penalty: jax.Array
    exponents: jax.Array
    lost: jax.Array
    amplification: jax.Array


def flossing(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any = None,
    *,
    length: int | jax.Array | None = None,
    top: int | None = None,
    warmup: int = 0,
) -> Flossing:
    """Mean square of the leading Lyapunov exponents: gradient flossing.

    ``penalty = mean_i lambda_i^2`` over those of the leading k exponents that are finite.
    Descending it in ``params`` moves the exponents to 0, where gradients neither vanish nor
    explode.

    Parameters
    ----------
    step, params, state, inputs, length
        As for `trajectory`.
    top, warmup
        As for `lyapunov_exponents`: how many exponents k, and steps that are not counted.

    Returns
    -------
    Flossing
        ``penalty`` is 0 if every direction is lost. ``exponents`` in natural logs per step; -inf
        for a direction lost exactly, which ``lost`` counts. ``amplification``, the natural log of
        the growth of the fastest tangent vector over all T steps.

    Raises
    ------
    ValueError, TypeError
        As `lyapunov_exponents`.

    Warns
    -----
    UserWarning
        Where values are known (outside ``jax.jit`` and ``jax.vmap``), if ``amplification`` is
        above half the digits of the precision, log(1 / eps) / 2.

    Notes
    -----
    Differentiable; a lost direction has derivative 0. The derivative follows the trajectory
    through all T steps: rounding in it grows by e^amplification. Above log(1 / eps) / 2 (18 in
    float64, 8 in float32) fewer than half of its digits are right, above twice that none is: finite
    and meaningless, as the gradient of any loss through that much chaos. Then take fewer steps:
    exponents of short trajectories from many states serve as well. O(T n k) memory in reverse mode.

    References
    ----------
    Engelken (2023), Gradient flossing, NeurIPS.

    Examples
    --------
    >>> linear = lambda gain, s, x: gain * s
    >>> found = flossing(linear, jnp.array(2.0), jnp.ones(2), length=8)
    >>> bool(jnp.isclose(found.penalty, jnp.log(2.0) ** 2))
    True
    """
    found = lyapunov_exponents(
        step, params, state, inputs, length=length, top=top, warmup=warmup
    ).exponents
    lost = jnp.isneginf(found)
    counted = jnp.sum((~lost).astype(found.dtype))
    penalty = jnp.sum(jnp.square(jnp.where(lost, 0, found))) / jnp.maximum(counted, 1)
    steps = length if is_array(length) else number_of_steps(inputs, length)
    steps = jnp.asarray(steps).astype(found.dtype)
    growth = jax.lax.stop_gradient(found[0]) * steps
    _warn_of_chaos(growth)
    return Flossing(penalty, found, jnp.sum(lost), growth)


def _warn_of_chaos(amplification: jax.Array) -> None:
    """Say that a gradient through chaos is meaningless, if the value is known by now."""
    limit = -math.log(jnp.finfo(amplification.dtype).eps) / 2
    try:
        chaotic = bool(amplification > limit)
    except jax.errors.ConcretizationTypeError:  # compiled: the field is there to be looked at
        return
    if chaotic:
        warnings.warn(
            f"flossing: lambda_1 T = {float(amplification):.0f} is above {limit:.0f}: a gradient "
            "through this many chaotic steps has lost half of its digits or more; take fewer",
            stacklevel=3,
        )
