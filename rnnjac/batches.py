"""Many sequences, or many networks, in chunks of bounded memory."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac._support.progress import progress_bar

# Steps below which a program of their own costs more to compile than padding costs to run.
SHORTEST = 16


def in_chunks(
    function: Callable,
    *,
    chunk: int = 16,
    threads: int | None = None,
    progress: bool = True,
    padded: bool = False,
) -> Callable[..., Any]:
    """Function that maps ``function`` over a long row of items, a chunk at a time.

    ``in_chunks(function)(items, *shared)`` is ``[function(item, *shared) for item in items]``. An
    item is a sequence of inputs, the parameters of a network, or any other pytree of arrays.

    Parameters
    ----------
    function : callable
        ``function(item, *shared) -> pytree of arrays``; it can be traced by `jax.vmap`, as every
        function of rnnjac can.
    chunk : int
        How many items are computed at once, at least 1; memory is proportional to it.
    threads : int, optional
        Compute items one by one in so many threads instead, and not by `jax.vmap`.
    progress : bool
        Whether to show a progress bar.
    padded : bool
        Whether to pad items with zeros along time to a few lengths, so that items of many lengths
        share a few programs. Then the function is called as ``function(item, length, *shared)``
        with the true length, which it hands on: ``spectrum(..., item, length=length)``.

    Returns
    -------
    callable
        Takes ``items`` and whatever is shared by all of them. ``items`` is either a pytree of
        arrays with items along axis 0 or a list or iterator of items. Results come in the order of
        the items, as NumPy arrays: with a leading axis if the items had one, else as a list.

    Raises
    ------
    ValueError, TypeError
        If ``chunk`` or ``threads`` is not an integer of at least 1; when called, if the items have
        no common leading axis.

    Notes
    -----
    Each chunk is one call of ``jax.vmap(function)``. Items of equal form (the same length, say) are
    gathered into chunks, and each form is compiled once per size of chunk for as long as the
    returned function lives: keep it, and pass what changes between calls in ``shared``. Padded
    lengths are the powers of two from 16 on: at most half of the steps are padding, and items of 1
    to 1000 steps take 7 programs. Results have the shapes of padded items. An iterator
    is read as it goes, so items need not fit in memory together.

    On a CPU, vmap saves up to half the time of small states (n = 8) and none from n = 16 on; a scan
    over time runs on one core, whatever the batch. ``threads=2`` uses two, for any size. It
    must not be given a function that factorises batches of matrices, as `reach` or a vmapped
    `spectrum` does: two such programs at a time can lock up jaxlib's pool of threads.

    Examples
    --------
    >>> total = in_chunks(jnp.sum, chunk=2, progress=False)
    >>> total(jnp.eye(3) * 2).tolist()
    [2.0, 2.0, 2.0]
    >>> [float(x) for x in total([jnp.ones(2), jnp.ones(5)])]
    [2.0, 5.0]
    """
    chunk = checks.integer("chunk", chunk, 1)
    if threads is not None:
        threads = checks.integer("threads", threads, 1)
    if padded:
        given = function
        function = lambda item, *shared: given(*item, *shared)  # noqa: E731
    alone = jax.jit(function)
    compiled = {}

    def batched(count: int) -> Callable:
        # jit caches by the shapes of the arguments, and vmap by how many are shared
        if count not in compiled:
            compiled[count] = jax.jit(jax.vmap(function, in_axes=(0, *(None,) * count)))
        return compiled[count]

    def mapped(items: Any, *shared: Any) -> Any:
        stacked = not _is_row(items)
        items = _rows(items) if stacked else items
        total = len(items) if hasattr(items, "__len__") else None
        items = map(_padded, items) if padded else items
        if threads is None:
            pairs = _by_vmap(batched(len(shared)), items, shared, chunk)
        else:
            pairs = _by_threads(alone, items, shared, threads)
        results = dict(progress_bar(pairs, total=total, unit="item", disable=not progress))
        found = [results[place] for place in range(len(results))]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *found) if stacked else found

    return mapped


def _by_vmap(
    function: Callable, items: Iterable, shared: tuple, chunk: int
) -> Iterator[tuple[int, Any]]:
    """Places and results; a chunk is computed once enough items are alike."""
    waiting: dict[Any, list[tuple[int, Any]]] = {}
    filled = set()

    def compute(form: Any) -> Iterator[tuple[int, Any]]:
        members = waiting.pop(form)
        # the last chunk of a form that is compiled already is filled up, not compiled again
        missing = chunk - len(members) if form in filled else 0
        alike = [item for _, item in members] + [members[-1][1]] * missing
        batch = jax.tree.map(_stacked, *alike)
        out = jax.tree.map(np.asarray, function(batch, *shared))
        for row, (place, _) in enumerate(members):
            yield place, jax.tree.map(lambda leaf, row=row: leaf[row], out)

    for place, item in enumerate(items):
        item = jax.tree.map(_array, item)
        form = _form(item)
        waiting.setdefault(form, []).append((place, item))
        if len(waiting[form]) == chunk:
            yield from compute(form)
            filled.add(form)
    for form in list(waiting):
        yield from compute(form)


def _by_threads(
    function: Callable, items: Iterable, shared: tuple, threads: int
) -> Iterator[tuple[int, Any]]:
    """Places and results, a few items per thread at a time."""

    def compute(numbered: tuple[int, Any]) -> tuple[int, Any]:
        place, item = numbered
        return place, jax.tree.map(np.asarray, function(item, *shared))

    numbered = enumerate(items)
    with ThreadPoolExecutor(threads) as pool:
        while some := list(islice(numbered, 4 * threads)):
            yield from pool.map(compute, some)


def _padded(item: Any) -> tuple[Any, np.ndarray]:
    """An item with rows of zeros up to the next of a few lengths, and its length."""
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(item)]
    lengths = {shape[0] for shape in shapes if shape}
    if len(lengths) != 1 or () in shapes:
        raise checks.error("items", "leaves with time as one first axis", f"shapes {shapes}")
    (length,) = lengths
    rows = max(SHORTEST, 1 << (length - 1).bit_length()) if length else SHORTEST

    def pad(leaf: Any) -> np.ndarray:
        array = np.asarray(leaf)
        return np.pad(array, [(0, rows - length), *[(0, 0)] * (array.ndim - 1)])

    return jax.tree.map(pad, item), np.asarray(length, np.int32)


def _array(leaf: Any) -> Any:
    """A leaf as a NumPy array; PRNG keys have none and stay with JAX."""
    return leaf if _is_key(leaf) else np.asarray(leaf)


def _stacked(*leaves: Any) -> Any:
    return jnp.stack(leaves) if _is_key(leaves[0]) else np.stack(leaves)


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _form(item: Any) -> Any:
    """What items of one chunk must agree on."""
    leaves, structure = jax.tree.flatten(item)
    return structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)


def _is_row(items: Any) -> bool:
    return isinstance(items, list) or hasattr(items, "__next__")


def _rows(items: Any) -> list:
    """The items of a stacked pytree."""
    leaves = [jnp.shape(leaf) for leaf in jax.tree.leaves(items)]
    counts = sorted({shape[0] for shape in leaves if shape})
    if len(counts) != 1 or not all(leaves):
        raise checks.error("items", "leaves with one common leading axis", f"shapes {leaves}")
    if counts[0] == 0:
        raise checks.error("items", "at least one item", "a leading axis of 0")
    arrays = jax.tree.map(_array, items)
    return [jax.tree.map(lambda leaf, i=i: leaf[i], arrays) for i in range(counts[0])]
