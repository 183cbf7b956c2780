"""What trained character models do: bits per character, gradients by lag, spectra."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rnnjac
from analyses.char_text import training as chars
from rnnjac import cells

SKIPPED = 50  # characters at the start of a row that are read but do not count


class Tools(NamedTuple):
    """Compiled measurements of one kind of network, for whatever parameters."""

    bits: Callable[[Any, jax.Array, int], jax.Array]
    lags: Callable[[Any, jax.Array, int], jax.Array]
    spectrum: Callable[[Any, jax.Array], jax.Array]
    radius: Callable[[Any], float]


def tools(kind: str, size: int, hidden: int) -> Tools:
    """Measurements of the networks of one kind."""
    cell = chars.network(kind, size, hidden)

    @jax.jit
    def bits(params: Any, rows: jax.Array, ahead: Any) -> jax.Array:
        return _bits(cell, params, rows, ahead, size)

    @jax.jit
    def lags(params: Any, rows: jax.Array, ahead: Any) -> jax.Array:
        return jax.vmap(lambda row: _lags(cell, params, row, ahead, size))(rows)

    @jax.jit
    def spectrum(params: Any, row: jax.Array) -> jax.Array:
        inputs = jax.nn.one_hot(row, size)
        start = cell.initial_state()
        found = rnnjac.spectrum(cell.step, params["cell"], start, inputs)
        return found.log_singular_values

    def radius(params: Any) -> float:
        if "W_s" not in params["cell"]:
            return math.nan
        return float(np.abs(np.linalg.eigvals(np.asarray(params["cell"]["W_s"]))).max())

    return Tools(bits, lags, spectrum, radius)


def _bits(cell: cells.Cell, params: Any, rows: jax.Array, ahead: Any, size: int) -> jax.Array:
    """Mean bits per character; each row is read once, by one pass of the state along it."""
    most = max(chars.AHEAD)
    steps = rows.shape[1] - most

    def one(states: Any, at: tuple[jax.Array, jax.Array]) -> tuple[Any, jax.Array]:
        read, wanted = at
        inputs = jax.nn.one_hot(read, size)
        states = jax.vmap(cell.step, (None, 0, 0))(params["cell"], states, inputs)
        logits = chars.outputs(params, states)
        return states, optax.softmax_cross_entropy_with_integer_labels(logits, wanted).mean()

    start = jax.tree.map(lambda a: jnp.tile(a[None], (len(rows), 1)), cell.initial_state())
    wanted = jax.lax.dynamic_slice_in_dim(rows, ahead, steps, axis=1)
    _, losses = jax.lax.scan(one, start, (rows[:, :steps].T, wanted.T))
    return losses[SKIPPED:].mean() / math.log(2)


def _lags(cell: cells.Cell, params: Any, row: jax.Array, ahead: Any, size: int) -> jax.Array:
    """Log norm of the gradient of the last character's loss, by the lag of the state."""
    length = row.shape[0] - max(chars.AHEAD)
    inputs = jax.nn.one_hot(row[:length], size)
    start = cell.initial_state()
    states = rnnjac.trajectory(cell.step, params["cell"], start, inputs)
    last = jax.tree.map(lambda a: a[-1], states)
    wanted = jax.lax.dynamic_index_in_dim(row, length - 1 + ahead, keepdims=False)

    def final(state: Any) -> jax.Array:
        logits = chars.outputs(params, jax.tree.map(lambda a: a[None], state))[0]
        return optax.softmax_cross_entropy_with_integer_labels(logits, wanted)

    arriving = jax.grad(final)(last)
    logs = rnnjac.gradient_norms(cell.step, params["cell"], start, inputs, cotangent=arriving)
    return logs[::-1]


def pieces(rows: np.ndarray, count: int, length: int) -> np.ndarray:
    """``count`` stretches of ``length`` characters, spread over the rows."""
    if rows.shape[1] < length:
        raise ValueError(f"length: expected at most {rows.shape[1]}; got {length}")
    each = -(-count // len(rows))
    begins = np.linspace(0, rows.shape[1] - length, each).astype(int)
    cut = [row[b : b + length] for b in begins for row in rows]
    return np.array(cut[:count], np.int32)
