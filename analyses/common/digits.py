"""Handwritten digits read one pixel at a time: the data, the network, and its training."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

import rnnjac
from rnnjac import initializers

PIXELS, CLASSES = 64, 10
TEST_FRACTION = 0.2


class Data(NamedTuple):
    """Sequences of shape (count, 64, 1), grey values from 0 to 1 row by row, and their digits."""

    images: jax.Array
    labels: jax.Array


class Recipe(NamedTuple):
    """How a network is trained."""

    hidden: int
    updates: int
    batch: int = 64
    rate: float = 2e-3  # of Adam at the beginning; falls along half a cosine to 0
    clip: float = 1.0  # largest norm of a gradient


class Progress(NamedTuple):
    """State of a training run; ``losses`` and ``norms`` (before clipping) of the last updates."""

    update: int
    params: Any
    losses: np.ndarray
    norms: np.ndarray


def load(seed: int) -> tuple[Data, Data]:
    """Training and test set: every image of scikit-learn's copy, in exactly one of them."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    sequences = (images / 16).reshape(-1, PIXELS, 1)
    train, test = (Data(sequences[i], labels[i]) for i in split(labels, seed))
    return to_device(train), to_device(test)


def to_device(data: Data) -> Data:
    """``data`` in JAX's default precision."""
    return Data(jnp.asarray(data.images, float), jnp.asarray(data.labels, jnp.int32))


def split(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training and the test set, each digit in the same proportion in both."""
    random = np.random.default_rng(seed)
    train, test = [], []
    for digit in np.unique(labels):
        where = random.permutation(np.flatnonzero(labels == digit))
        count = round(TEST_FRACTION * where.size)
        test.append(where[:count])
        train.append(where[count:])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(test))


def network(hidden: int, recurrent: Any, key: jax.Array) -> tuple[rnnjac.cells.Cell, Any]:
    """A tanh cell that reads a pixel at a time, and its weights with those of the readout."""
    cell = rnnjac.cells.elman(
        1, hidden, recurrent=recurrent, input=initializers.normal(hidden**-0.5)
    )
    key_cell, key_readout = jax.random.split(key)
    readout = initializers.gaussian()(key_readout, (CLASSES, hidden), None)
    return cell, {"cell": cell.init(key_cell), "W_y": readout, "b_y": jnp.zeros(CLASSES)}


def loss_of_state(params: Any, state: jax.Array, label: jax.Array) -> jax.Array:
    """Cross-entropy (nat) of the digit read out from the last state."""
    return optax.softmax_cross_entropy_with_integer_labels(_logits(params, state), label)


def _logits(params: Any, state: jax.Array) -> jax.Array:
    return params["W_y"] @ state + params["b_y"]


def last_states(step: Any, params: Any, images: jax.Array) -> jax.Array:
    """Last state for each image, shape (count, hidden)."""
    start = jnp.zeros_like(params["cell"]["b"])

    def read(image: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda s, x: (step(params["cell"], s, x), None), start, image)[0]

    return jax.vmap(read)(images)


def loss(step: Any, params: Any, data: Data) -> jax.Array:
    """Mean cross-entropy (nat)."""
    states = last_states(step, params, data.images)
    return jax.vmap(loss_of_state, (None, 0, 0))(params, states, data.labels).mean()


def accuracy(step: Any, params: Any, data: Data) -> jax.Array:
    """Fraction of the images whose digit gets the largest logit."""
    states = last_states(step, params, data.images)
    guess = jnp.argmax(jax.vmap(_logits, (None, 0))(params, states), axis=-1)
    return (guess.astype(data.labels.dtype) == data.labels).mean(dtype=states.dtype)


def swap_first_half(data: Data) -> Data:
    """The same digits with the first 32 pixels of the image before, so that these mislead."""
    mixed = data.images.at[:, : PIXELS // 2].set(jnp.roll(data.images, 1, 0)[:, : PIXELS // 2])
    return data._replace(images=mixed)


def trainer(step: Any, data: Data, recipe: Recipe) -> Callable[..., Iterator[Progress]]:
    """``train(params, stops, key)``: Adam on random batches, compiled once for all its calls.

    It yields at each of ``stops`` (numbers of updates, ascending).
    """
    rate = optax.cosine_decay_schedule(recipe.rate, recipe.updates)
    rule = optax.chain(optax.clip_by_global_norm(recipe.clip), optax.adam(rate))

    def update(carry: Any, key: jax.Array) -> tuple[Any, Any]:
        params, memory = carry
        chosen = jax.random.randint(key, (recipe.batch,), 0, data.labels.size)
        batch = jax.tree.map(lambda a: a[chosen], data)
        value, slope = jax.value_and_grad(lambda p: loss(step, p, batch))(params)
        with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to an integer power
            change, memory = rule.update(slope, memory, params)
        return (optax.apply_updates(params, change), memory), (value, _norm(slope))

    run = jax.jit(lambda carry, keys: jax.lax.scan(update, carry, keys))

    def train(params: Any, stops: list[int], key: jax.Array) -> Iterator[Progress]:
        carry = params, rule.init(params)
        keys = jax.random.split(key, recipe.updates)
        done = 0
        for stop in stops:
            losses = norms = np.zeros(0, carry[0]["b_y"].dtype)
            if stop > done:
                carry, (losses, norms) = run(carry, keys[done:stop])
            done = stop
            yield Progress(done, carry[0], np.asarray(losses), np.asarray(norms))

    return train


def _norm(tree: Any) -> jax.Array:
    return jnp.linalg.norm(ravel_pytree(tree)[0])


def weight_terms(step: Any, params: Any, image: jax.Array, label: jax.Array) -> dict[str, Any]:
    """Share of each step in the gradient of W_s, and what is left of it when the state is cut.

    Every step gets a copy of W_s of its own: dL/dW_s = sum_k dL/dW_s^(k), term k passing through
    the states k, k+1, ..., T. ``cut`` at the middle keeps the value of the state, not its gradient.
    """
    cell, half = params["cell"], PIXELS // 2
    copies = jnp.broadcast_to(cell["W_s"], (PIXELS, *cell["W_s"].shape))

    def loss(copies: jax.Array, cut: int) -> jax.Array:
        def one(state: jax.Array, at: tuple) -> tuple[jax.Array, None]:
            weights, x, index = at
            state = jnp.where(index == cut, jax.lax.stop_gradient(state), state)
            return step({**cell, "W_s": weights}, state, x), None

        along = (copies, image, jnp.arange(PIXELS))
        last, _ = jax.lax.scan(one, jnp.zeros_like(cell["b"]), along)
        return loss_of_state(params, last, label)

    def shared(weights: jax.Array) -> jax.Array:
        inside = {**params, "cell": {**cell, "W_s": weights}}
        return loss_of_state(params, last_states(step, inside, image[None])[0], label)

    terms = jax.grad(loss)(copies, -1)
    severed = jax.grad(loss)(copies, half)
    whole = jax.grad(shared)(cell["W_s"])
    scale = float(jnp.linalg.norm(whole))
    return {
        "norms": np.asarray(jnp.sqrt((terms**2).sum((1, 2)))),
        "mismatch": float(jnp.linalg.norm(terms.sum(0) - whole)) / scale,
        "early": float(jnp.linalg.norm(terms[:half].sum(0))) / scale,
        "early_when_cut": float(jnp.abs(severed[:half]).max()),
    }
