"""What the gates of an LSTM or a GRU of rnnjac do along a sequence, layer by layer."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from rnnjac._support.compiled import compiled
from rnnjac.cells import LSTMState, gates, output
from rnnjac.diagnosis.along import Samples
from rnnjac.diagnosis.recurrent import FIT

LSTM, GRU_AFTER, GRU_BEFORE = "lstm", "gru, reset after", "gru, reset before"


class Layer(NamedTuple):
    """Gates of one layer at some steps, and the ways that the leading gradient takes back.

    ``keep`` (samples, n) is the forget gate of an LSTM, the update gate of a GRU; ``paths`` gives
    for each path the mean square of the gradient that goes through it, as a part of all.
    """

    kind: str
    keep: np.ndarray
    paths: dict[str, float]


def layers(params: Any, samples: Samples) -> list[Layer]:
    """Readings of every layer that is such a cell; the paths of each add up to its Jacobian."""
    found, first = [], 0
    for kinds, weights, (before, _, arriving), x in _split(params, samples):
        size = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], before))[0].size
        block = samples.factors[:, first : first + size, first : first + size]
        first += size
        for kind in kinds:
            keep, shares, fits = _readings(weights, before, x, arriving, block, kind=kind)
            if fits:
                paths = {name: float(share) for name, share in shares.items()}
                found.append(Layer(kind, np.asarray(keep, float), paths))
                break
    return found


def _split(params: Any, samples: Samples) -> Iterator[tuple[tuple, Any, tuple, Any]]:
    """Kinds that may be, parameters, states and inputs of each layer of a stack, or of one cell."""
    states = samples.before, samples.after, samples.arriving
    stacked = type(params) is tuple and type(samples.before) is tuple
    if not stacked or len(params) != len(samples.before):
        yield _kinds(params, samples.before), params, states, samples.inputs
        return
    x = samples.inputs
    for number, weights in enumerate(params):
        own = tuple(state[number] for state in states)
        yield _kinds(weights, own[0]), weights, own, x
        x = jax.vmap(output)(own[1])


def _kinds(params: Any, state: Any) -> tuple[str, ...]:
    """What the names and shapes of the parameters allow."""
    names = set(params) if isinstance(params, dict) else set()
    rows = jnp.shape(params["W_h"])[0] if "W_h" in names else 0
    if names == {"W_x", "W_h", "b"} and isinstance(state, LSTMState):
        return (LSTM,) if rows == 4 * state.h.shape[-1] else ()
    if names == {"W_x", "W_h", "b_x", "b_h"} and jnp.ndim(state) == 2:
        return (GRU_AFTER, GRU_BEFORE) if rows == 3 * state.shape[-1] else ()
    return ()


@compiled("kind")
def _readings(
    params: Any, before: Any, x: Any, arriving: Any, factors: jax.Array, *, kind: str
) -> tuple[jax.Array, dict[str, jax.Array], jax.Array]:
    """Gates, shares of the paths, and whether the paths are those of the Jacobians at all."""
    split = {
        LSTM: gates.lstm_paths,
        GRU_AFTER: lambda *given: gates.gru_paths(*given, reset="after"),
        GRU_BEFORE: lambda *given: gates.gru_paths(*given, reset="before"),
    }[kind]
    paths = jax.vmap(split, (None, 0, None if x is None else 0))(params, before, x)
    back = jax.vmap(_lstm_back if kind == LSTM else _gru_back)(paths, arriving)
    powers = {name: jnp.mean(jnp.sum(part**2, axis=-1)) for name, part in back.items()}
    total = jnp.stack(list(powers.values())).sum()
    keep = jnp.diagonal(paths.carousel if kind == LSTM else paths.carry, axis1=1, axis2=2)
    missed = jnp.linalg.norm(paths.jacobian() - factors)
    fits = missed <= FIT * jnp.linalg.norm(factors)
    return keep, {name: power / total for name, power in powers.items()}, fits


def _lstm_back(paths: gates.LSTMPaths, arriving: LSTMState) -> dict[str, jax.Array]:
    """The gradient behind each path, before they are added up."""
    at_cell = arriving.c + arriving.h @ paths.readout
    return {
        "carousel": at_cell @ paths.carousel,
        "forget gate": at_cell @ paths.forget_gate,
        "input gate": at_cell @ paths.input_gate,
        "candidate": at_cell @ paths.candidate,
        "output gate": arriving.h @ paths.output_gate,
    }


def _gru_back(paths: gates.GRUPaths, arriving: jax.Array) -> dict[str, jax.Array]:
    named = {name.replace("_", " "): path for name, path in paths._asdict().items()}
    return {name: arriving @ path for name, path in named.items()}
