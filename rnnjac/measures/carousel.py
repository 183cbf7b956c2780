"""How far back the cell state of an LSTM is felt: three answers, one of them exact."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac import activations
from rnnjac._support import checks
from rnnjac._support.compiled import compiled
from rnnjac._support.summary import counted, shown, summary
from rnnjac.cells import LSTMState, lstm
from rnnjac.cells.gates import lstm_arguments, lstm_paths
from rnnjac.system.dynamics import bind


class ScaledMatrix(NamedTuple):
    """Matrices of any range, ``e^log_norm * direction``.

    ``log_norm`` (T,) is the log of the Frobenius norm, -inf for a zero matrix; ``direction``
    (T, n, n) has norm 1, or 0.
    """

    log_norm: jax.Array
    direction: jax.Array


class CarouselProducts(NamedTuple):
    """dC_t/dC_k and two approximations of it, row j for the lag t - k = j.

    ``exact``, ``four_term`` (products of G) and ``forget_only`` (products of diag(f)) are each a
    `ScaledMatrix` of T rows; the last two fields, (T,), are logs of the relative errors in the
    Frobenius norm: -inf where equal, +inf or NaN where the exact one is zero.
    """

    exact: ScaledMatrix
    four_term: ScaledMatrix
    forget_only: ScaledMatrix
    four_term_log_error: jax.Array
    forget_only_log_error: jax.Array

    def __repr__(self) -> str:
        """Some lines to read, in place of the arrays."""
        return shown(self, _lines)


def _lines(found: CarouselProducts) -> str:
    """The longest lag of all."""
    norm, four, forget = (
        np.asarray(field, float).ravel()[-1]
        for field in (found.exact.log_norm, found.four_term_log_error, found.forget_only_log_error)
    )
    lags = counted(found.exact.log_norm.shape[-1], "lag", "lags")
    return summary(
        f"CarouselProducts: {lags}; the last one:",
        {
            "exact": f"log norm {norm:.4g}",
            "four terms": f"relative error e^{four:.4g}",
            "forget only": f"relative error e^{forget:.4g}",
        },
    )


@compiled("length")
def carousel_products(
    params: Any, state: LSTMState, inputs: Any = None, *, length: int | None = None
) -> CarouselProducts:
    """Exact derivative of an LSTM cell state by an earlier one, and what is often quoted for it.

    For k = 1, the state after the first step, with h_k = o_k tanh(C_k) and o_k held constant,

        exact        dC_t/dC_k = [I 0] J_t ... J_{k+1} [I; diag(o_k (1 - tanh(C_k)^2))]
        four-term    G_t ... G_{k+1},    G_j = diag(f_j) + A_j diag(o_{j-1} (1 - tanh(C_{j-1})^2))
        forget-only  diag(f_t) ... diag(f_{k+1})

    with J the Jacobians of the whole state (C, h) and A_j = dC_j/dh_{j-1}. For another k, start
    from the state at time k - 1.

    Parameters
    ----------
    params : dict
        Of ``cells.lstm(...)`` without peepholes, with separate input and forget gates.
    state : LSTMState
        State at time 0, shape (n,) each.
    inputs : array of shape (T, inputs), optional
        None for an autonomous network.
    length : int, optional
        Number of steps T >= 1; needed when ``inputs`` is None.

    Returns
    -------
    CarouselProducts
        T rows; row j is for t = 1 + j, so row 0 holds three identity matrices.

    Raises
    ------
    TypeError, ValueError
        If the parameters are those of another cell, or there is no step; else as
        `rnnjac.trajectory`.

    Notes
    -----
    O(T n^3) time and O(T n^2) memory. Products are rescaled at every step, so that no lag under-
    or overflows; each direction is right to about eps times the product's own growth of errors.
    The four-term product is exact over one step and for any lag when the output gate does not see h
    (U_o = 0).

    Examples
    --------
    >>> from rnnjac import cells
    >>> cell = cells.lstm(0, 1)
    >>> params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0)))
    >>> products = carousel_products(params, cell.initial_state(), length=3)
    >>> jnp.exp(products.exact.log_norm).round(4).tolist()  # halved at each step
    [1.0, 0.5, 0.25]
    """
    n = state.c.shape[0]
    lstm_arguments(params, state, None)  # refuses the parameters of another cell
    step = lstm(params["W_x"].shape[1], n).step
    system = bind(step, params, state, inputs, length)
    if system.length == 0:
        raise checks.error("inputs", "at least one step", "none")
    params, rows = system.params, system.inputs

    def one(carry, x):
        state, earlier, (C, H, log_exact), (G, log_four), log_f = carry
        paths = lstm_paths(params, state, x)
        C_next = paths.carousel @ C + paths.from_output() @ H
        H_next = jnp.diagonal(paths.readout)[:, None] * C_next + paths.output_gate @ H
        (C, H), log_exact = _rescaled((C_next, H_next), log_exact)
        (G,), log_four = _rescaled((paths.cell_to_cell(earlier) @ G,), log_four)
        # log sigmoid(a) = -softplus(-a), finite where sigmoid(a) underflows
        log_f = log_f - activations.softplus(-lstm_arguments(params, state, x)[1])
        carry = step(params, state, x), paths, (C, H, log_exact), (G, log_four), log_f
        return carry, _row(*carry[2:])

    start = system.form.unravel(system.start)
    head, rest = jax.tree.map(lambda a: a[0], rows), jax.tree.map(lambda a: a[1:], rows)
    paths = lstm_paths(params, start, head)
    eye = jnp.eye(n, dtype=system.start.dtype)
    zero = jnp.zeros((), eye.dtype)
    begin = (eye, paths.readout, zero), (eye, zero), jnp.zeros(n, eye.dtype)
    carry = (step(params, start, head), paths, *begin)
    _, later = jax.lax.scan(one, carry, rest, length=system.length - 1)
    first = _row(*begin)
    exact, four, forget = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, later)
    errors = [jax.vmap(_log_error)(approximate, exact) for approximate in (four, forget)]
    return CarouselProducts(exact, four, forget, *errors)


def _row(exact, four, log_f) -> tuple[ScaledMatrix, ScaledMatrix, ScaledMatrix]:
    top = jnp.max(log_f)
    forget = _scaled(jnp.diag(jnp.exp(log_f - top)), top)
    return _scaled(exact[0], exact[2]), _scaled(*four), forget


def _rescaled(arrays, log_scale):
    """Arrays divided by their common largest entry, whose log goes into the scale."""
    size = jnp.max(jnp.stack([jnp.max(jnp.abs(a)) for a in arrays]))
    size = jnp.where(size > 0, size, 1)
    return tuple(a / size for a in arrays), log_scale + jnp.log(size)


def _scaled(matrix: jax.Array, log_scale: jax.Array) -> ScaledMatrix:
    # by the largest entry first: squares of small entries underflow
    (matrix,), log_scale = _rescaled((matrix,), log_scale)
    norm = jnp.linalg.norm(matrix)
    return ScaledMatrix(log_scale + jnp.log(norm), matrix / jnp.where(norm > 0, norm, 1))


def _log_error(approximate: ScaledMatrix, exact: ScaledMatrix) -> jax.Array:
    """Log of |approximate - exact| / |exact|, Frobenius norms, whatever their range."""
    top = jnp.maximum(approximate.log_norm, exact.log_norm)
    top = jnp.where(jnp.isneginf(top), 0, top)
    a, b = (jnp.exp(m.log_norm - top) * m.direction for m in (approximate, exact))
    return top + _scaled(a - b, jnp.zeros_like(top)).log_norm - exact.log_norm
