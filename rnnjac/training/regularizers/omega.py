"""Pascanu's Omega: a penalty on gradients that change their norm from step to step."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import activations
from rnnjac._support import checks
from rnnjac._support.compiled import compiled

FORMS = ("icml_eq_9", "icml_eq_10", "public_code")
LEAST_SQUARE = 1e-20  # the public code leaves out cotangents whose squared norm is below this


@compiled("form")
def pascanu_omega(
    recurrent: jax.Array, slopes: jax.Array, cotangents: jax.Array, *, form: str
) -> jax.Array:
    """Penalty on gradients that change their norm from one step to the next.

    With d_t = dE/dS_t (a row) and J_t = diag(phi'(a_t)) W, the cotangent one step earlier is d_t
    J_t, apart from what E takes from S_{t-1} itself. Over the T steps of a sequence,

        icml_eq_9     Omega = sum_t (|d_t J_t| / |d_t| - 1)^2
        icml_eq_10    Omega = sum_t (|d_t J_t|^2 / |d_t|^2 - 1)^2
        public_code   as icml_eq_10, leaving out |d_t|^2 < 1e-20, and divided by the number of
                      the steps that are left

    and the mean over sequences; for the public code, the mean over all steps left in all of them.

    Parameters
    ----------
    recurrent : (n, n) array W
    slopes : (..., T, n) array
        phi'(a_t) at t = 1..T, with a_t the argument of the activation that gave S_t.
    cotangents : (..., T, n) array
        d_t at t = 1..T. Leading axes are sequences.
    form : "icml_eq_9", "icml_eq_10" or "public_code"

    Returns
    -------
    () array, >= 0. A zero cotangent adds nothing, to value and derivative; 0 if all are zero or
    T = 0.

    Raises
    ------
    ValueError, TypeError
        If the shapes do not agree, or ``form`` is unknown.

    Notes
    -----
    Only ``recurrent`` has a derivative, at fixed slopes and cotangents: the immediate path, as in
    the paper. Cotangents are those of S_t, as in its code; its x_t is the argument a_t. O(T n^2)
    work per sequence. In forms 9 and 10 cotangents of any size count alike; a cotangent that is
    carried to exactly zero has derivative 0 in form 9.

    References
    ----------
    Pascanu, Mikolov, Bengio (2013), eqs. (9) and (10), and the code they published with it.

    Examples
    --------
    >>> one = jnp.ones((1, 1))
    >>> float(pascanu_omega(3 * one, one, one, form="icml_eq_9"))
    4.0
    """
    checks.one_of("form", form, FORMS)
    recurrent = checks.matrix("recurrent", recurrent, square=True)
    n = recurrent.shape[0]
    for name, rows in (("slopes", slopes), ("cotangents", cotangents)):
        if jnp.ndim(rows) < 2 or jnp.shape(rows)[-1] != n:
            raise checks.error(name, f"shape (..., T, {n})", f"shape {jnp.shape(rows)}")
    if jnp.shape(slopes) != jnp.shape(cotangents):
        expected = f"shape {jnp.shape(slopes)}, that of slopes"
        raise checks.error("cotangents", expected, f"shape {jnp.shape(cotangents)}")
    return _omega(recurrent, slopes, cotangents, form, math.prod(jnp.shape(slopes)[:-2]))


def _omega(
    recurrent: jax.Array, slopes: jax.Array, cotangents: jax.Array, form: str, sequences: int
) -> jax.Array:
    """`pascanu_omega` of rows in any order, from so many sequences."""
    slopes, cotangents = jax.lax.stop_gradient((slopes, cotangents))
    # Ratios do not depend on the scale: without it the squares of small cotangents do not vanish.
    scale = jnp.max(jnp.abs(cotangents), axis=-1, keepdims=True)
    alive = scale[..., 0] > 0
    unit = cotangents / jnp.where(scale > 0, scale, 1)
    before = jnp.sum(jnp.square(unit), axis=-1)
    after = jnp.sum(jnp.square((unit * slopes) @ recurrent), axis=-1)
    ratio = after / jnp.where(alive, before, 1)
    if form == "public_code":
        alive = jnp.square(scale[..., 0]) * before >= LEAST_SQUARE
    if form == "icml_eq_9":  # the root has no derivative at 0
        ratio = jnp.where(ratio > 0, jnp.sqrt(jnp.where(ratio > 0, ratio, 1)), 0)
    total = jnp.sum(jnp.where(alive, jnp.square(ratio - 1), 0))
    if form == "public_code":
        return total / jnp.maximum(jnp.sum(alive.astype(total.dtype)), 1)
    return total / sequences


def with_omega(
    loss: Callable[[Any, jax.Array, Any], jax.Array],
    *,
    weight: float | None,
    form: str = "public_code",
    activation: str | activations.Activation = "tanh",
) -> Callable[[Any, Any], tuple[tuple[jax.Array, dict[str, jax.Array]], Any]]:
    """Value and gradient of a loss on the states of an Elman network, Omega's gradient added.

    ``dE/dtheta + weight dOmega/dW_s``, with E the mean of ``loss`` over a batch and Omega as in
    `pascanu_omega`. In an optax loop it takes the place of
    ``jax.value_and_grad(..., has_aux=True)``:

        value_and_grad = with_omega(loss, weight=2.0)
        (value, extra), gradient = value_and_grad(params, batch)

    Parameters
    ----------
    loss : callable
        ``loss(params, states, example) -> ()`` for one sequence. ``states`` of shape (T + 1, n)
        are S_0 = 0 to S_T, ``example`` is one of the batch.
    weight : float >= 0, or None
        Of Omega. 0 reports Omega only; None leaves it out altogether, which is faster.
    form : "icml_eq_9", "icml_eq_10" or "public_code"
    activation : name in ``rnnjac.activations.ACTIVATIONS``, or elementwise callable
        Of the network.

    Returns
    -------
    callable
        ``value_and_grad(params, batch) -> ((E, extra), gradient)``. ``params`` is a dict whose
        entry "cell" holds the parameters of `rnnjac.cells.elman` (in its "state" form: S_t =
        phi(W_x X_t + W_s S_{t-1} + b)); all else in it is for ``loss``. ``batch`` is any pytree
        with an attribute ``inputs`` of shape (batch, T, inputs), all its leaves with the batch as
        axis 0. ``extra`` is {"omega": ()}, or {} without a weight.

    Raises
    ------
    ValueError
        If ``weight`` is negative or not finite, or ``form`` or ``activation`` is unknown.

    Notes
    -----
    One pass forward and one back, whatever the loss reads: the pass back gives dE/dS_t at all
    t, which Omega needs. Omega adds two products of (batch T, n) and (n, n) matrices. All products
    are in full precision, those of ``loss`` too.

    References
    ----------
    Pascanu, Mikolov, Bengio (2013), section 3.3.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> class Batch(NamedTuple):
    ...     inputs: jax.Array
    >>> cell = {"W_x": jnp.ones((1, 1)), "W_s": jnp.full((1, 1), 3.0), "b": jnp.zeros(1)}
    >>> last = lambda params, states, example: states[-1, 0]
    >>> value_and_grad = with_omega(last, weight=1.0, form="icml_eq_10", activation="identity")
    >>> (value, extra), gradient = value_and_grad({"cell": cell}, Batch(jnp.ones((1, 2, 1))))
    >>> float(value), float(extra["omega"])
    (4.0, 128.0)
    """
    checks.one_of("form", form, FORMS)
    if weight is not None and (isinstance(weight, bool) or not 0 <= weight < float("inf")):
        raise checks.error("weight", "None or a finite number >= 0", weight)
    phi = activations.get(activation)

    @compiled()
    def value_and_grad(params: Any, batch: Any) -> tuple[tuple[jax.Array, dict], Any]:
        cell = params["cell"]
        inputs = jnp.swapaxes(batch.inputs, 0, 1)
        states, slopes = _forward(phi, cell, inputs)

        def error(params: Any, states: jax.Array) -> jax.Array:
            return jnp.mean(jax.vmap(loss, (None, 1, 0))(params, states, batch))

        value, (direct, arriving) = jax.value_and_grad(error, (0, 1))(params, states)
        cotangents, gradient = _backward(cell, inputs, states, slopes, arriving)
        extra = {}
        if weight is not None:
            sequences = inputs.shape[1]
            extra["omega"], slope = jax.value_and_grad(_omega)(
                cell["W_s"], slopes, cotangents, form, sequences
            )
            gradient["W_s"] = gradient["W_s"] + weight * slope
        whole = jax.tree.map(jnp.add, direct["cell"], gradient)
        return (value, extra), {**direct, "cell": whole}

    return value_and_grad


def _forward(
    phi: activations.Activation, cell: dict[str, jax.Array], inputs: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """States (T + 1, batch, n) and slopes phi'(a_t) (T, batch, n) for inputs (T, batch, ...)."""
    drive = inputs @ cell["W_x"].T + cell["b"][None, None]
    start = jnp.zeros_like(drive, shape=drive.shape[1:])

    def one(state: jax.Array, drive: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        argument = state @ cell["W_s"].T + drive
        state = phi(argument)
        return state, (state, argument)

    _, (states, arguments) = jax.lax.scan(one, start, drive)
    slopes = jax.jvp(phi, (arguments,), (jnp.ones_like(arguments),))[1]
    return jnp.concatenate([start[None], states]), slopes


def _backward(
    cell: dict[str, jax.Array],
    inputs: jax.Array,
    states: jax.Array,
    slopes: jax.Array,
    arriving: jax.Array,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Cotangents d_t (T, batch, n) and the gradient that reaches the cell through the states.

    d_t = arriving_t + (d_{t+1} phi'(a_{t+1})) W_s, and dE/dW_s = sum_t (d_t phi'(a_t))^T S_{t-1}:
    summing after the scan is one large product in place of T small ones.
    """

    def one(later: jax.Array, at: tuple) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        arriving, slope = at
        cotangent = arriving + later
        inner = cotangent * slope
        return inner @ cell["W_s"], (cotangent, inner)

    zero = jnp.zeros_like(arriving[0])
    _, (cotangents, inner) = jax.lax.scan(one, zero, (arriving[1:], slopes), reverse=True)

    def summed(right: jax.Array) -> jax.Array:
        return jnp.tensordot(inner, right, ((0, 1), (0, 1)))

    gradient = {"W_s": summed(states[:-1]), "W_x": summed(inputs), "b": jnp.sum(inner, (0, 1))}
    return cotangents, gradient
