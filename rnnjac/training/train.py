"""A compiled optax loop: many seeds at once, metrics at intervals, and checkpoints."""

import math
import time
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from tqdm import tqdm

from rnnjac._support import checks
from rnnjac._support.progress import progress_bar
from rnnjac.training.checkpoint import load, restore, save
from rnnjac.training.program import Program, Seeds, build

Metrics = dict[str, np.ndarray]
# Time between two checkpoints, in units of what the last one took: they cost 5 % at most.
SPACING = 20


class Training(NamedTuple):
    """Outcome of `train`, with the seed as the leading axis of everything but ``at``.

    ``params`` as ``init`` gives them; ``metrics`` of shape (seeds, rows, ...); ``at`` (rows,), the
    updates made when each row was taken; ``diverged`` and ``solved`` (seeds,), updates made by
    then, or -1.
    """

    params: Any
    metrics: Metrics
    at: np.ndarray
    diverged: np.ndarray
    solved: np.ndarray


class _Log(NamedTuple):
    """What a run has found so far: rows of metrics, and when they were taken."""

    rows: Metrics
    at: np.ndarray
    solved: np.ndarray


def train(
    value_and_grad: Callable[[Any, Any], tuple[Any, Any]],
    init: Callable[[jax.Array], Any],
    sample: Callable[[jax.Array], Any],
    optimizer: optax.GradientTransformation,
    *,
    key: jax.Array,
    seeds: int,
    updates: int,
    every: int,
    measure: Callable[[Any, jax.Array], dict[str, jax.Array]] | None = None,
    solved: Callable[[dict[str, Any]], Any] | None = None,
    checkpoint: str | PathLike | None = None,
    progress: bool = True,
) -> Training:
    """Parameters trained from several starts side by side, with metrics along the way.

    Update u (from 0) of each seed draws ``batch = sample(key_u)`` and does

        value, gradient = value_and_grad(params, batch)
        change, memory = optimizer.update(gradient, memory, params)
        params = optax.apply_updates(params, change)

    Parameters
    ----------
    value_and_grad : callable
        ``(params, batch) -> (loss, gradient)``, or ``((loss, extra), gradient)`` with a dict
        ``extra`` of arrays: ``jax.value_and_grad`` of a loss, or `rnnjac.regularizers.with_omega`.
    init : callable
        ``init(key) -> params``, floating-point arrays.
    sample : callable
        ``sample(key) -> batch``.
    optimizer : optax.GradientTransformation
        Clipping belongs here: ``optax.chain(clip_at_threshold(1.0), optax.sgd(0.01))``.
    key : PRNG key
        All draws follow from it, the seed and the number of the update, whatever the optimizer:
        runs with one key have the same starts and batches.
    seeds : int >= 1
    updates : int >= 0
        A multiple of ``every``.
    every : int >= 1
        Updates in an interval.
    measure : callable, optional
        ``measure(params, key) -> dict`` of arrays, for one seed; taken at updates 0, every, 2
        every, ..., one seed after the other. `monitor` makes one.
    solved : callable, optional
        ``solved(metrics) -> bool`` from the metrics of one seed at one time. A solved seed stops;
        once none is left the loop ends.
    checkpoint : path, optional
        File to go on from, if it exists, and to write between intervals.
    progress : bool
        Whether to show a bar, on standard error, with the rate and the mean loss.

    Returns
    -------
    Training
        ``metrics`` has "loss", "gradient_norm" (as ``value_and_grad`` gives it) and the entries of
        ``extra``, means over the interval that ends at ``at``, "largest_norm" of the gradients in
        it, and what ``measure`` gives. The means are NaN in row 0 and where a seed made no update.
        ``solved``: updates made when ``solved`` first held. ``diverged``: updates made when a loss,
        a gradient or new parameters were first not finite; such a seed keeps the parameters it had
        before that update, and is not solved whatever is measured of them. -1 for neither.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range or a metric has two sources; if ``checkpoint`` is damaged or
        that of another run (the message names what differs).

    Notes
    -----
    Updates are compiled into one loop, seeds side by side. A run that is stopped at any moment,
    even by kill -9, goes on from its checkpoint to the same numbers bit for bit, on the same
    machine and versions. A checkpoint is known by its settings, its start and the compiled program
    of updates and measurements, not by ``solved`` and ``updates``: with more updates a run goes on.

    Examples
    --------
    >>> import optax
    >>> from jax import numpy as jnp
    >>> parabola = jax.value_and_grad(lambda params, target: (params - target) ** 2)
    >>> start, target = lambda key: jnp.zeros(()), lambda key: jnp.ones(())
    >>> found = train(parabola, start, target, optax.sgd(0.5), key=jax.random.key(0),
    ...               seeds=2, updates=2, every=1, progress=False)
    >>> found.params.tolist(), found.metrics["loss"][0].tolist()
    ([1.0, 1.0], [nan, 1.0, 0.0])
    """
    seeds = checks.integer("seeds", seeds, 1)
    every = checks.integer("every", every, 1)
    updates = checks.integer("updates", updates, 0)
    if updates % every:
        raise checks.error("updates", f"a multiple of every ({every})", updates)
    program = build(value_and_grad, init, sample, optimizer, measure, key, seeds, every)
    path = None if checkpoint is None else Path(checkpoint)
    state, log = _begin(program, path, updates, solved)
    written, cost = -math.inf, 0.0
    settings = {"unit": "update", "disable": not progress}
    with progress_bar(total=updates, initial=int(log.at[-1]), **settings) as bar:
        while (done := int(log.at[-1])) < updates and bool(state.active.any()):
            state, found = program.interval(state, done)
            found = {**found, **program.look(state.params, done + every)}
            log = _extended(log, jax.device_get(found), done + every, solved, state)
            state = _stopped(state, log)
            last = done + every == updates or not bool(state.active.any())
            if path and (last or time.monotonic() - written >= SPACING * cost):
                begun = time.monotonic()
                _save(path, program, state, log)
                written = time.monotonic()
                cost = written - begun
            _show(bar, every, log, state)
    metrics = {name: np.moveaxis(rows, 0, 1) for name, rows in log.rows.items()}
    return Training(state.params, metrics, log.at, np.asarray(state.diverged), log.solved)


def _begin(
    program: Program, path: Path | None, updates: int, solved: Callable | None
) -> tuple[Seeds, _Log]:
    """Where the checkpoint left off, or the start with its row of metrics."""
    saved = None if path is None else load(path)
    if saved is None:
        state = program.start
        row = {**program.blank, **program.look(state.params, 0)}
        empty = {name: np.zeros((0, *a.shape), a.dtype) for name, a in row.items()}
        nobody = np.full(state.diverged.shape, -1, np.int32)
        log = _Log(empty, np.zeros(0, np.int64), nobody)
        log = _extended(log, jax.device_get(row), 0, solved, state)
        return _stopped(state, log), log
    entries, facts = saved
    _same_run(path, facts.get("fingerprint", {}), program.fingerprint)
    rows = {name: entries[f"metrics/{i}"] for i, name in enumerate(facts["metrics"])}
    log = _Log(rows, entries["at/0"], entries["solved/0"])
    if log.at[-1] > updates:
        raise checks.error("updates", f"at least {log.at[-1]}, those of {path}", updates)
    return restore("state", entries, program.start), log


def _same_run(path: Path | None, saved: dict[str, Any], own: dict[str, Any]) -> None:
    def shown(name: str) -> str:
        long = name in ("start", "update", "measure")
        return name if long else f"{name} ({saved.get(name)} there, {own[name]} here)"

    differ = [shown(name) for name in own if saved.get(name) != own[name]]
    if differ:
        got = f"{path}, of a run with another {', '.join(differ)}"
        raise checks.error("checkpoint", "a file of the same run", got)


def _save(path: Path, program: Program, state: Seeds, log: _Log) -> None:
    trees = {
        "state": state,
        "metrics": list(log.rows.values()),
        "at": log.at,
        "solved": log.solved,
    }
    facts = {"fingerprint": program.fingerprint, "metrics": list(log.rows)}
    save(path, trees, facts)


def _extended(log: _Log, row: Metrics, at: int, solved: Callable | None, state: Seeds) -> _Log:
    """The log with one row more, whose arrays have the seed as axis 0."""
    rows = {name: np.concatenate([log.rows[name], row[name][None]]) for name in log.rows}
    when = log.solved
    if solved is not None:
        holds = [bool(solved({n: a[i] for n, a in row.items()})) for i in range(when.size)]
        # inactive: solved before, or diverged and so not to be counted as solved any more
        when = np.where(np.asarray(state.active) & holds, at, when).astype(when.dtype)
    return _Log(rows, np.append(log.at, at), when)


def _stopped(state: Seeds, log: _Log) -> Seeds:
    return state._replace(active=state.active & (log.solved < 0))


def _show(bar: tqdm, every: int, log: _Log, state: Seeds) -> None:
    running = log.rows["loss"][-1][~np.isnan(log.rows["loss"][-1])]
    text = f"loss {running.mean():.3g}" if running.size else "stopped"
    for word, count in (("solved", log.solved >= 0), ("diverged", np.asarray(state.diverged) >= 0)):
        text += f", {count.sum()} {word}" if count.any() else ""
    bar.set_postfix_str(text, refresh=False)
    bar.update(every)
