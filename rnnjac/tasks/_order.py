"""The temporal order task."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks

# Where the span of each marker begins, in tenths of the sequence; every span is a tenth wide.
_TENTHS = {2: (1, 5), 3: (1, 3, 6)}
_MARKERS, _SYMBOLS = 2, 6


class Example(NamedTuple):
    """One sequence: ``inputs`` (L, 6), ``target`` (), ``positions`` (markers,) of the markers."""

    inputs: jax.Array
    target: jax.Array
    positions: jax.Array


def temporal_order(key: jax.Array, length: int, *, markers: int = 2) -> Example:
    """One example of the temporal order task: which marker came first, and which then.

    Of the symbols A, B, c, d, e, f, the first two are markers and the others are distractors. All
    symbols are distractors, drawn uniformly, except that marker v_k (0 for A, 1 for B, even odds)
    stands at position p_k, with w = floor(L / 10) and p_k uniform over

        2 markers:  w + [0, w),  floor(5 L / 10) + [0, w)                             4 classes
        3 markers:  w + [0, w),  floor(3 L / 10) + [0, w),  floor(6 L / 10) + [0, w)  8 classes

    The target, wanted after the last symbol, is sum_k 2^k v_k, so the order counts.

    Parameters
    ----------
    key : PRNG key
    length : int >= 10
        Number of symbols L.
    markers : 2 or 3

    Returns
    -------
    Example
        ``inputs`` of shape (L, 6), one-hot in JAX's default float; ``target`` of shape (), int32,
        0 to 2^markers - 1; ``positions`` of shape (markers,), int32, ascending, from 0.

    Raises
    ------
    TypeError, ValueError
        If ``length`` is not an integer of at least 10 (a shorter sequence leaves the markers no
        span), or ``markers`` is neither 2 nor 3.

    Notes
    -----
    O(L) work. Descriptions of the first span differ: it begins at 1 or at L / 10. This is the
    second, which the public code of Pascanu et al. has.

    References
    ----------
    Hochreiter, Schmidhuber (1997), experiment 6; Pascanu, Mikolov, Bengio (2013), section 4.1.

    Examples
    --------
    >>> import jax
    >>> keys = jax.random.split(jax.random.key(0), 5)
    >>> jax.vmap(lambda key: temporal_order(key, 50))(keys).inputs.shape
    (5, 50, 6)
    """
    markers = checks.integer("markers", markers, 2, 3)
    length = checks.integer("length", length, 10)
    width = length // 10
    # one draw for all, from 0 to below each entry: it compiles in a third of the time of three
    below = np.repeat([width, _MARKERS, _SYMBOLS - _MARKERS], [markers, markers, length])
    drawn = jax.random.randint(key, below.shape, 0, jnp.array(below, jnp.int32), jnp.int32)
    within, values, others = jnp.split(drawn, [markers, 2 * markers])
    positions = within + jnp.array([t * length // 10 for t in _TENTHS[markers]], jnp.int32)
    symbols = (others + _MARKERS).at[positions].set(values)
    inputs = jax.nn.one_hot(symbols, _SYMBOLS)
    weights = jnp.array([_MARKERS**k for k in range(markers)], jnp.int32)
    return Example(inputs, (weights * values).sum(dtype=jnp.int32), positions)
