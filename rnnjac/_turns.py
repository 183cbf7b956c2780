"""Batches on a CPU one item at a time, where a batched loop would wait for its slowest item."""

from collections.abc import Callable
from typing import Any

import jax

# From this many units on, the work of one item is worth a turn of its own.
LARGE = 16


def in_turns(function: Callable, n: int, batched: Callable | None = None) -> Callable:
    """``function`` of arrays whose `jax.vmap` is a loop over the batch on a CPU, if n is large.

    There a batched LAPACK call is a loop as well, and a batched `jax.lax.while_loop` runs all items
    until the last is done. Elsewhere it is the vmap of ``batched``, or of ``function`` itself.
    """

    @jax.custom_batching.custom_vmap
    def single(*arguments: Any) -> Any:
        return function(*arguments)

    @single.def_vmap
    def batch(size: int, mapped: list, *arguments: Any) -> tuple[Any, Any]:
        axes = jax.tree.map(lambda flag: 0 if flag else None, tuple(mapped))
        together = jax.vmap(batched or function, in_axes=axes, axis_size=size)
        each = _one_by_one(single, jax.tree.leaves(mapped)) if n >= LARGE else together
        out = jax.lax.platform_dependent(*arguments, cpu=each, default=together)
        return out, jax.tree.map(lambda _: True, out)

    return single


def _one_by_one(function: Callable, mapped: list[bool]) -> Callable:
    """The function of each row of the leaves that are mapped, one after the other."""

    def run(*arguments: Any) -> Any:
        leaves, tree = jax.tree.flatten(arguments)

        def one(rows: list) -> Any:
            rest = iter(rows)
            pairs = zip(leaves, mapped, strict=True)
            return function(*tree.unflatten(next(rest) if row else leaf for leaf, row in pairs))

        return jax.lax.map(one, [leaf for leaf, row in zip(leaves, mapped, strict=True) if row])

    return run
