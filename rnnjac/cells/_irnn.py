"""The ReLU network that starts as a sum: recurrent matrix a multiple of the identity."""

from typing import Any

from rnnjac import initializers
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell
from rnnjac.cells._elman import elman


def irnn(
    inputs: int,
    hidden: int,
    *,
    alpha: float = 1.0,
    input: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """IRNN: an Elman cell with ReLU units whose recurrent matrix starts as a multiple of I.

    S_t = relu(W_x X_t + W_s S_{t-1} + b),    W_s = alpha I and b = 0 at the start.

    While every unit is active the Jacobian is W_s: with alpha = 1, the identity, bit for bit. A
    unit at 0 gives a zero row.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size of the state.
    alpha : float
        The paper has 1, and 0.01 where long memory is not wanted.
    input : initializer ``(key, shape, dtype) -> array``
        Of ``W_x``. Default: ``normal(0.001)``, standard deviation 0.001.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with the parameters and the state of `elman`.

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range or ``alpha`` not a number; from ``step``, if ``x``
        has another shape than (inputs,).

    References
    ----------
    Le, Jaitly, Hinton (2015).

    Examples
    --------
    >>> import jax
    >>> irnn(inputs=1, hidden=2).init(jax.random.key(0))["W_s"].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    alpha = _parts.number("alpha", alpha, "a number", lambda value: True)
    return elman(
        inputs,
        hidden,
        "relu",
        recurrent=initializers.identity(alpha),
        input=initializers.normal(0.001) if input is None else input,
        dtype=dtype,
    )
