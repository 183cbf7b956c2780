"""The answer in one call: what a network does to gradients, why, and what to change."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac.diagnosis import gated, recurrent, rules
from rnnjac.diagnosis.along import along, floating_leaves
from rnnjac.diagnosis.assemble import Measured, assembled
from rnnjac.diagnosis.result import Diagnosis
from rnnjac.diagnosis.rounded_gradient import Gradient, rounded_gradient
from rnnjac.measures.spectrum import spectrum
from rnnjac.system.dynamics import Step, bind, number_of_steps


def diagnose(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any = None,
    *,
    loss: Callable | None = None,
    lengths: Any = None,
) -> Diagnosis:
    """What a recurrent network does to its gradients, with at most five findings.

    Rates and their errors, memory horizons, exploding sequences and where to clip them, the
    conditions of Pascanu et al., transients, saturated and dead units, lost directions, gates, and
    the digits that survive: measured, not guessed from the weights. Each finding says what was
    seen, the figure, what to change, and the source; a healthy network has none.

    Parameters
    ----------
    step, params, state
        As for `trajectory`; every sequence starts in the same state.
    inputs : pytree, optional
        One sequence, leaves of shape (T, ...); with ``lengths``, a batch of B, (B, T, ...). None
        for an autonomous network, ``lengths`` its number of steps.
    loss : callable, optional
        ``loss(state) -> scalar`` of the last state; of a batch ``loss(state, b)``, with b the
        number of the sequence, so that ``targets[b]`` can be read.
    lengths : int or sequence of B ints, optional
        How many steps each sequence of a batch has, 1 to T; what follows is padding. One number
        stands for all of them.

    Returns
    -------
    Diagnosis
        ``print(d)`` shows a table, ``d.plot()`` a figure, ``d.save(path)`` writes a page,
        ``d.to_dict()`` gives plain numbers, ``d.findings`` the findings, the first one first.

    Raises
    ------
    ValueError, TypeError
        As `trajectory`; if ``lengths`` are no integers, too many or few, or beyond the inputs; if
        ``loss`` does not return a real scalar; if there is no step, or an argument is traced.

    Notes
    -----
    Per sequence the work of `spectrum`, once more O(n^3) a step for curves and Jacobians, and three
    backward passes for the digits. Sequences of all lengths share four compiled programs; a new
    ``loss`` function is compiled anew, so define it once. The network is found in ``params`` and in
    its Jacobians, whatever the step: a matrix W for which they are diag(d) W or W diag(d) (with a
    leak, too) is the recurrent one, and gates are read for the LSTM and GRU of `rnnjac.cells`. What
    is not known is None. A leading gradient that is less than a thousandth after the whole sequence
    counts as vanishing, one that is above a thousand as exploding: ask with the lengths you train.

    References
    ----------
    Pascanu, Mikolov & Bengio (2013); for each finding its own.

    Examples
    --------
    >>> weak = diagnose(lambda p, s, x: p @ s, 0.5 * jnp.eye(3), jnp.ones(3), lengths=40)
    >>> [finding.name for finding in weak.findings], weak.horizon.leading
    (['small weights'], 1)
    """
    for name, value in {"params": params, "state": state, "inputs": inputs}.items():
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value)):
            wanted = "known values (a diagnosis is for people, not to be traced)"
            raise checks.error(name, wanted, "a traced array", TypeError)
    sequences = list(_sequences(inputs, lengths))
    batch = lengths is not None and inputs is not None
    if loss is not None:
        _check_loss(loss, state, batch)
    found = [_measured(step, params, state, *one, loss, batch) for one in sequences]
    dtype = str(jnp.result_type(jax.tree.leaves(state)[0]))
    return rules.with_findings(assembled(found, dtype, loss is not None))


def _sequences(inputs: Any, lengths: Any) -> Iterator[tuple[Any, int, int, int | None]]:
    """Inputs, number of steps, place in the batch, and length without inputs, of each sequence."""
    if not jax.tree.leaves(inputs):
        if lengths is None:
            raise checks.error("lengths", "a number of steps when inputs is None", None)
        count = checks.integer("lengths", lengths, 1)
        yield None, count, 0, count
    elif lengths is None:
        count = number_of_steps(inputs, None)
        if not count:
            raise checks.error("inputs", "at least one step", "no rows")
        yield inputs, count, 0, None
    else:
        shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(inputs)]
        sizes = sorted({shape[:2] for shape in shapes})
        if len(sizes) > 1 or len(sizes[0]) < 2 or not all(sizes[0]):
            wanted = "leaves of shape (B, T, ...), as lengths are given"
            raise checks.error("inputs", wanted, f"shapes {shapes}")
        (batch, most), counts = sizes[0], _counts(lengths)
        counts = counts * batch if np.ndim(lengths) == 0 else counts
        if len(counts) != batch:
            raise checks.error("lengths", f"one number for each of {batch} sequences", len(counts))
        for place, count in enumerate(counts):
            count = checks.integer("lengths", count, 1, most)
            yield jax.tree.map(lambda leaf, b=place: leaf[b], inputs), count, place, None


def _counts(lengths: Any) -> list:
    """``lengths`` as a list of Python numbers, one if it is a single one."""
    values = np.asarray(lengths)
    if values.ndim > 1 or not np.issubdtype(values.dtype, np.integer):
        wanted = "an integer, or one for each sequence"
        raise checks.error("lengths", wanted, checks.describe(lengths), TypeError)
    return values.ravel().tolist()


def _check_loss(loss: Callable, state: Any, batch: bool) -> None:
    if not callable(loss):
        raise checks.error("loss", "a function of the last state", checks.describe(loss), TypeError)
    numbers = (jnp.zeros((), jnp.int32),) if batch else ()
    found = jax.eval_shape(loss, state, *numbers)
    real = hasattr(found, "dtype") and jnp.issubdtype(found.dtype, jnp.floating)
    if not real or found.shape:
        shown = f"shape {found.shape} and dtype {found.dtype}" if hasattr(found, "dtype") else found
        raise checks.error("loss", "a real scalar", shown)


def _measured(
    step: Step,
    params: Any,
    state: Any,
    inputs: Any,
    steps: int,
    place: int,
    length: int | None,
    loss: Callable | None,
    batch: bool,
) -> Measured:
    end, number = jnp.asarray(steps), jnp.asarray(place) if batch else None
    found = spectrum(step, params, state, inputs, length=length, at=[steps])
    curves = along(step, params, state, inputs, end, number, length=length, loss=loss)

    def gradient(noise: float, coarse: bool, *arguments: Any) -> Gradient:
        *arguments, cotangent = arguments or (params, state, inputs, curves.leading)
        given = (*arguments, end, number, cotangent, noise, coarse)
        return rounded_gradient(step, *given, length=length, loss=loss)

    exact, coarse = gradient(0.0, False), gradient(0.0, True)
    # half of that, rounding's own size, would often be rounded away again
    unit = float(jnp.finfo(curves.leading.dtype).eps)
    other = _in_float64(gradient, params, state, inputs, curves.leading)
    other = gradient(unit, False) if other is None else other
    sampled = curves.samples
    plain = len(jax.tree.leaves(state)) == 1 and jnp.ndim(jax.tree.leaves(state)[0]) == 1
    recurrence = None
    if plain:
        states = (jax.tree.leaves(a)[0] for a in (sampled.before, sampled.after))
        recurrence = recurrent.recognised(params, sampled.factors, *states)
    layers = gated.layers(params, sampled)
    logs, error = (np.asarray(a[0], float) for a in found[:2])
    host = (np.asarray(a, float) for a in curves[:3])
    return Measured(
        *(steps, logs, error, *host, np.asarray(curves.rows), np.asarray(curves.columns)),
        *(recurrence, layers, float(exact.log_norm)),
        *(_digits(other, exact, unit), _digits(coarse, exact, unit)),
    )


def _in_float64(gradient: Callable, *arguments: Any) -> Gradient | None:
    """The gradient in float64 where that is on and not in use; None if the step cannot do it."""
    params, state, inputs, cotangent = arguments
    if not jax.config.jax_enable_x64 or cotangent.dtype == jnp.float64:
        return None
    wide = []
    for value in (params, state, inputs, cotangent):
        leaves, rebuilt = floating_leaves(value)
        wide.append(rebuilt([leaf.astype(jnp.float64) for leaf in leaves]))
    try:
        return gradient(0.0, False, *wide)
    except (TypeError, ValueError):  # a step that has float32 written into it
        return None


def _digits(other: Gradient, exact: Gradient, unit: float) -> float:
    """Decimal digits to which two gradients agree, at most those of the dtype."""
    change = np.exp(float(other.log_norm) - float(exact.log_norm)) if _alive(other, exact) else 1.0
    directions = (np.asarray(each.direction, float) for each in (other, exact))
    left, right = directions
    distance = float(np.linalg.norm(min(change, 1e9) * left - right))
    if math.isnan(distance):
        return 0.0
    return max(0.0, -math.log10(max(distance, unit)))


def _alive(*gradients: Gradient) -> bool:
    return all(math.isfinite(float(each.log_norm)) for each in gradients)
