"""Leaves of a pytree that JAX cannot trace: names, functions, flags; part of what is compiled."""

import dataclasses
from typing import Any

import jax
import jax.core
import numpy as np

from rnnjac._support import checks


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Fixed:
    """A value that `jax.jit` compiles for, and that no transformation sees.

    Its ``kind`` tells 1, 1.0 and True apart, which are equal.
    """

    kind: type
    value: Any


def fix(name: str, tree: Any, *, counts: bool = False) -> Any:
    """The tree with each leaf that is no array or number as `Fixed`.

    With ``counts`` so are Python's integers and flags, which decide what is computed more often
    than they are computed with.
    """

    def one(leaf: Any) -> Any:
        traced = _is_number(leaf) and not (counts and isinstance(leaf, (bool, int)))
        if traced:
            return leaf
        try:
            hash(leaf)
        except TypeError:
            expected = "leaves that are arrays or numbers, or can be hashed (names, functions)"
            raise checks.error(name, expected, checks.describe(leaf), TypeError) from None
        return Fixed(type(leaf), leaf)

    return jax.tree.map(one, tree)


def release(tree: Any) -> Any:
    """The tree with the values of its `Fixed` leaves."""
    is_fixed = lambda node: isinstance(node, Fixed)  # noqa: E731
    return jax.tree.map(lambda leaf: leaf.value if is_fixed(leaf) else leaf, tree, is_leaf=is_fixed)


def is_array(value: Any) -> bool:
    """Whether a value is an array, traced or not."""
    return isinstance(value, (jax.Array, np.ndarray))


def is_traced(value: Any) -> bool:
    """Whether the numbers of an array are not known yet."""
    return isinstance(value, jax.core.Tracer)


def _is_number(leaf: Any) -> bool:
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.kind not in "OSU"  # objects and strings are no numbers
    return isinstance(leaf, (bool, int, float, complex)) or hasattr(leaf, "dtype")
