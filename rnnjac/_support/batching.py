"""Batches on a CPU one item at a time, where a batched loop would wait for its slowest item."""

from collections.abc import Callable
from typing import Any

import jax

# From this many units on, the work of one item is worth a turn of its own.
LARGE = 16


def in_turns(function: Callable, n: int, batched: Callable | None = None) -> Callable:
    """``function`` of arrays whose `jax.vmap` is a loop over the batch on a CPU, if n is large.

    There a batched LAPACK call is a loop as well, and a batched `jax.lax.while_loop` runs all items
    until the last is done. On other platforms, or for small n, it is the vmap of ``batched``, or of
    ``function`` itself.
    """

    def run(*arguments: Any) -> Any:
        leaves, tree = jax.tree.flatten(arguments)  # custom_vmap cannot differentiate past a None

        @jax.custom_batching.custom_vmap
        def single(*leaves: jax.Array) -> Any:
            return function(*tree.unflatten(leaves))

        @single.def_vmap
        def batch(size: int, mapped: list[bool], *leaves: jax.Array) -> tuple[Any, Any]:
            def together(*leaves: jax.Array) -> Any:
                several = lambda *rows: (batched or function)(*tree.unflatten(rows))  # noqa: E731
                axes = tuple(0 if flag else None for flag in mapped)
                # this rule is traced after the context that the caller was traced in
                with jax.default_matmul_precision("highest"):
                    return jax.vmap(several, in_axes=axes, axis_size=size)(*leaves)

            each = _one_by_one(single, mapped) if n >= LARGE else together
            out = jax.lax.platform_dependent(*leaves, cpu=each, default=together)
            return out, jax.tree.map(lambda _: True, out)

        return single(*leaves)

    return run


def _one_by_one(function: Callable, mapped: list[bool]) -> Callable:
    """The function of each row of the leaves that are mapped, one after the other."""

    def run(*leaves: jax.Array) -> Any:
        def one(rows: list) -> Any:
            rest = iter(rows)
            pairs = zip(leaves, mapped, strict=True)
            with jax.default_matmul_precision("highest"):
                return function(*(next(rest) if row else leaf for leaf, row in pairs))

        return jax.lax.map(one, [leaf for leaf, row in zip(leaves, mapped, strict=True) if row])

    return run
