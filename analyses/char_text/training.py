"""Networks that predict the character one or several steps ahead, trained by gradient descent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rnnjac
from analyses.common import resume
from rnnjac import cells, clipping, initializers, regularizers, training

# The published threshold and step sizes are for a loss summed over 200 steps; here it is the mean.
SUMMED = 200
THRESHOLD = 45 / SUMMED
WEIGHT = 0.05  # of Omega, constant
FORM = "public_code"
DRIVE = 0.5  # deviation of the input weights


class Method(NamedTuple):
    """A network and how it is trained."""

    kind: str  # "tanh" or "LSTM"
    clips: bool
    omega: bool = False

    @property
    def name(self) -> str:
        """As in the tables of Pascanu et al."""
        return f"{self.kind}, " + ("SGD" + " + C" * self.clips + "R" * self.omega)


METHODS = (
    Method("tanh", False),
    Method("tanh", True),
    Method("tanh", True, True),
    Method("LSTM", False),
    Method("LSTM", True),
)
AHEAD = (1, 5)


class Recipe(NamedTuple):
    """Sizes and lengths."""

    hidden: int
    length: int  # characters in a sequence
    batch: int
    updates: int
    every: int  # updates between two looks
    seeds: int
    tanh_rates: tuple[float, ...]
    lstm_rates: tuple[float, ...]

    def rates(self, method: Method) -> tuple[float, ...]:
        """Step sizes that are tried."""
        return self.tanh_rates if method.kind == "tanh" else self.lstm_rates


class Batch(NamedTuple):
    """One-hot characters and the numbers of those to be predicted."""

    inputs: jax.Array
    target: jax.Array


def network(kind: str, size: int, hidden: int) -> cells.Cell:
    """Cell of one kind for an alphabet of ``size`` characters."""
    drive = initializers.normal(DRIVE)
    if kind == "tanh":
        return cells.elman(size, hidden, "tanh", input=drive)
    return cells.lstm(size, hidden, input=drive)


def outputs(params: Any, states: Any) -> jax.Array:
    """Logits after each step, for states of either kind."""
    hidden = states.h if hasattr(states, "h") else states
    return hidden @ params["W_o"].T + params["b_o"][None]


def loss(params: Any, states: Any, example: Batch) -> jax.Array:
    """Mean cross-entropy of one sequence, in nat per character."""
    logits = outputs(params, states)[1:]
    return optax.softmax_cross_entropy_with_integer_labels(logits, example.target).mean()


def sampler(rows: np.ndarray, size: int, length: int, ahead: int, batch: int) -> Callable:
    """``sample(key)``: sequences from anywhere in the text; none crosses from row to row."""
    text = jnp.asarray(rows)
    last = rows.shape[1] - length - ahead
    if last < 0:
        raise ValueError(f"length: expected at most {rows.shape[1] - ahead}; got {length}")

    def sample(key: jax.Array) -> Batch:
        place = jax.random.randint(key, (2, batch), 0, jnp.array([[len(rows)], [last + 1]]))
        cut = jax.vmap(lambda r, s: jax.lax.dynamic_slice(text, (r, s), (1, length + ahead))[0])
        found = cut(place[0], place[1])
        return Batch(jax.nn.one_hot(found[:, :length], size), found[:, ahead:])

    return sample


def begin(cell: cells.Cell, size: int, hidden: int) -> Callable:
    """``init(key)``: the cell with a readout."""

    def init(key: jax.Array) -> Any:
        key_cell, key_read = jax.random.split(key)
        read = initializers.gaussian(0.5)(key_read, (size, hidden), jnp.zeros(()).dtype)
        return {"cell": cell.init(key_cell), "W_o": read, "b_o": jnp.zeros(size)}

    return init


def gradients(method: Method, cell: cells.Cell) -> Callable:
    """``value_and_grad`` of the mean loss, with Omega's gradient if the method says so."""
    if method.kind == "tanh":
        weight = WEIGHT if method.omega else None
        return regularizers.with_omega(loss, weight=weight, form=FORM)

    def mean(params: Any, batch: Batch) -> jax.Array:
        def one(example: Batch) -> jax.Array:
            start = cell.initial_state()
            states = rnnjac.trajectory(cell.step, params["cell"], start, example.inputs)
            return loss(params, states, example)

        return jax.vmap(one)(batch).mean()

    return jax.value_and_grad(mean)


def train(
    method: Method,
    ahead: int,
    rate: float,
    recipe: Recipe,
    rows: np.ndarray,
    size: int,
    key: jax.Array,
    checkpoint: Path | None = None,
) -> training.Training:
    """All seeds of one method; its metrics hold the weights at every look, named "at/...".

    Goes on from ``checkpoint``, unless that is of another run.
    """
    cell = network(method.kind, size, recipe.hidden)
    # the step size is a number of the optimizer's state, so that all step sizes share one program
    descent = optax.inject_hyperparams(optax.sgd)(learning_rate=rate)
    clip = clipping.clip_at_threshold(THRESHOLD)

    return resume.train(
        gradients(method, cell),
        begin(cell, size, recipe.hidden),
        sampler(rows, size, recipe.length, ahead, recipe.batch),
        optax.chain(clip, descent) if method.clips else descent,
        key=key,
        seeds=recipe.seeds,
        updates=recipe.updates,
        every=recipe.every,
        measure=_snapshot,
        checkpoint=checkpoint,
        progress=checkpoint is not None,
    )


def _snapshot(params: Any, key: jax.Array) -> dict[str, jax.Array]:
    del key
    read = {f"at/{name}": params[name] for name in ("W_o", "b_o")}
    return read | {f"at/cell/{name}": a for name, a in params["cell"].items()}


def weights(found: training.Training, seed: int, row: int) -> Any:
    """Parameters of one seed at one look."""
    at = {n.removeprefix("at/"): a[seed, row] for n, a in found.metrics.items() if n[:3] == "at/"}
    cell = {n.removeprefix("cell/"): at.pop(n) for n in list(at) if n.startswith("cell/")}
    return {"cell": cell, **at}
