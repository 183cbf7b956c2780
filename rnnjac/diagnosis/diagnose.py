"""The answer in one call: what a network does to gradients, why, and what to change."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from rnnjac._support import checks
from rnnjac._support.progress import progress_bar
from rnnjac.diagnosis import gated, recurrent, rules
from rnnjac.diagnosis.along import along, floating_leaves
from rnnjac.diagnosis.assemble import Measured, assembled
from rnnjac.diagnosis.result import Diagnosis
from rnnjac.diagnosis.rounded_gradient import Gradient, rounded_gradient
from rnnjac.measures.spectrum import spectrum
from rnnjac.system.dynamics import Step, number_of_steps


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
    if loss is not None:
        _check_loss(loss, state, sequences[0].number is not None)
    shown = progress_bar(sequences, unit="sequence", disable=len(sequences) == 1)
    found = [_measured(step, params, state, one, loss) for one in shown]
    dtype = str(jnp.result_type(jax.tree.leaves(state)[0]))
    return rules.with_findings(assembled(found, dtype, loss is not None))


class _Sequence(NamedTuple):
    """Inputs, how many of their steps count, number in a batch, and length where without inputs."""

    inputs: Any
    steps: int
    number: int | None
    length: int | None


def _sequences(inputs: Any, lengths: Any) -> Iterator[_Sequence]:
    """The sequences that are meant, after checking them."""
    if not jax.tree.leaves(inputs):
        if lengths is None:
            raise checks.error("lengths", "a number of steps when inputs is None", None)
        count = checks.integer("lengths", lengths, 1)
        yield _Sequence(None, count, None, count)
    elif lengths is None:
        count = number_of_steps(inputs, None)
        if not count:
            raise checks.error("inputs", "at least one step", "no rows")
        yield _Sequence(inputs, count, None, None)
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
            one = jax.tree.map(lambda leaf, b=place: jnp.asarray(leaf)[b], inputs)
            yield _Sequence(one, count, place, None)


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
    step: Step, params: Any, state: Any, sequence: _Sequence, loss: Callable | None
) -> Measured:
    """Everything that is measured along one sequence, on the host."""
    inputs, steps, number, length = sequence
    number = None if number is None else jnp.asarray(number)
    span = (jnp.asarray(steps), number)
    found = spectrum(step, params, state, inputs, length=length, at=[steps])
    curves = along(step, params, state, inputs, *span, length=length, loss=loss)

    def gradient(given: tuple, noise: float = 0.0, coarse: bool = False) -> Gradient:
        *system, cotangent = given
        more = (*span, cotangent, noise, coarse)
        return rounded_gradient(step, *system, *more, length=length, loss=loss)

    given = (params, state, inputs, curves.leading)
    exact, in_bfloat16 = gradient(given), gradient(given, coarse=True)
    # half of that, rounding's own size, would often be rounded away again
    unit = float(jnp.finfo(curves.leading.dtype).eps)
    other = _in_float64(gradient, given)
    other = gradient(given, noise=unit) if other is None else other
    return Measured(
        steps=steps,
        logs=np.asarray(found.log_singular_values[0], float),
        error=np.asarray(found.error[0], float),
        growth=np.asarray(curves.growth, float),
        gradients=np.asarray(curves.gradients, float),
        sizes=np.asarray(curves.sizes, float),
        rows=np.asarray(curves.rows),
        columns=np.asarray(curves.columns),
        recurrence=recurrent.recognised(params, curves.samples),
        layers=gated.layers(params, curves.samples),
        log_norm=float(exact.log_norm),
        digits=_digits(other, exact, unit),
        coarse_digits=_digits(in_bfloat16, exact, unit),
    )


def _in_float64(gradient: Callable, given: tuple) -> Gradient | None:
    """The gradient in float64 where that is on and not in use; None if the step cannot do it."""
    if jnp.result_type(float) != jnp.float64 or given[-1].dtype == jnp.float64:
        return None
    wide = []
    for value in given:
        leaves, rebuilt = floating_leaves(value)
        wide.append(rebuilt([leaf.astype(jnp.float64) for leaf in leaves]))
    try:
        return gradient(tuple(wide))
    except (TypeError, ValueError):  # a step that has float32 written into it
        return None


def _digits(other: Gradient, exact: Gradient, unit: float) -> float:
    """Decimal digits to which two gradients agree, at most those of the dtype."""
    logs = float(other.log_norm), float(exact.log_norm)
    if not all(map(math.isfinite, logs)):  # gone, in both or in one; or NaN
        return -math.log10(unit) if logs[0] == logs[1] else 0.0
    size = math.exp(min(logs[0] - logs[1], 100.0))  # far above 1, no digit is left anyway
    directions = (np.asarray(each.direction, float) for each in (other, exact))
    distance = float(np.linalg.norm(size * next(directions) - next(directions)))
    return max(0.0, -math.log10(max(distance, unit)))
