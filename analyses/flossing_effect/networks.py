"""Networks, and gradient flossing of them: their exponents and gradients before and after."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rnnjac
from rnnjac import clipping, regularizers

PIECE = 100  # updates of one compiled call
CLIP = 1.0  # largest norm of a flossing gradient


class Start(NamedTuple):
    """Weights before anything is done: W_s = gain G / n^(1/2), W_x = drive G, G standard normal."""

    name: str
    gain: float
    drive: float


class Stage(NamedTuple):
    """A part of flossing: ``batch`` trajectories of ``steps`` steps for every update.

    They start from states that ``run_in`` steps lead to, which have no derivative; the first
    ``warmup`` of the steps turn the frame and do not count.
    """

    top: int
    steps: int
    warmup: int
    batch: int
    updates: int
    rate: float  # of Adam at the beginning; falls along half a cosine to 0
    run_in: int = 20


class Effort(NamedTuple):
    """How a network is looked at."""

    units: int
    top: int  # exponents that are followed along the way
    steps: int  # of the sequence along which exponents are measured; a tenth more before it
    span: int  # factors of the product whose singular values are computed
    gradients: int  # sequences from whose end a random gradient is sent back, ``span`` steps


@functools.cache
def network(units: int) -> rnnjac.cells.Cell:
    """A tanh network that reads one bit at a time."""
    return rnnjac.cells.elman(1, units)


def begin(start: Start, units: int, key: jax.Array) -> dict[str, jax.Array]:
    """Weights of a start."""
    recurrent, drive = jax.random.split(key)
    return {
        "W_x": start.drive * jax.random.normal(drive, (units, 1)),
        "W_s": start.gain * jax.random.normal(recurrent, (units, units)) / units**0.5,
        "b": jnp.zeros(units),
    }


def bits(key: jax.Array, *shape: int) -> jax.Array:
    """Inputs of even odds, of the given shape and one last axis of length 1."""
    return jax.random.bernoulli(key, 0.5, (*shape, 1)).astype(float)


def floss(
    params: Any, stage: Stage, units: int, key: jax.Array, watch: Any = None
) -> tuple[Any, list[Any]]:
    """Weights after a stage, and what ``watch`` said of them after every `PIECE` updates."""
    at = np.arange(stage.updates)
    rates = jnp.asarray(stage.rate * (1 + np.cos(np.pi * at / stage.updates)) / 2, float)
    memory = optax.scale_by_adam().init(params)
    keys, seen = jax.random.split(key, stage.updates), []
    run = _piece(units, stage._replace(updates=0, rate=0.0))
    for done in range(0, stage.updates, PIECE):
        piece = slice(done, done + PIECE)
        params, memory = run(params, memory, keys[piece], rates[piece])
        if watch is not None:
            seen.append(watch(params))
    return params, seen


@functools.cache
def _piece(units: int, stage: Stage) -> Any:
    """`PIECE` updates, compiled."""
    cell, rule = network(units), optax.scale_by_adam()

    def penalty(params: Any, inputs: jax.Array) -> jax.Array:
        before, counted = inputs[:, : stage.run_in], inputs[:, stage.run_in :]
        states = jax.lax.stop_gradient(_states(units)(params, before))

        def one(at: tuple[jax.Array, jax.Array]) -> jax.Array:
            found = regularizers.flossing(
                cell.step, params, *at, top=stage.top, warmup=stage.warmup
            )
            return found.penalty

        return jax.lax.map(one, (states, counted)).mean()  # in turn: LAPACK is not batched

    def update(carry: Any, at: tuple) -> tuple[Any, None]:
        (params, memory), (key, rate) = carry, at
        gradient = jax.grad(penalty)(params, bits(key, stage.batch, stage.run_in + stage.steps))
        gradient, _ = clipping.clip_at_threshold(CLIP).update(gradient, optax.EmptyState())
        with jax.numpy_dtype_promotion("standard"):  # Adam raises a float to its step count
            change, memory = rule.update(gradient, memory)
        return (jax.tree.map(lambda p, c: p - rate * c, params, change), memory), None

    @jax.jit
    def run(params: Any, memory: Any, keys: jax.Array, rates: jax.Array) -> Any:
        return jax.lax.scan(update, (params, memory), (keys, rates))[0]

    return run


def floss_all(
    params: Any, stages: Sequence[Stage], effort: Effort, key: jax.Array
) -> tuple[Any, np.ndarray]:
    """Weights after all stages; leading exponents (pieces + 1, top) before and along the way."""
    track = [leading(params, effort)]
    for number, stage in enumerate(stages):
        part = jax.random.fold_in(key, number)
        params, seen = floss(params, stage, effort.units, part, lambda p: leading(p, effort))
        track += seen
    return params, np.array(track)


def leading(params: Any, effort: Effort) -> np.ndarray:
    """Leading exponents along a fixed sequence that no flossing sees."""
    found = _exponents(params, effort, effort.top)
    return np.asarray(found.exponents)


def _exponents(params: Any, effort: Effort, top: int) -> rnnjac.LyapunovExponents:
    cell, before = network(effort.units), effort.steps // 10
    inputs = bits(jax.random.key(7), effort.steps + before)
    return rnnjac.lyapunov_exponents(
        cell.step, params, cell.initial_state(), inputs, top=top, warmup=before
    )


def look(params: Any, effort: Effort) -> dict[str, np.ndarray]:
    """Exponents, exact singular values, and norms of gradients on their way back.

    "exponents" and "stderr" (n,); "logs" and "logs_error" (n,) of the product of ``span`` factors;
    "norms" (span + 1,), mean log norm of a random gradient against the lag, 0 at lag 0; "radius".
    """
    cell, span = network(effort.units), effort.span
    inputs = bits(jax.random.key(8), effort.gradients, 2 * span)
    run_in, inputs = inputs[:, :span], inputs[:, span:]
    states = _states(effort.units)(params, run_in)
    rates = _exponents(params, effort, effort.units)
    exact = rnnjac.spectrum(cell.step, params, states[0], inputs[0])
    norms = _norms(effort.units)(params, states, inputs)
    return {
        "exponents": np.asarray(rates.exponents),
        "stderr": np.asarray(rates.stderr),
        "logs": np.asarray(exact.log_singular_values),
        "logs_error": np.asarray(exact.error),
        "norms": np.asarray(norms),
        "radius": np.asarray(rnnjac.spectral_radius(params["W_s"])),
    }


@functools.cache
def _states(units: int) -> Any:
    cell = network(units)

    def last(params: Any, inputs: jax.Array) -> jax.Array:
        return rnnjac.trajectory(cell.step, params, cell.initial_state(), inputs)[-1]

    return jax.jit(jax.vmap(last, (None, 0)))


@functools.cache
def _norms(units: int) -> Any:
    cell = network(units)

    @jax.jit
    def run(params: Any, states: jax.Array, inputs: jax.Array) -> jax.Array:
        gradients = jax.random.normal(jax.random.key(9), states.shape)

        def one(state: jax.Array, inputs: jax.Array, gradient: jax.Array) -> jax.Array:
            logs = rnnjac.gradient_norms(cell.step, params, state, inputs, cotangent=gradient)
            return (logs - logs[-1])[::-1]

        return jax.vmap(one)(states, inputs, gradients).mean(0)

    return run
