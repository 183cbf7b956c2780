"""The compiled parts of a training run: an interval of updates, and the measurements between."""

import functools
import hashlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnnjac._support import checks
from rnnjac.training import clipping


class Seeds(NamedTuple):
    """State between two updates, seeds along axis 0; active until solved or diverged."""

    params: Any
    memory: Any
    active: jax.Array
    diverged: jax.Array


class Program(NamedTuple):
    """Compiled parts of a run, its start, and what tells it from other runs.

    ``interval(seeds, done) -> (seeds, metrics)`` makes the next updates after so many;
    ``look(params, done) -> metrics`` measures; ``blank`` are the metrics of no update.
    """

    interval: Callable[[Seeds, int], tuple[Seeds, dict[str, jax.Array]]]
    look: Callable[[Any, int], dict[str, jax.Array]]
    start: Seeds
    blank: dict[str, np.ndarray]
    fingerprint: dict[str, Any]


def build(
    value_and_grad: Callable[[Any, Any], tuple[Any, Any]],
    init: Callable[[jax.Array], Any],
    sample: Callable[[jax.Array], Any],
    optimizer: optax.GradientTransformation,
    measure: Callable[[Any, jax.Array], dict[str, jax.Array]] | None,
    key: jax.Array,
    seeds: int,
    every: int,
) -> Program:
    """Program of a run; see `rnnjac.training.train`."""

    def keys_of(seed: jax.Array) -> jax.Array:
        return jax.random.split(jax.random.fold_in(key, seed), 3)

    for_start, for_batches, for_looks = jax.vmap(keys_of, out_axes=1)(jnp.arange(seeds))
    update = _update(value_and_grad, sample, optimizer)

    def begin(key: jax.Array) -> Seeds:
        params = init(key)
        return Seeds(params, optimizer.init(params), jnp.array(True), jnp.array(-1, jnp.int32))

    def interval(seed: Seeds, key: jax.Array, done: jax.Array) -> tuple[Seeds, dict]:
        numbers = done + jnp.arange(every, dtype=jnp.int32)
        seed, (found, taken) = jax.lax.scan(lambda s, u: update(s, key, u), seed, numbers)
        largest = jnp.where(taken, found["gradient_norm"], -jnp.inf).max()
        largest = jnp.where(taken.any(), largest, jnp.nan)
        means = {name: _mean(rows, taken) for name, rows in found.items()}
        return seed, _joined(means, {"largest_norm": largest})

    def nothing(params: Any, key: jax.Array) -> dict:
        del params, key
        return {}

    def look(params: Any, done: jax.Array) -> dict:
        keys = jax.vmap(lambda key: jax.random.fold_in(key, done))(for_looks)
        # not vmap: two batched LAPACK calls in one program can lock up on CPU
        return jax.lax.map(lambda at: (measure or nothing)(*at), (params, keys))

    start = jax.jit(jax.vmap(begin))(for_start)
    zero = jnp.array(0, jnp.int32)
    updates = jax.jit(_side_by_side(interval, seeds)).lower(start, for_batches, zero)
    looks = jax.jit(look).lower(start.params, zero)
    _joined(updates.out_info[1], looks.out_info)
    blank = {n: np.full(a.shape, np.nan, a.dtype) for n, a in updates.out_info[1].items()}
    # compiled when first used: a checkpoint may show before that there is nothing to do
    advance, measured = functools.cache(updates.compile), functools.cache(looks.compile)
    return Program(
        lambda seeds, done: advance()(seeds, for_batches, jnp.array(done, jnp.int32)),
        lambda params, done: measured()(params, jnp.array(done, jnp.int32)),
        start,
        blank,
        _fingerprint(key, seeds, every, start, updates.as_text(), looks.as_text()),
    )


def _side_by_side(interval: Callable, seeds: int) -> Callable:
    """``interval`` for all seeds at once; a single one keeps its own, unbatched operations."""
    if seeds > 1:
        return jax.vmap(interval, (0, 0, None))

    def alone(state: Seeds, keys: jax.Array, done: jax.Array) -> tuple[Seeds, dict]:
        found = interval(*jax.tree.map(lambda a: a[0], (state, keys)), done)
        return jax.tree.map(lambda a: a[None], found)

    return alone


def _update(
    value_and_grad: Callable, sample: Callable, optimizer: optax.GradientTransformation
) -> Callable[[Seeds, jax.Array, jax.Array], tuple[Seeds, tuple[dict, jax.Array]]]:
    """Update u of one seed, whose metrics count only where it was ``taken``."""

    def update(seed: Seeds, key: jax.Array, u: jax.Array) -> tuple[Seeds, tuple[dict, jax.Array]]:
        value, gradient = value_and_grad(seed.params, sample(jax.random.fold_in(key, u)))
        loss, extra = value if isinstance(value, tuple) else (value, {})
        size = clipping.norm(gradient)
        with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to its step count
            change, memory = optimizer.update(gradient, seed.memory, seed.params)
            params = optax.apply_updates(seed.params, change)
        numbers = (loss, size, *jax.tree.leaves(params))
        finite = jnp.stack([jnp.isfinite(a).all() for a in numbers]).all()
        taken = seed.active & finite
        params = _where(taken, params, seed.params)
        memory = _where(taken, memory, seed.memory)
        diverged = jnp.where(seed.active & ~finite, u, seed.diverged)
        found = _joined({"loss": loss, "gradient_norm": size}, extra)
        return Seeds(params, memory, taken, diverged), (found, taken)

    return update


def _where(condition: jax.Array, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def _mean(rows: jax.Array, taken: jax.Array) -> jax.Array:
    """Mean of the rows that count; NaN if none does."""
    wide = rows if jnp.issubdtype(rows.dtype, jnp.floating) else rows.astype(float)
    counts = taken.reshape(taken.shape + (1,) * (rows.ndim - 1))
    number = taken.sum().astype(wide.dtype)
    return jnp.where(counts, wide, 0).sum(0) / jnp.where(number > 0, number, jnp.nan)


def _joined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    shared = sorted(set(first) & set(second))
    if shared:
        raise checks.error("metrics", "one source for each name", f"two for {shared[0]!r}")
    return {**first, **second}


def _fingerprint(
    key: jax.Array, seeds: int, every: int, start: Seeds, updates: str, looks: str
) -> dict[str, Any]:
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    leaves = jax.tree.leaves(start.params)
    return {
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "key": np.asarray(jax.random.key_data(key) if typed else key).tolist(),
        "seeds": seeds,
        "every": every,
        "dtype of the parameters": sorted({str(leaf.dtype) for leaf in leaves}),
        "start": _digest(b"".join(np.asarray(leaf).tobytes() for leaf in leaves)),
        "update": _canonical(updates),
        "measure": _canonical(looks),
    }


def _canonical(program: str) -> str:
    """The text of a program with each helper named by what it does.

    How helpers are numbered, and which of them are shared, depends on what was compiled before.
    """
    pieces = re.split(r"\n\s*(?=func\.func )", program)[1:]
    bodies = {re.findall(r"@([\w.]+)", piece)[0]: piece for piece in pieces}

    @functools.cache
    def bare(name: str) -> str:
        if name not in bodies:
            return name  # of something outside the program
        text = bodies[name].replace(f"@{name}", "", 1)
        text = re.sub(r"@([\w.]+)", lambda found: bare(found[1]), text)
        return _digest(" ".join(text.rstrip("} \n").split()).encode())

    return bare("main")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
