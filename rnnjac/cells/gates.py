"""The one-step Jacobian of a gated cell, split into the paths that a change can take."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjac import activations
from rnnjac._support import checks
from rnnjac._support.compiled import compiled
from rnnjac.activations import sigmoid, tanh
from rnnjac.cells import _parts
from rnnjac.cells._gru import RESETS
from rnnjac.cells._lstm import LSTMState


class LSTMPaths(NamedTuple):
    """Paths of one LSTM step, each an (n, n) matrix; (c, h) before it, (C, H) after it.

    C depends on c by ``carousel``, and on h by the sum of ``forget_gate``, ``input_gate`` and
    ``candidate``. H depends on C by ``readout``, and on h besides that by ``output_gate``. Axes
    added in front (a run, a batch) are kept.
    """

    carousel: jax.Array
    forget_gate: jax.Array
    input_gate: jax.Array
    candidate: jax.Array
    output_gate: jax.Array
    readout: jax.Array

    def from_output(self) -> jax.Array:
        """Return A = dC/dh at constant c, (n, n): forget gate, input gate and candidate."""
        return self.forget_gate + self.input_gate + self.candidate

    def jacobian(self) -> jax.Array:
        """Return d(C, H) / d(c, h) of shape (2 n, 2 n), as `rnnjac.jacobians` does."""
        to_cell = jnp.concatenate([self.carousel, self.from_output()], axis=-1)
        # the readout is diagonal: it scales rows, and nothing is multiplied out
        to_output = jnp.diagonal(self.readout, axis1=-2, axis2=-1)[..., :, None] * to_cell
        around = jnp.concatenate([jnp.zeros_like(self.output_gate), self.output_gate], axis=-1)
        return jnp.concatenate([to_cell, to_output + around], axis=-2)

    def cell_to_cell(self, earlier: "LSTMPaths") -> jax.Array:
        """Return G = diag(f) + A diag(o (1 - tanh(c)^2)), (n, n), o and c from the step before.

        dC/dc where h = o tanh(c) follows c and o is held constant, the four terms found in
        textbooks. It is exact over one step; a product of them leaves out that o depends on the
        earlier c through h.
        """
        slope = jnp.diagonal(earlier.readout, axis1=-2, axis2=-1)
        return self.carousel + self.from_output() * slope[..., None, :]


class GRUPaths(NamedTuple):
    """Paths of one GRU step, each an (n, n) matrix: how the new state depends on the old one.

    ``carry`` is the share kept; the others lead through the candidate, the update gate and the
    reset gate. Axes added in front (a run, a batch) are kept.
    """

    carry: jax.Array
    candidate: jax.Array
    update_gate: jax.Array
    reset_gate: jax.Array

    def jacobian(self) -> jax.Array:
        """Return the sum of the paths, (n, n), which is what `rnnjac.jacobians` returns."""
        return self.carry + self.candidate + self.update_gate + self.reset_gate


@compiled()
def lstm_paths(params: Any, state: LSTMState, x: jax.Array | None = None) -> LSTMPaths:
    """Paths of one step of `cells.lstm`.

    With i, f, g, o the gates and the candidate of this step, U_k the blocks of W_h, and primes for
    derivatives with respect to the argument (f' = f (1 - f), g' = 1 - g^2),

        carousel    = diag(f)                  candidate   = diag(i g') U_g
        forget gate = diag(c f') U_f           output gate = diag(tanh(C) o') U_o
        input gate  = diag(g i') U_i           readout     = diag(o (1 - tanh(C)^2))

    Parameters
    ----------
    params : dict
        Of ``cells.lstm(...)`` without peepholes, with separate input and forget gates.
    state : LSTMState
        State (c, h) before the step, shape (n,) each.
    x : array of shape (inputs,), or None
        Input of the step.

    Returns
    -------
    LSTMPaths
        Six (n, n) matrices; ``.jacobian()`` puts them together, ``.cell_to_cell(earlier)`` gives
        the four-term formula for dC/dc.

    Raises
    ------
    ValueError
        If the parameters are those of another cell, or ``x`` has another shape than (inputs,).

    Notes
    -----
    Exact up to rounding: slopes come from the arguments, so a saturated gate keeps its digits.
    For a whole run, ``jax.vmap`` over the rows of its states and inputs. Differentiable.

    References
    ----------
    Hochreiter, Schmidhuber (1997), for the truncated form; Gers, Schmidhuber, Cummins (2000).

    Examples
    --------
    >>> from rnnjac import cells
    >>> cell = cells.lstm(0, 1)
    >>> params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0)))
    >>> lstm_paths(params, cell.initial_state()).carousel.tolist()
    [[0.5]]
    """
    c, _ = state
    a_i, a_f, a_g, a_o = lstm_arguments(params, state, x)
    U_i, U_f, U_g, U_o = _parts.blocks(params["W_h"], c.shape[0])
    (i, di), (f, df), (g, dg), (o, do) = (
        _with_slope(*pair) for pair in ((sigmoid, a_i), (sigmoid, a_f), (tanh, a_g), (sigmoid, a_o))
    )
    squashed, slope = _with_slope(tanh, f * c + i * g)
    return LSTMPaths(
        carousel=jnp.diag(f),
        forget_gate=(c * df)[:, None] * U_f,
        input_gate=(g * di)[:, None] * U_i,
        candidate=(i * dg)[:, None] * U_g,
        output_gate=(squashed * do)[:, None] * U_o,
        readout=jnp.diag(o * slope),
    )


@compiled("reset")
def gru_paths(
    params: Any, state: jax.Array, x: jax.Array | None = None, *, reset: str = "after"
) -> GRUPaths:
    """Paths of one step of `cells.gru`.

    With r, z, n the gates and the candidate of this step, U_k and b_k the blocks of W_h and b_h,

        carry       = diag(z)
        update gate = diag((h - n) z') U_z
        candidate   = diag((1 - z) n' r) U_n                     reset = "after"
        reset gate  = diag((1 - z) n' (U_n h + b_n) r') U_r
        candidate   = diag((1 - z) n') U_n diag(r)               reset = "before"
        reset gate  = diag((1 - z) n') U_n diag(h r') U_r

    Parameters
    ----------
    params : dict
        Of ``cells.gru(...)``.
    state : array of shape (n,)
        State h before the step.
    x : array of shape (inputs,), or None
        Input of the step.
    reset : "after" or "before"
        As the cell was made.

    Returns
    -------
    GRUPaths
        Four (n, n) matrices; ``.jacobian()`` is their sum.

    Raises
    ------
    ValueError
        If the parameters are those of another cell or ``reset`` is unknown.

    Notes
    -----
    Exact up to rounding; see `lstm_paths`. "before" costs one product of (n, n) matrices.

    Examples
    --------
    >>> from rnnjac import cells
    >>> cell = cells.gru(0, 1)
    >>> params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0)))
    >>> gru_paths(params, cell.initial_state()).jacobian().tolist()
    [[0.5]]
    """
    checks.one_of("reset", reset, RESETS)
    _require(params, {"W_x", "W_h", "b_x", "b_h"}, 3, state, "gru")
    size = state.shape[0]
    x_r, x_z, x_n = _parts.blocks(_parts.drive(params["W_x"], params["b_x"], x), size)
    U_r, U_z, U_n = _parts.blocks(params["W_h"], size)
    b_r, b_z, b_n = _parts.blocks(params["b_h"], size)
    r, dr = _with_slope(sigmoid, x_r + U_r @ state + b_r)
    a_z = x_z + U_z @ state + b_z
    z, dz = _with_slope(sigmoid, a_z)
    inner = U_n @ state + b_n if reset == "after" else U_n @ (r * state) + b_n
    n, dn = _with_slope(tanh, x_n + r * inner if reset == "after" else x_n + inner)
    weight = sigmoid(-a_z) * dn
    if reset == "after":
        candidate = (weight * r)[:, None] * U_n
        through_reset = (weight * inner * dr)[:, None] * U_r
    else:
        candidate = weight[:, None] * U_n * r[None, :]
        through_reset = weight[:, None] * (U_n @ ((state * dr)[:, None] * U_r))
    return GRUPaths(jnp.diag(z), candidate, ((state - n) * dz)[:, None] * U_z, through_reset)


def lstm_arguments(params: Any, state: LSTMState, x: jax.Array | None) -> list[jax.Array]:
    """Arguments of the gates i, f, o and of the candidate g, in the order i, f, g, o."""
    _require(params, {"W_x", "W_h", "b"}, 4, state.c, "lstm without peepholes or coupled gates")
    stacked = _parts.drive(params["W_x"], params["b"], x) + params["W_h"] @ state.h
    return _parts.blocks(stacked, state.c.shape[0])


def _require(params: Any, names: set, count: int, state: jax.Array, cell: str) -> None:
    expected = f"those of cells.{cell}"
    if not isinstance(params, dict) or set(params) != names:
        got = sorted(params) if isinstance(params, dict) else checks.describe(params)
        raise checks.error("params", expected, got)
    if params["W_h"].shape[0] != count * state.shape[0]:
        got = f"W_h of shape {params['W_h'].shape} for {state.shape[0]} units"
        raise checks.error("params", expected, got)


def _with_slope(phi: activations.Activation, a: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Value and slope of an activation; the slope is computed from ``a`` and keeps its digits."""
    return jax.jvp(phi, (a,), (jnp.ones_like(a),))
