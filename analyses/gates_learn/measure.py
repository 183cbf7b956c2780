"""What the forget gates of an LSTM do, step by step, and what becomes of the gradient there."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from analyses.gates_learn import training
from rnnjac.cells.gates import lstm_arguments

PIECE = 200  # sequences measured at a time


def along(cell: rnnjac.cells.Cell, problem: training.Problem) -> Callable[[Any], dict[str, Any]]:
    """``measure(params)``, compiled once; rows of all results are the test sequences.

    "log_f": (count, T, n) log of the forget gates; "gradients": (count, T + 1) log norm of the
    gradient of the loss with respect to each state; "swapped": (count, T, probes) mean over units
    of the log gates that each of the probes would give in place of what was read; "frozen": share
    of errors when each unit keeps the geometric mean of its gate at every step; "errors".
    """
    test = problem.test

    def one(params: Any, inputs: jax.Array, target: jax.Array) -> dict[str, jax.Array]:
        start = cell.initial_state()
        states = rnnjac.trajectory(cell.step, params["cell"], start, inputs)
        last = jax.tree.map(lambda a: a[-1], states)
        before = jax.tree.map(lambda a: a[:-1], states)
        arriving = jax.grad(training.loss_of_state, argnums=1)(params, last, target)
        swap = jax.vmap(
            lambda s: jax.vmap(lambda x: log_gates(params, s, x).mean())(problem.probes)
        )
        return {
            "log_f": jax.vmap(lambda s, x: log_gates(params, s, x))(before, inputs),
            "gradients": rnnjac.gradient_norms(
                cell.step, params["cell"], start, inputs, cotangent=arriving
            ),
            "swapped": swap(before),
        }

    @jax.jit
    def measure(params: Any) -> dict[str, jax.Array]:
        # in pieces: the probes at every step of every sequence would fill the memory
        found = jax.lax.map(
            lambda at: one(params, *at), (test.inputs, test.targets), batch_size=PIECE
        )
        still = freeze(params, found["log_f"].mean((0, 1)))
        return {
            **found,
            "frozen": training.test_error(cell, still, test),
            "errors": training.test_error(cell, params, test),
        }

    return measure


def log_gates(params: Any, state: Any, x: jax.Array) -> jax.Array:
    """log f of each unit; from the argument, so that a gate near 1 keeps its digits."""
    return jax.nn.log_sigmoid(lstm_arguments(params["cell"], state, x)[1])


def freeze(params: Any, log_f: jax.Array) -> Any:
    """The same weights, but with forget gates e^log_f whatever is read."""
    n = log_f.shape[0]
    only = training.restrict(params, training.CONSTANT)
    # logit(f) = log f - log(1 - f)
    bias = only["cell"]["b"].at[n : 2 * n].set(log_f - jnp.log(-jnp.expm1(log_f)))
    return {**only, "cell": {**only["cell"], "b": bias}}


def after_marker(
    cell: rnnjac.cells.Cell, params: Any, inputs: jax.Array, first: jax.Array, times: tuple
) -> tuple[jax.Array, jax.Array]:
    """Log singular values of the products from the first marker on, (1 + len(times), 2 n); errors.

    The products start from the state that has just read the marker at ``first`` and end ``times``
    steps later; the last row is the product up to the end of the sequence, wherever that is.
    """
    count = inputs.shape[0]

    def step(params: Any, state: Any, at: tuple) -> Any:
        x, running = at
        return jax.tree.map(
            lambda new, old: jnp.where(running, new, old), cell.step(params, state, x), state
        )

    states = rnnjac.trajectory(cell.step, params["cell"], cell.initial_state(), inputs)
    begin = jax.tree.map(lambda a: a[first + 1], states)
    rolled = jnp.roll(inputs, -(first + 1), axis=0)
    # past the end the state stays, and the product with it: its Jacobian is the identity
    running = jnp.arange(count, dtype=first.dtype) < count - first - 1
    found = rnnjac.spectrum(step, params["cell"], begin, (rolled, running), at=(*times, count))
    return found.log_singular_values, found.error


def aligned(values: np.ndarray, positions: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Means over sequences at ``offsets`` from their ``positions``; NaN where none reaches.

    ``values`` has axes (sequence, time) and any others, which are kept.
    """
    count, length = values.shape[:2]
    where = positions[:, None] + offsets
    inside = (where >= 0) & (where < length)
    taken = values[np.arange(count)[:, None], np.clip(where, 0, length - 1)].astype(float)
    inside = inside.reshape(*inside.shape, *(1,) * (values.ndim - 2))
    hits = inside.sum(0)
    return np.where(hits > 0, (taken * inside).sum(0) / np.maximum(hits, 1), np.nan)


def growth(gradients: np.ndarray) -> np.ndarray:
    """Growth of the log norm on its way back over each step, (count, T)."""
    return gradients[:, :-1] - gradients[:, 1:]


def near_markers(positions: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Which steps read a marker, and which a distractor within length / 10 of one, (count, T)."""
    apart = np.abs(np.arange(length)[None, :, None] - positions[:, None]).min(-1)
    return apart == 0, (apart > 0) & (apart <= length // 10)


def contrast(values: np.ndarray, of: np.ndarray, over: np.ndarray) -> np.ndarray:
    """Mean at the steps ``of`` less that at the steps ``over``, for each sequence that has both.

    ``values`` has axes (sequence, time) and any others, which are kept.
    """
    both = of.any(1) & over.any(1)
    parts = []
    for steps in (of[both], over[both]):
        share = steps / steps.sum(1, keepdims=True)
        parts.append(np.einsum("st,st...->s...", share, values[both].astype(float)))
    return parts[0] - parts[1]


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Mean of independent values and its standard error (NaN for a single value)."""
    values = np.asarray(values, float)
    error = values.std(ddof=1) / values.size**0.5 if values.size > 1 else np.nan
    return float(values.mean()), float(error)
