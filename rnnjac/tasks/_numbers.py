"""Two marked numbers among many: their mean, or their product."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjac._support import checks


class Numbers(NamedTuple):
    """One sequence: ``inputs`` (rows, 2), ``target`` (), ``positions`` (2,), ``steps`` ()."""

    inputs: jax.Array
    target: jax.Array
    positions: jax.Array
    steps: jax.Array


def addition(key: jax.Array, length: int, *, vary: bool = True) -> Numbers:
    """One example of the adding problem: the mean of the two numbers that are marked.

    Every step shows a marker and a number u_t, uniform over [0, 1); the marker is 1 at the
    positions p_0 and p_1 and 0 elsewhere. With l the length of the sequence and w = floor(l / 10),
    p_0 is uniform over [0, w), p_1 over w + [0, floor(4 l / 10)), and

        target = (u_{p_0} + u_{p_1}) / 2,

    wanted after step l. If ``vary``, l is uniform over L + [0, floor(L / 10)), else it is L.

    Parameters
    ----------
    key : PRNG key
    length : int >= 10
        L, the least number of steps.
    vary : bool
        Whether the length is random, so that it gives nothing away.

    Returns
    -------
    Numbers
        ``inputs`` of shape (L, 2), or (L + floor(L / 10) - 1, 2) if ``vary``, columns marker and
        number, in JAX's default float; rows from l on are zeros. ``target`` of shape (), from 0 to
        1; ``positions`` of shape (2,), int32, ascending, from 0; ``steps`` of shape (), int32: l.

    Raises
    ------
    TypeError, ValueError
        If ``length`` is not an integer of at least 10 (a shorter sequence leaves the first marker
        no span), or ``vary`` is not a bool.

    Notes
    -----
    O(L) work. The target belongs to ``states[steps]`` (row 0 is the start), which no later row of
    the inputs reaches: neither its value nor its gradient. In the public code of Pascanu et al.
    all sequences of a batch have one random length; here each has its own. They count a sequence
    as wrong when the squared error is above 0.04.

    References
    ----------
    Hochreiter, Schmidhuber (1997), experiment 4, with numbers in [-1, 1]; Pascanu, Mikolov, Bengio
    (2013), supplement.

    Examples
    --------
    >>> import jax
    >>> example = addition(jax.random.key(0), 20)
    >>> bool(example.target == example.inputs[example.positions, 1].mean())
    True
    """
    return _example(key, length, vary, lambda pair: (pair[0] + pair[1]) / 2)


def multiplication(key: jax.Array, length: int, *, vary: bool = True) -> Numbers:
    """One example of the multiplication problem: the product of the two numbers that are marked.

    As `addition`, with

        target = u_{p_0} u_{p_1}.

    Parameters
    ----------
    key : PRNG key
    length : int >= 10
        L, the least number of steps.
    vary : bool
        Whether the length is random.

    Returns
    -------
    Numbers
        As `addition` returns.

    Raises
    ------
    TypeError, ValueError
        As `addition`.

    Notes
    -----
    O(L) work. The best constant answer, 1/4, has squared error 7/144.

    References
    ----------
    Hochreiter, Schmidhuber (1997), experiment 5; Pascanu, Mikolov, Bengio (2013), supplement.

    Examples
    --------
    >>> import jax
    >>> example = multiplication(jax.random.key(0), 20, vary=False)
    >>> example.inputs.shape, int(example.steps)
    ((20, 2), 20)
    """
    return _example(key, length, vary, lambda pair: pair[0] * pair[1])


def _example(key: jax.Array, length: int, vary: bool, combine: Callable) -> Numbers:
    length = checks.integer("length", length, 10)
    if not isinstance(vary, bool):
        raise checks.error("vary", "True or False", checks.describe(vary), TypeError)
    longer = length // 10 if vary else 1  # how many lengths there are
    key_steps, key_places, key_numbers = jax.random.split(key, 3)
    steps = jnp.int32(length)
    if longer > 1:
        steps += jax.random.randint(key_steps, (), 0, longer, jnp.int32)
    below = jnp.stack([steps // 10, 4 * steps // 10])
    first, second = jax.random.randint(key_places, (2,), 0, below, jnp.int32)
    positions = jnp.stack([first, second + steps // 10])
    rows = length + longer - 1
    numbers = jax.random.uniform(key_numbers, (rows,))
    numbers = jnp.where(jnp.arange(rows, dtype=jnp.int32) < steps, numbers, 0)
    marker = jnp.zeros(rows).at[positions].set(1)
    inputs = jnp.stack([marker, numbers], axis=1)
    return Numbers(inputs, combine(numbers[positions]), positions, steps)
