"""LSTMs for two tasks: learning with gates that may depend on what is read, and with fixed ones.

Every start is trained twice by the same recipe. `LEARNED` is the LSTM as it is; for `CONSTANT` the
rows of its matrices that lead to the forget gate are 0, so that each unit learns one number f, the
same at every step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

import rnnjac
from analyses.common import digits
from rnnjac import initializers, tasks

LEARNED, CONSTANT = 0, 1
MARKED, READER = "temporal order", "digits"


class Batch(NamedTuple):
    """Sequences (count, T, inputs), classes (count,), positions of the markers, if there are."""

    inputs: jax.Array
    targets: jax.Array
    positions: jax.Array


class Problem(NamedTuple):
    """What is learned: random batches to train on, fresh sequences to test on, inputs to try."""

    name: str
    classes: int
    sample: Callable[[jax.Array, int], Batch]
    test: Batch
    probes: jax.Array  # (probes, inputs): what could be read at any step


class Recipe(NamedTuple):
    """How a network is trained."""

    hidden: int
    updates: int
    batch: int
    rate: float  # of Adam at the beginning; falls along half a cosine to 0
    clip: float = 1.0  # largest norm of a gradient


def temporal_order(length: int, tested: int, key: jax.Array) -> Problem:
    """Which of two symbols came first and which then, among four others."""

    def sample(key: jax.Array, count: int) -> Batch:
        keys = jax.random.split(key, count)
        return Batch(*jax.vmap(lambda k: tasks.temporal_order(k, length))(keys))

    test = jax.jit(sample, static_argnums=1)(key, tested)
    return Problem(MARKED, 4, sample, test, jnp.eye(6))


def digit_reader(seed: int) -> Problem:
    """Which handwritten digit it is, from its 64 pixels one by one."""
    train, test = (
        Batch(d.images, d.labels, jnp.zeros((d.labels.size, 0), jnp.int32))
        for d in digits.load(seed)
    )

    def sample(key: jax.Array, count: int) -> Batch:
        chosen = jax.random.randint(key, (count,), 0, train.targets.size)
        return jax.tree.map(lambda a: a[chosen], train)

    return Problem(READER, digits.CLASSES, sample, test, jnp.array([[0.0], [1.0]]))


def network(problem: Problem, hidden: int) -> rnnjac.cells.Cell:
    """An LSTM that reads what the problem shows."""
    return rnnjac.cells.lstm(problem.probes.shape[1], hidden)


def start(problem: Problem, hidden: int, key: jax.Array) -> Any:
    """Weights of the network, with forget bias 1, and of the readout of h."""
    key_cell, key_readout = jax.random.split(key)
    readout = initializers.gaussian()(key_readout, (problem.classes, hidden), None)
    weights = network(problem, hidden).init(key_cell)
    return {"cell": weights, "W_y": readout, "b_y": jnp.zeros(problem.classes)}


def restrict(params: Any, kind: jax.Array | int) -> Any:
    """The weights in use: all of them, or those without a path to the forget gate."""
    rows = params["cell"]["b"].shape[0]
    block = jnp.arange(rows) // (rows // 4)  # i, f, g, o
    keep = jnp.where((block == 1) & (jnp.asarray(kind) == CONSTANT), 0, 1)[:, None]
    keep = keep.astype(params["cell"]["W_h"].dtype)
    cell = {**params["cell"], **{w: params["cell"][w] * keep for w in ("W_x", "W_h")}}
    return {**params, "cell": cell}


def last_state(cell: rnnjac.cells.Cell, params: Any, inputs: jax.Array) -> Any:
    """State (c, h) after the last step."""

    def advance(state: Any, x: jax.Array) -> tuple[Any, None]:
        return cell.step(params["cell"], state, x), None

    return jax.lax.scan(advance, cell.initial_state(), inputs)[0]


def logits(params: Any, state: Any) -> jax.Array:
    """Log odds of the classes, up to a constant, read out from h."""
    return params["W_y"] @ state.h + params["b_y"]


def loss_of_state(params: Any, state: Any, target: jax.Array) -> jax.Array:
    """Cross-entropy (nat) of the class read out from the last state."""
    return optax.softmax_cross_entropy_with_integer_labels(logits(params, state), target)


def test_error(cell: rnnjac.cells.Cell, params: Any, batch: Batch) -> jax.Array:
    """Share of the sequences that get another class than theirs."""
    states = jax.vmap(lambda x: last_state(cell, params, x))(batch.inputs)
    guess = jax.vmap(lambda s: jnp.argmax(logits(params, s)))(states)
    return (guess.astype(batch.targets.dtype) != batch.targets).mean(dtype=states.h.dtype)


def train(
    problem: Problem, recipe: Recipe, seeds: int, key: jax.Array, bar: tqdm
) -> tuple[rnnjac.cells.Cell, Any, Any, np.ndarray]:
    """The cell, the weights before and after, and the losses.

    Weights have leading axes (kind, seed); losses have shape (kind, seed, update). The two kinds
    share their starts and their batches. ``bar`` moves on by ``recipe.updates``.
    """
    cell = network(problem, recipe.hidden)
    rate = optax.cosine_decay_schedule(recipe.rate, recipe.updates)
    rule = optax.chain(optax.clip_by_global_norm(recipe.clip), optax.adam(rate))

    def loss(params: Any, kind: jax.Array, batch: Batch) -> jax.Array:
        used = restrict(params, kind)
        states = jax.vmap(lambda x: last_state(cell, used, x))(batch.inputs)
        return jax.vmap(lambda s, y: loss_of_state(used, s, y))(states, batch.targets).mean()

    def update(carry: Any, at: tuple) -> tuple[Any, jax.Array]:
        (params, memory), (key, kind) = carry, at
        value, slope = jax.value_and_grad(loss)(params, kind, problem.sample(key, recipe.batch))
        with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to its step count
            change, memory = rule.update(slope, memory, params)
        return (optax.apply_updates(params, change), memory), value

    def advance(carry: Any, keys: jax.Array, kind: jax.Array) -> tuple[Any, jax.Array]:
        return jax.lax.scan(lambda c, k: update(c, (k, kind)), carry, keys)

    run = jax.jit(jax.vmap(jax.vmap(advance, (0, 0, None)), (0, None, 0)))
    key_start, key_run = jax.random.split(key)
    keys = jax.vmap(lambda k: jax.random.split(k, recipe.updates))(jax.random.split(key_run, seeds))
    kinds = jnp.array([LEARNED, CONSTANT])

    @jax.jit
    def begin(keys: jax.Array) -> Any:
        params = jax.vmap(lambda k: start(problem, recipe.hidden, k))(keys)
        params = jax.tree.map(lambda a: jnp.broadcast_to(a, (2, *a.shape)), params)
        return params, jax.vmap(jax.vmap(rule.init))(params)

    carry = first = begin(jax.random.split(key_start, seeds))
    losses, piece = [], max(1, recipe.updates // 20)  # one shape: compiled once
    for done in range(0, recipe.updates, piece):
        carry, values = run(carry, keys[:, done : done + piece], kinds)
        losses.append(np.asarray(values))
        bar.update(values.shape[-1])
        bar.set_postfix_str(f"{problem.name}, loss {losses[-1].mean():.3g}")
    whole = jax.jit(jax.vmap(jax.vmap(restrict, (0, None))))
    before, after = whole(first[0], kinds), whole(carry[0], kinds)
    return cell, before, after, np.concatenate(losses, axis=-1)
