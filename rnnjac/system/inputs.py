"""Inputs along time: how many rows there are, and where a sequence ends that is padded to more."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac._support.fixed import Fixed, fix, is_array

STACK = (
    "an array, or a tuple or dict of arrays, with time as their first axis (stack the steps of a "
    "list by jnp.stack(inputs); give several inputs as tuple(inputs) or as a dict)"
)


def rows_of(inputs: Any) -> int | None:
    """Rows that all inputs share; None where there is no input."""
    inputs = fix("inputs", inputs)
    for node in jax.tree.leaves(inputs, is_leaf=lambda node: isinstance(node, (list, Fixed))):
        if isinstance(node, list):
            raise checks.error("inputs", STACK, f"a list of {len(node)}", TypeError)
        if isinstance(node, Fixed):
            raise checks.error("inputs", STACK, checks.describe(node.value), TypeError)
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(inputs)]
    if () in shapes:
        raise checks.error("inputs", "leaves with time as their first axis", "a scalar leaf")
    rows = sorted({shape[0] for shape in shapes})
    if len(rows) > 1:
        raise checks.error("inputs", "leaves with equally many rows", f"{rows} rows")
    return rows[0] if rows else None


def number_of_steps(inputs: Any, length: Any) -> int:
    """Steps that a system is run for: ``length`` where it is an int, else the rows of the inputs.

    An array is the ``length`` of a sequence within those rows, known only when the program runs.
    """
    rows = rows_of(inputs)
    if is_array(length):
        if length.shape or not jnp.issubdtype(length.dtype, jnp.integer):
            raise checks.error("length", "one integer", checks.describe(length), TypeError)
        if rows is None:
            wanted = "an int when inputs is None, as of a Python number"
            raise checks.error("length", wanted, checks.describe(length), TypeError)
        return rows
    if length is not None:
        length = checks.integer("length", length, 0)
        if rows is not None and length > rows:
            raise checks.error("length", f"at most {rows}, the rows of inputs", length)
        return length
    if rows is None:
        raise checks.error("length", "a number of steps when inputs is None", None)
    return rows


def until(inputs: Any, steps: int, length: Any) -> Any:
    """The first rows of the inputs; with a flag beside each row, if ``length`` is an array.

    The flag tells whether the row comes before the end. After it the first row stands for the
    padding, whose numbers (NaN, say) must not get into any derivative; zeros if there is no row.
    """
    if not is_array(length):
        return jax.tree.map(lambda rows: rows[:steps], inputs)
    time = jnp.arange(steps, dtype=jnp.int32)
    real = time < length.astype(jnp.int32)

    def clean(rows: jax.Array) -> jax.Array:
        rows = jnp.asarray(rows)[jnp.where(real, time, 0)]
        if jnp.issubdtype(rows.dtype, jnp.inexact):
            rows = jnp.where(length > 0, rows, jnp.zeros_like(rows))
        return rows

    return real, jax.tree.map(clean, inputs)
