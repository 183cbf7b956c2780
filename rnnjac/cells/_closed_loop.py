"""A cell that is fed with its own read-out."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import initializers
from rnnjac._support import checks
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell
from rnnjac.cells._stack import output


def closed_loop(
    cell: Cell,
    inputs: int,
    *,
    readout: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Cell whose input is a linear read-out of its own last state.

    s_t = step(s_{t-1}, W_o output(s_{t-1}) + b_o + x_t): an echo state network that has learnt to
    predict its input then runs on its own prediction. The Jacobian gains the path through the
    read-out, d step / d x W_o.

    Parameters
    ----------
    cell : Cell
        Its input is the read-out.
    inputs : int >= 1
        Size of the cell's input, and of the read-out.
    readout : initializer ``(key, shape, dtype) -> array``
        Of ``W_o``. Default: zeros; a fit takes its place.
    dtype : floating-point dtype of the read-out; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"cell": the cell's, "W_o": (inputs, outputs), "b_o": (inputs,)}, with
        outputs the size of `output` of the cell's state;
        ``step(params, state, x)`` -> state of the cell; ``x``, a disturbance of shape (inputs,), or
        None for none;
        ``initial_state()`` -> that of the cell.

    Raises
    ------
    TypeError, ValueError
        If ``cell`` is no cell or ``inputs`` not an integer >= 1; from ``step``, if ``x`` has
        another shape than (inputs,) or the cell takes another one.

    References
    ----------
    Jaeger (2001), section 4; Jaeger, Haas (2004).

    Examples
    --------
    >>> import jax
    >>> from rnnjac.cells import elman
    >>> loop = closed_loop(elman(1, 2), 1)
    >>> loop.step(loop.init(jax.random.key(0)), loop.initial_state(), None).shape
    (2,)
    """
    if not isinstance(cell, Cell):
        raise checks.error("cell", "a cell", checks.describe(cell), TypeError)
    inputs = checks.integer("inputs", inputs, 1)
    draw_o = initializers.zeros() if readout is None else readout

    def init(key):
        key_cell, key_o = jax.random.split(key)
        kind, outputs = _parts.default(dtype), output(cell.initial_state()).size
        return {
            "cell": cell.init(key_cell),
            "W_o": draw_o(key_o, (inputs, outputs), kind),
            "b_o": jnp.zeros(inputs, kind),
        }

    def step(params, state, x):
        fed_back = params["W_o"] @ output(state) + params["b_o"]
        if x is not None:
            if jnp.shape(x) != (inputs,):
                raise checks.error("x", f"shape ({inputs},)", checks.describe(x))
            fed_back = fed_back + x
        return cell.step(params["cell"], state, fed_back)

    return Cell(init, step, cell.initial_state)
