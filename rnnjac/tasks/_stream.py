"""A stream of random bits, asked for at every step after a delay."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjac._support import checks


class Stream(NamedTuple):
    """One sequence: ``inputs`` (L, 1), ``target`` (L,), ``wanted`` (L,)."""

    inputs: jax.Array
    target: jax.Array
    wanted: jax.Array


def delayed_copy(key: jax.Array, length: int, *, delay: int = 10) -> Stream:
    """One example of the delayed copy task: at each step, the bit of ``delay`` steps before.

    The inputs x_t, t = 1, ..., L, are independent bits with even odds; for t > d = ``delay``

        target_t = x_{t-d}.

    Parameters
    ----------
    key : PRNG key
    length : int > delay
        Number of steps L.
    delay : int >= 1
        The delay d, in steps.

    Returns
    -------
    Stream
        ``inputs`` of shape (L, 1), 0 or 1 in JAX's default float; ``target`` of shape (L,), int32,
        0 or 1; ``wanted`` of shape (L,), bool: false for the first d steps, which have no target
        (0 stands there).

    Raises
    ------
    TypeError, ValueError
        If ``delay`` is not an integer of at least 1, or ``length`` not one above it.

    Notes
    -----
    O(L) work. Divide the summed loss by ``wanted.sum()``; guessing has cross-entropy log 2.

    References
    ----------
    Engelken (2023), gradient flossing, and its public code.

    Examples
    --------
    >>> import jax
    >>> example = delayed_copy(jax.random.key(0), 8, delay=3)
    >>> bits = example.inputs[:, 0].astype(int)
    >>> bool((example.target[3:] == bits[:-3]).all()), int(example.wanted.sum())
    (True, 5)
    """
    return _stream(key, length, checks.integer("delay", delay, 1), 1)


def delayed_xor(key: jax.Array, length: int, *, delay: int = 10) -> Stream:
    """One example of the delayed exclusive or: of the bits one and two delays before.

    The inputs x_t, t = 1, ..., L, are independent bits with even odds; for t > 2 d, d = ``delay``,

        target_t = x_{t-d} XOR x_{t-2d} = |x_{t-d} - x_{t-2d}|.

    Neither bit alone says anything about the target.

    Parameters
    ----------
    key : PRNG key
    length : int > 2 delay
        Number of steps L.
    delay : int >= 1
        The delay d, in steps; the earlier bit lies 2 d back.

    Returns
    -------
    Stream
        As `delayed_copy` returns; ``wanted`` is false for the first 2 d steps.

    Raises
    ------
    TypeError, ValueError
        If ``delay`` is not an integer of at least 1, or ``length`` not one above twice of it.

    Notes
    -----
    O(L) work. The public code of Engelken begins to count the loss one step earlier, at t = 2 d,
    where one of the two bits was never shown; here every wanted target follows from the inputs.

    References
    ----------
    Engelken (2023), gradient flossing, and its public code (task -1, delay 10).

    Examples
    --------
    >>> import jax
    >>> example = delayed_xor(jax.random.key(0), 9, delay=2)
    >>> bits = example.inputs[:, 0].astype(int)
    >>> bool((example.target[4:] == bits[2:-2] ^ bits[:-4]).all())
    True
    """
    return _stream(key, length, checks.integer("delay", delay, 1), 2)


def _stream(key: jax.Array, length: int, delay: int, terms: int) -> Stream:
    """Bits and their exclusive or over ``terms`` multiples of the delay."""
    length = checks.integer("length", length, terms * delay + 1)
    bits = jax.random.bernoulli(key, 0.5, (length,))
    target = jnp.zeros(length, bool)
    for back in range(delay, terms * delay + 1, delay):
        target ^= jnp.roll(bits, back)
    wanted = jnp.arange(length, dtype=jnp.int32) >= terms * delay
    return Stream(bits[:, None].astype(float), (target & wanted).astype(jnp.int32), wanted)
