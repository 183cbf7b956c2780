"""Clipping of gradients by their norm: what optax lacks, as optax transformations."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnnjac._support import checks

# A norm enters the running average as at most this multiple of it: one cliff, a gradient of 1e10
# among gradients of 1, would otherwise lift the threshold for many updates.
LARGEST_ENTRY = 10.0


class AverageNorm(NamedTuple):
    """State of `clip_by_average_norm`: the running average, and the updates it has seen."""

    average: jax.Array
    count: jax.Array


class Suggestion(NamedTuple):
    """Thresholds for the norm of a gradient, and the share of norms that each would clip."""

    low: float
    average: float
    high: float
    clipped_low: float
    clipped_average: float
    clipped_high: float


def norm(tree: Any) -> jax.Array:
    """Norm of all entries of a pytree together.

    ``(sum of squares)^(1/2)``, computed relative to the largest entry, so that the square of a
    gradient at a cliff does not overflow.

    Parameters
    ----------
    tree : pytree of floating-point arrays
        At least one leaf.

    Returns
    -------
    () array, in the widest dtype of the leaves (at least float32). NaN if an entry is NaN, inf if
    one is infinite and none NaN.

    Raises
    ------
    ValueError
        If the pytree has no leaf.

    Examples
    --------
    >>> round(float(norm({"a": jnp.array([3e30]), "b": jnp.array(4e30)})) / 1e30, 6)
    5.0
    """
    leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    if not leaves:
        raise checks.error("tree", "at least one array", "an empty pytree")
    kind = np.result_type(jnp.float32, *(a.dtype for a in leaves))
    wide = [a.astype(kind) for a in leaves]
    largest = jnp.stack([jnp.max(jnp.abs(a), initial=0) for a in wide]).max()
    usable = (largest > 0) & (largest < jnp.inf)
    # a division becomes a product with the reciprocal, which must not be subnormal
    scale = jnp.where(usable, jnp.minimum(largest, jnp.finfo(kind).max / 16), 1)
    squares = jnp.stack([jnp.sum(jnp.square(a / scale)) for a in wide]).sum()
    return jnp.where(usable, scale * jnp.sqrt(squares), largest)


def clip_at_threshold(threshold: float) -> optax.GradientTransformation:
    """Gradients whose norm is at most a threshold.

    With g the whole gradient, all parameters together (Algorithm 1 of Pascanu et al.),

        g <- (threshold / |g|) g    if |g| >= threshold.

    Parameters
    ----------
    threshold : float > 0

    Returns
    -------
    optax.GradientTransformation
        Without state. A gradient with a NaN or an infinite entry passes unchanged.

    Raises
    ------
    ValueError
        If ``threshold`` is not a positive number.

    Notes
    -----
    ``optax.clip_by_global_norm`` does the same as long as the squares of the entries do not
    overflow (1e19 in float32, which a cliff reaches): it then returns zeros, this function a
    gradient of the wanted norm.

    References
    ----------
    Pascanu, Mikolov, Bengio (2013), Algorithm 1.

    Examples
    --------
    >>> clip = clip_at_threshold(1.0)
    >>> clipped, _ = clip.update(jnp.array([30.0, 40.0]), clip.init(None))
    >>> [round(float(entry), 6) for entry in clipped]
    [0.6, 0.8]
    """
    threshold = _positive("threshold", threshold)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del params
        return _scaled(updates, norm(updates), threshold), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def clip_by_average_norm(multiple: float, decay: float = 0.99) -> optax.GradientTransformation:
    """Gradients whose norm is at most a multiple of what it was on average.

    As `clip_at_threshold`, with the threshold ``multiple * average``. The average is that of the
    norms before clipping at all earlier updates: their plain mean for the first
    ``1 / (1 - decay)`` updates, then ``average <- decay average + (1 - decay) |g|``. While that is
    0, at the first update above all, it is that gradient's own norm.

    Parameters
    ----------
    multiple : float > 0
        From half to ten is said to work (Pascanu et al.).
    decay : float, 0 <= decay < 1

    Returns
    -------
    optax.GradientTransformation
        Its state is `AverageNorm`. A gradient with a NaN or an infinite entry passes unchanged and
        does not count.

    Raises
    ------
    ValueError
        If ``multiple`` is not a positive number or ``decay`` is out of range.

    Notes
    -----
    A norm enters the average as at most ten times the average, so that a single cliff does not
    lift the threshold for long.

    References
    ----------
    Pascanu, Mikolov, Bengio (2013), section 3.2.

    Examples
    --------
    >>> clip = clip_by_average_norm(1.0)
    >>> state = clip.init(None)
    >>> _, state = clip.update(jnp.array([2.0]), state)
    >>> clip.update(jnp.array([500.0]), state)[0].tolist()
    [2.0]
    """
    multiple = _positive("multiple", multiple)
    if isinstance(decay, bool) or not 0 <= decay < 1:
        raise checks.error("decay", "a number from 0 to below 1", decay)

    def init(params: Any) -> AverageNorm:
        del params
        return AverageNorm(jnp.zeros(()), jnp.zeros((), jnp.int32))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, AverageNorm]:
        del params
        size = norm(updates)
        before = state.average.astype(size.dtype)
        # an average of 0 would make every gradient 0 and, by LARGEST_ENTRY, itself stay 0 for ever
        average = jnp.where(before > 0, before, size)
        counted = jnp.isfinite(size)
        count = state.count + counted.astype(jnp.int32)
        weight = jnp.maximum(1 - decay, 1 / jnp.maximum(count, 1).astype(size.dtype))
        entry = jnp.minimum(size, LARGEST_ENTRY * average)
        following = jnp.where(counted, average + weight * (entry - average), before)
        clipped = _scaled(updates, size, multiple * average)
        return clipped, AverageNorm(following.astype(state.average.dtype), count)

    return optax.GradientTransformation(init, update)


def suggest(norms: Any) -> Suggestion:
    """Thresholds to clip at, from the norms of gradients that were seen.

    Half the average, the average, and ten times the average: within that range training is said to
    converge. Average is the mean of the norms, each counted as at most ten times their median, so
    that a few cliffs do not lift it.

    Parameters
    ----------
    norms : array_like, (N,), N >= 1
        Norms before clipping, of many updates or of many sequences; inf is a norm too.

    Returns
    -------
    Suggestion
        ``low``, ``average``, ``high``, and the share of the norms at or above each of them.

    Raises
    ------
    ValueError
        If there is no norm, more than one axis, or one that is negative or NaN, or if half of them
        are infinite.
    TypeError
        If they are no real numbers.

    Notes
    -----
    On the host, not to be traced. `clip_by_average_norm` follows the average during training.

    References
    ----------
    Pascanu, Mikolov, Bengio (2013), section 3.2.

    Examples
    --------
    >>> suggest([1.0] * 9 + [1e6])[:3]
    (0.95, 1.9, 19.0)
    """
    values = np.asarray(norms)
    if values.dtype.kind not in "iuf":
        raise checks.error("norms", "real numbers", checks.describe(norms), TypeError)
    values = values.astype(float)
    if values.ndim != 1 or not values.size:
        raise checks.error("norms", "one axis, not empty", f"shape {values.shape}")
    wrong = np.flatnonzero(~(values >= 0))
    if wrong.size:
        raise checks.error("norms", "no NaN and none below 0", f"{values[wrong[0]]} at {wrong[0]}")
    median = float(np.median(values))
    if np.isinf(median):
        raise checks.error("norms", "mostly finite norms", f"{np.isinf(values).sum()} infinite")
    average = float(np.minimum(values, LARGEST_ENTRY * median).mean())
    thresholds = average / 2, average, 10 * average
    low, mean, high = (float((values >= limit).mean()) for limit in thresholds)
    return Suggestion(*thresholds, low, mean, high)


def _scaled(gradient: Any, size: jax.Array, threshold: jax.Array | float) -> Any:
    """``gradient`` of norm ``size``, brought down to norm ``threshold`` if that is not larger."""
    # An infinite entry would turn the finite ones into 0 and itself into NaN: leave it to be seen.
    clips = (size >= threshold) & (size > 0) & jnp.isfinite(size)
    factor = jnp.where(clips, threshold / jnp.where(clips, size, 1), 1)
    return jax.tree.map(lambda leaf: leaf * factor.astype(leaf.dtype), gradient)


def _positive(name: str, value: float) -> float:
    if isinstance(value, bool) or not 0 < value < float("inf"):
        raise checks.error(name, "a finite number > 0", value)
    return float(value)
