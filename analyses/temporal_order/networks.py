"""Elman networks for the temporal order task: how they start, and what they are measured by.

The settings are those of Pascanu, Mikolov and Bengio (2013). Parameters are {"cell": those of the
Elman cell, "W_y", "b_y": readout of the last state}.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import rnnjac
from rnnjac import initializers, tasks

SYMBOLS, CLASSES = 6, 4
SOLVED = 0.01  # a network that errs less often on fresh sequences has solved the task
FAILED = 2 * SOLVED  # a thousand tests tell it from solved: 3 deviations above are 1.9%
CHUNK = 1000  # fresh sequences tested at once


class Start(NamedTuple):
    """A start: activation, deviation of the weights, and whether W_s is sparse instead."""

    activation: str
    deviation: float
    sparse: bool = False


# Smart: 15 incoming connections for each unit and spectral radius 0.95.
STARTS = {
    "sigmoid": Start("sigmoid", 0.01),
    "basic tanh": Start("tanh", 0.1),
    "smart tanh": Start("tanh", 0.01, sparse=True),
}
CONNECTIONS, RADIUS = 15, 0.95
BASIC = "basic tanh"  # the start of the sweep of step sizes, and the one whose training is drawn


@functools.cache
def network(activation: str, hidden: int) -> rnnjac.cells.Cell:
    """One cell for each activation, so that what is compiled for its step is used again."""
    return rnnjac.cells.elman(SYMBOLS, hidden, activation)


def begin(start: Start, hidden: int, key: jax.Array) -> dict[str, Any]:
    """Weights at the start; all biases are 0."""
    normal = initializers.normal(start.deviation)
    narrow = initializers.sparse(min(CONNECTIONS, hidden), RADIUS)
    recurrent = narrow if start.sparse else normal
    cell = rnnjac.cells.elman(SYMBOLS, hidden, start.activation, recurrent=recurrent, input=normal)
    for_cell, for_readout = jax.random.split(key)
    readout = normal(for_readout, (CLASSES, hidden), None)
    return {"cell": cell.init(for_cell), "W_y": readout, "b_y": jnp.zeros(CLASSES)}


def batch(key: jax.Array, length: int, count: int) -> tasks.Example:
    """Random sequences."""
    return jax.vmap(lambda k: tasks.temporal_order(k, length))(jax.random.split(key, count))


def logits(params: dict[str, Any], state: jax.Array) -> jax.Array:
    """Log odds of the classes, up to a constant."""
    return params["W_y"] @ state + params["b_y"]


def loss(params: dict[str, Any], states: jax.Array, example: tasks.Example) -> jax.Array:
    """Cross-entropy (nat) of the class read out from the last state."""
    found = logits(params, states[-1])
    return optax.softmax_cross_entropy_with_integer_labels(found, example.target)


def error(
    cell: rnnjac.cells.Cell,
    params: dict[str, Any],
    key: jax.Array,
    length: int,
    count: int,
    limit: float = math.inf,
) -> jax.Array:
    """Share of fresh sequences that get another class than theirs.

    ``count`` sequences are drawn, a thousand at a time; no more once the share among those drawn so
    far is above ``limit``.
    """
    chunk = min(count, CHUNK)
    chunks = max(1, count // CHUNK)

    def guess(inputs: jax.Array) -> jax.Array:
        def advance(state: jax.Array, x: jax.Array) -> tuple[jax.Array, None]:
            return cell.step(params["cell"], state, x), None

        last, _ = jax.lax.scan(advance, cell.initial_state(), inputs)
        return jnp.argmax(logits(params, last)).astype(jnp.int32)

    def more(seen: tuple[jax.Array, jax.Array]) -> jax.Array:
        drawn, share = seen
        return (drawn < chunks) & (share <= limit)

    def test(seen: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        drawn, share = seen
        now = batch(jax.random.fold_in(key, drawn), length, chunk)
        wrong = (jax.vmap(guess)(now.inputs) != now.target).mean(dtype=share.dtype)
        weight = 1 / (drawn + 1).astype(share.dtype)
        return drawn + 1, share + weight * (wrong - share)

    return jax.lax.while_loop(more, test, (jnp.array(0, jnp.int32), jnp.zeros(())))[1]


def gradient(cell: rnnjac.cells.Cell, params: dict[str, Any], example: tasks.Example) -> jax.Array:
    """Log norms of the gradient of the loss with respect to every state, less that of the last.

    The loss is a function of the log odds of the right class against all others, whose gradient
    stands in for its own: parallel to it, and no rounding error once the network is sure.
    """
    weights, start = params["cell"], cell.initial_state()
    last = rnnjac.trajectory(cell.step, weights, start, example.inputs)[-1]
    classes = jnp.arange(CLASSES, dtype=example.target.dtype)

    def odds(state: jax.Array) -> jax.Array:
        found = logits(params, state)
        others = jnp.where(classes == example.target, -jnp.inf, found)
        return found[example.target] - jax.nn.logsumexp(others)

    logs = rnnjac.gradient_norms(
        cell.step, weights, start, example.inputs, cotangent=jax.grad(odds)(last)
    )
    return logs - logs[-1]


def at_marker(logs: jax.Array, example: tasks.Example) -> jax.Array:
    """Entry of ``logs``, one for each state, of the state that has just read the first marker."""
    return logs[example.positions[0] + 1]


def watch(
    cell: rnnjac.cells.Cell, length: int, tested: int, watched: int
) -> Callable[[dict[str, Any], jax.Array], dict[str, jax.Array]]:
    """What is measured during training: error, gradient at the first marker, spectral radius.

    A network that is far from having solved the task is not tested on all sequences.
    """

    def measure(params: dict[str, Any], key: jax.Array) -> dict[str, jax.Array]:
        for_error, for_gradient = jax.random.split(key)
        seen = batch(for_gradient, length, watched)
        logs = jax.vmap(lambda one: at_marker(gradient(cell, params, one), one))(seen)
        return {
            "error": error(cell, params, for_error, length, tested, FAILED),
            "gradient": logs.mean(),
            "radius": rnnjac.spectral_radius(params["cell"]["W_s"]),
        }

    return measure
