"""Symbols seen at the start that must be named at the end."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjac._support import checks

_ENDS = 2  # symbols that a permutation may begin and end with


class Recall(NamedTuple):
    """One sequence: one-hot ``inputs`` (steps, channels), ``target`` () or (steps,)."""

    inputs: jax.Array
    target: jax.Array


def permutation(
    key: jax.Array, length: int, *, symbols: int = 100, every_step: bool = False
) -> Recall:
    """One example of the random permutation problem: repeat the first symbol at the end.

    Of the symbols 0 to K - 1, the first, x_1, is 0 or 1 (even odds), and x_2, ..., x_L are uniform
    over 2, ..., K - 1. After L symbols the first is due again,

        x_{L+1} = x_1,

    and nothing else about the sequence can be told in advance.

    Parameters
    ----------
    key : PRNG key
    length : int >= 2
        Number of symbols shown L.
    symbols : int >= 3
        Number of symbols K.
    every_step : bool
        Whether the next symbol is the target of every step, rather than the last one alone.

    Returns
    -------
    Recall
        ``inputs`` of shape (L, K), one-hot in JAX's default float; ``target``, int32, of shape ()
        for x_{L+1}, wanted after the last step, or of shape (L,) for x_2, ..., x_{L+1}.

    Raises
    ------
    TypeError, ValueError
        If ``length`` or ``symbols`` is not an integer in its range, or ``every_step`` is not a
        bool.

    Notes
    -----
    O(L K) work. Guessing between 0 and 1 has cross-entropy log 2. The public code of Pascanu et al.
    has the target of the last step, and 100 symbols.

    References
    ----------
    Hochreiter, Schmidhuber (1997), experiment 2; Martens, Sutskever (2011); Pascanu, Mikolov,
    Bengio (2013), supplement.

    Examples
    --------
    >>> import jax
    >>> example = permutation(jax.random.key(0), 30)
    >>> example.inputs.shape, bool(example.target == example.inputs[0].argmax())
    ((30, 100), True)
    """
    length = checks.integer("length", length, 2)
    symbols = checks.integer("symbols", symbols, _ENDS + 1)
    if not isinstance(every_step, bool):
        raise checks.error("every_step", "True or False", checks.describe(every_step), TypeError)
    key_first, key_rest = jax.random.split(key)
    first = jax.random.randint(key_first, (1,), 0, _ENDS, jnp.int32)
    rest = jax.random.randint(key_rest, (length - 1,), _ENDS, symbols, jnp.int32)
    inputs = jax.nn.one_hot(jnp.concatenate([first, rest]), symbols)
    return Recall(inputs, jnp.concatenate([rest, first]) if every_step else first[0])


def memorization(key: jax.Array, length: int, *, values: int = 5, positions: int = 10) -> Recall:
    """One example of noiseless memorisation: a pattern to be repeated after a silence.

    With P = ``positions`` and V = ``values``, the inputs are P symbols v_1, ..., v_P, uniform over
    0, ..., V - 1; then ``length`` blanks (symbol V); a cue (symbol V + 1); and P - 1 blanks. The
    target is the blank until the cue arrives, and from then on the pattern:

        target = V, ..., V (length + P times), v_1, ..., v_P.

    Parameters
    ----------
    key : PRNG key
    length : int >= 0
        Number of blanks between the pattern and the cue.
    values : int >= 2
        Number of values V of a symbol of the pattern.
    positions : int >= 1
        Number of symbols P of the pattern.

    Returns
    -------
    Recall
        ``inputs`` of shape (length + 2 P, V + 2), one-hot in JAX's default float; ``target`` of
        shape (length + 2 P,), int32, 0 to V, wanted at every step.

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range.

    Notes
    -----
    O((length + P) V) work. The pattern has P log2 V bits: 23.2 with the defaults, those of the
    public code of Pascanu et al.; their paper also has 5 bits, ``values=2, positions=5``. A
    sequence counts as wrong when any of its steps is.

    References
    ----------
    Hochreiter, Schmidhuber (1997); Martens, Sutskever (2011); Pascanu, Mikolov, Bengio (2013),
    supplement.

    Examples
    --------
    >>> import jax
    >>> example = memorization(jax.random.key(0), 3, values=2, positions=2)
    >>> example.inputs.shape, bool((example.target[-2:] == example.inputs[:2].argmax(1)).all())
    ((7, 4), True)
    """
    length = checks.integer("length", length, 0)
    values = checks.integer("values", values, 2)
    positions = checks.integer("positions", positions, 1)
    pattern = jax.random.randint(key, (positions,), 0, values, jnp.int32)
    blank, cue = values, values + 1
    silence = jnp.full(length + positions, blank, jnp.int32)
    symbols = jnp.concatenate([pattern, silence.at[length].set(cue)])
    return Recall(jax.nn.one_hot(symbols, values + 2), jnp.concatenate([silence, pattern]))
