"""Training on the delayed exclusive or: never flossed, flossed before, or before and during."""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from analyses.common import record, resume
from analyses.flossing_effect import networks
from rnnjac import clipping, regularizers, tasks

NEVER, BEFORE, DURING = range(3)
CONDITIONS = ("never flossed", "flossed before", "before and during")


class Recipe(NamedTuple):
    """How every network is trained, and when it is flossed in between."""

    delays: tuple[int, ...]
    stretch: int  # the sequences are so many delays long
    updates: int
    every: int  # updates between two looks
    breaks: tuple[int, ...]  # updates made, multiples of ``every``, when flossing comes in between
    stage: networks.Stage  # of flossing in between
    batch: int = 16
    rate: float = 3e-3  # of Adam
    clip: float = 1.0
    tested: int = 500  # fresh sequences


def loss(params: Any, states: jax.Array, example: tasks.Stream) -> jax.Array:
    """Cross-entropy (nat) per wanted bit."""
    odds = _odds(params, states)
    each = optax.sigmoid_binary_cross_entropy(odds, example.target.astype(odds.dtype))
    return _mean(each, example.wanted)


def error(params: Any, states: jax.Array, example: Any) -> jax.Array:
    """Share of the wanted bits that are guessed wrong."""
    odds = _odds(params, states)
    wrong = (odds > 0) != (example.target > 0)
    return _mean(wrong.astype(odds.dtype), example.wanted)


def _odds(params: Any, states: jax.Array) -> jax.Array:
    return states[1:] @ params["W_y"] + params["b_y"]


def _mean(values: jax.Array, wanted: jax.Array) -> jax.Array:
    return jnp.where(wanted, values, 0).sum() / wanted.sum().astype(values.dtype)


def batch(key: jax.Array, delay: int, recipe: Recipe, count: int) -> Any:
    """So many sequences."""
    length = recipe.stretch * delay
    keys = jax.random.split(key, count)
    return jax.vmap(lambda k: tasks.delayed_xor(k, length, delay=delay))(keys)


def train(
    cells: Any,
    delay: int,
    recipe: Recipe,
    effort: networks.Effort,
    key: jax.Array,
    bar: tqdm,
    path: Path | None = None,
) -> dict[str, np.ndarray]:
    """Networks trained side by side from ``cells``, whose axes are (start, condition, seed).

    Arrays with these axes: "errors" (..., looks) on fresh sequences, "losses" (..., looks - 1),
    means over the updates between, and "leading" (..., top, 2 + breaks), exponents at the start,
    when training breaks off (after flossing, where there is any) and at the end.
    """
    shape = cells["b"].shape[:-1]
    run, test, rule = _compiled(delay, recipe)
    key_readout, key_run = jax.random.split(key)
    flat = jax.tree.map(lambda a: a.reshape(-1, *a.shape[len(shape) :]), cells)
    # one readout for each seed, as one set of batches for all: the conditions differ in cells alone
    seeds = jnp.arange(np.prod(shape), dtype=jnp.int32) % shape[-1]
    readout = jax.vmap(lambda s: _readout(jax.random.fold_in(key_readout, s), effort.units))(seeds)
    params = {"cell": flat, **readout}
    state = params, jax.vmap(rule.init)(params)
    settings = delay, recipe, effort, jax.random.key_data(key).tolist(), shape, jax.__version__
    facts = repr((*settings, resume.code("flossing_effect")))
    errors, losses, leading, state = _resume(path, facts, state) or (
        [test(params)],
        [],
        [_leading(flat, effort)],
        state,
    )
    bar.update(len(losses) * recipe.every)
    for done in range(len(losses) * recipe.every, recipe.updates, recipe.every):
        state, found = run(state, key_run, jnp.array(done, jnp.int32))
        made = done + recipe.every
        if made in recipe.breaks:
            state = _interrupted(state, shape, recipe.stage, effort, jax.random.fold_in(key, made))
        if made in recipe.breaks or made == recipe.updates:
            leading.append(_leading(state[0]["cell"], effort))
        errors.append(test(state[0]))
        losses.append(np.asarray(found))
        _keep(path, facts, state, errors, losses, leading)
        bar.update(recipe.every)
        bar.set_postfix_str(f"delay {delay}, loss {losses[-1].mean():.3g}")

    def shaped(rows: list[np.ndarray]) -> np.ndarray:
        return np.moveaxis(np.array(rows), 0, -1).reshape(*shape, *rows[0].shape[1:], len(rows))

    return {"errors": shaped(errors), "losses": shaped(losses), "leading": shaped(leading)}


def _readout(key: jax.Array, units: int) -> dict[str, jax.Array]:
    return {"W_y": jax.random.normal(key, (units,)) / units**0.5, "b_y": jnp.zeros(())}


@functools.cache
def _compiled(delay: int, recipe: Recipe) -> tuple[Any, Any, optax.GradientTransformation]:
    rule = optax.chain(clipping.clip_at_threshold(recipe.clip), optax.adam(recipe.rate))
    value_and_grad = regularizers.with_omega(loss, weight=None)
    value = regularizers.with_omega(error, weight=None)

    def update(carry: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        params, memory = carry
        (found, _), gradient = value_and_grad(params, batch(key, delay, recipe, recipe.batch))
        with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to its step count
            change, memory = rule.update(gradient, memory, params)
        return (optax.apply_updates(params, change), memory), found

    @jax.jit
    def run(state: Any, key: jax.Array, done: jax.Array) -> tuple[Any, jax.Array]:
        numbers = done + jnp.arange(recipe.every, dtype=jnp.int32)
        keys = jax.vmap(lambda u: jax.random.fold_in(key, u))(numbers)
        state, found = jax.vmap(lambda s: jax.lax.scan(update, s, keys))(state)
        return state, found.mean(1)

    @jax.jit
    def test(params: Any) -> jax.Array:
        fresh = batch(jax.random.key(77), delay, recipe, recipe.tested)
        return jax.vmap(lambda p: value(p, fresh)[0][0])(params)

    return run, lambda params: np.asarray(test(params)), rule


def _leading(cells: Any, effort: networks.Effort) -> np.ndarray:
    count = cells["b"].shape[0]
    return np.array(
        [networks.leading(jax.tree.map(lambda a, i=i: a[i], cells), effort) for i in range(count)]
    )


def _interrupted(
    state: Any, shape: tuple, stage: networks.Stage, effort: networks.Effort, key: jax.Array
) -> Any:
    """The networks of the last condition flossed once more, one after the other."""
    params, memory = state
    rows = np.arange(np.prod(shape)).reshape(shape)[:, DURING].ravel()
    cells = params["cell"]
    for row in rows:
        one = jax.tree.map(lambda a, row=row: a[row], cells)
        one, _ = networks.floss(one, stage, effort.units, jax.random.fold_in(key, int(row)))
        cells = jax.tree.map(lambda a, b, row=row: a.at[row].set(b), cells, one)
    return {**params, "cell": cells}, memory


def _resume(path: Path | None, facts: str, like: Any) -> tuple | None:
    """What `_keep` wrote, unless that was in another run."""
    if path is None or not path.exists():
        return None
    arrays, meta = record.load(path)
    if meta["facts"] != facts:
        return None
    structure = jax.tree.structure(like)
    leaves = [jnp.asarray(arrays[f"state{i}"]) for i in range(structure.num_leaves)]
    rows = (list(arrays[name]) for name in ("errors", "losses", "leading"))
    return *rows, jax.tree.unflatten(structure, leaves)


def _keep(path: Path | None, facts: str, state: Any, *rows: list) -> None:
    if path is None:
        return
    arrays = {f"state{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
    arrays |= dict(zip(("errors", "losses", "leading"), map(np.array, rows), strict=True))
    record.save(path, arrays, {"facts": facts})
