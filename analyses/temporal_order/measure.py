"""Gradients, spectra and reach of networks before and after training, solved or not."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

import rnnjac
from analyses.temporal_order import networks

SEED = 1  # of the sequences looked at
MULTIPLES = (1, 2, 4, 10)  # of the length of training: where networks that solved it are tested


class Effort(NamedTuple):
    """How many fresh sequences each network is looked at with."""

    tested: int
    watched: int  # for gradients
    spectra: int  # of those, for spectra


def look(
    cell: rnnjac.cells.Cell, length: int, effort: Effort, key: jax.Array
) -> Callable[[Any], dict[str, jax.Array]]:
    """Compiled measurement of one network.

    "profile" (length + 1,): mean log norm of the gradient with respect to every state, less that of
    the last; "marker": the same for the state that has just read the first marker, and "lag", the
    mean number of steps from there to the end; "spectrum" (n,): mean log singular values of the
    product over a whole sequence, and "spectrum_error", the largest of their errors; "radius".
    """

    def measure(params: dict[str, Any]) -> dict[str, jax.Array]:
        seen = networks.batch(key, length, effort.watched)
        weights, start = params["cell"], cell.initial_state()
        logs = jax.vmap(lambda one: networks.gradient(cell, params, one))(seen)
        spectra = jax.lax.map(
            lambda inputs: rnnjac.spectrum(cell.step, weights, start, inputs),
            seen.inputs[: effort.spectra],
        )
        return {
            "profile": logs.mean(0),
            "marker": jax.vmap(networks.at_marker)(logs, seen).mean(),
            "lag": (length - 1 - seen.positions[:, 0]).mean(dtype=logs.dtype),
            "spectrum": spectra.log_singular_values.mean(0),
            "spectrum_error": spectra.error.max(),
            "radius": rnnjac.spectral_radius(weights["W_s"]),
        }

    return jax.jit(measure)


def reach(
    cell: rnnjac.cells.Cell, length: int, effort: Effort, key: jax.Array
) -> Callable[[Any], dict[str, jax.Array]]:
    """Compiled test of one network at some length: "error", and the gradient at the "marker".

    A network that has clearly not learned this length is not tested on all sequences.
    """

    def measure(params: dict[str, Any]) -> dict[str, jax.Array]:
        for_error, for_gradient = jax.random.split(key)
        seen = networks.batch(for_gradient, length, effort.watched)
        logs = jax.vmap(lambda one: networks.gradient(cell, params, one))(seen)
        return {
            "error": networks.error(
                cell, params, for_error, length, effort.tested, networks.FAILED
            ),
            "marker": jax.vmap(networks.at_marker)(logs, seen).mean(),
        }

    return jax.jit(measure)


@functools.cache
def _tools(activation: str, hidden: int, length: int, effort: Effort) -> tuple[Callable, list]:
    """`look` at a length and `reach` at its multiples, the same sequences for every network."""
    cell = networks.network(activation, hidden)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(SEED), length), 1 + len(MULTIPLES))
    tests = [
        reach(cell, multiple * length, effort, key)
        for multiple, key in zip(MULTIPLES, keys[1:], strict=True)
    ]
    return look(cell, length, effort, keys[0]), tests


def before(
    params: Any, activation: str, hidden: int, length: int, effort: Effort, longest: int
) -> dict[str, np.ndarray]:
    """`look` at networks stacked along axis 0; profiles are filled up with NaN to ``longest``."""
    seen, _ = _tools(activation, hidden, length, effort)
    rows = [jax.device_get(seen(one)) for one in _unstacked(params)]
    for row in rows:
        room = np.full(longest - length, np.nan, row["profile"].dtype)
        row["profile"] = np.concatenate([row["profile"][::-1], room])  # by lag, from the last state
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def after(
    params: Any,
    solved: np.ndarray,
    activation: str,
    hidden: int,
    length: int,
    effort: Effort,
    longest: int,
) -> dict[str, np.ndarray]:
    """As `before`, and "reach_error" and "reach_marker" (seeds, multiples) of networks that solved.

    The others are tested at the length of training alone; the rest is NaN.
    """
    found = before(params, activation, hidden, length, effort, longest)
    _, tests = _tools(activation, hidden, length, effort)
    rows = []
    for one, good in zip(_unstacked(params), solved, strict=True):
        seen = [jax.device_get(test(one)) for test in tests[: None if good else 1]]
        row = np.full((2, len(tests)), np.nan, found["marker"].dtype)
        row[:, : len(seen)] = [[s[name] for s in seen] for name in ("error", "marker")]
        rows.append(row)
    error, marker = np.stack(rows, axis=1)
    return {**found, "reach_error": error, "reach_marker": marker}


def _unstacked(params: Any) -> list[Any]:
    count = jax.tree.leaves(params)[0].shape[0]
    return [jax.tree.map(lambda a, i=i: a[i], params) for i in range(count)]
