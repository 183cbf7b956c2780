"""A network whose recurrent matrix is orthogonal whatever its parameters are."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import activations, initializers
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell


def orthogonal_rnn(
    inputs: int,
    hidden: int,
    activation: str | activations.Activation = "tanh",
    *,
    input: initializers.Initializer | None = None,
    bias: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Orthogonal recurrent network: a product of Householder reflections.

    h_t = phi(Q h_{t-1} + W_x x_t + b),    Q = H_1 H_2 ... H_n,    H_k = I - 2 v_k v_k^T / |v_k|^2,

    where the first k - 1 entries of v_k are 0. Q is orthogonal to rounding for every V, and reaches
    every orthogonal matrix; with the activation "identity" all singular values of every product
    are 1.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Size n of the state.
    activation : name in ``rnnjac.activations.ACTIVATIONS``, or elementwise callable
    input, bias : initializers ``(key, shape, dtype) -> array``
        Of ``W_x`` and ``b``. Default: ``gaussian(1.0)`` (variance of an entry 1 / inputs), zeros.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"W_x": (n, inputs), "V": (n, n), "b": (n,)}, row k of V the vector v_k
        (what stands left of the diagonal is not used);
        ``step(params, state, x)`` -> state of shape (n,); ``x`` of shape (inputs,), or None for no
        input, which is the same as zeros;
        ``initial_state()`` -> zeros of shape (n,).

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range or ``activation`` is unknown; from ``step``, if
        ``x`` has another shape than (inputs,).

    Notes
    -----
    Q is applied as n reflections one after the other, O(n^2) but n times slower than a product with
    a matrix on wide machines: that is what keeps it orthogonal to a few eps per reflection at
    worst. A vector v_k of zeros is no reflection, H_k = I. Q starts uniform (Haar): v_k = u - e_k
    with u uniform on its sphere.

    References
    ----------
    Mhammedi et al. (2017), section 3; Stewart (1980) for the start.

    Examples
    --------
    >>> import jax
    >>> cell = orthogonal_rnn(inputs=0, hidden=2, activation="identity")
    >>> params = {"W_x": jnp.zeros((2, 0)), "V": jnp.array([[1.0, 1], [0, 0]]), "b": jnp.zeros(2)}
    >>> cell.step(params, jnp.array([1.0, 2]), None).tolist()
    [-2.0, -1.0]
    """
    inputs, n = _parts.sizes(inputs, hidden)
    phi = activations.get(activation)
    draw_x = initializers.gaussian() if input is None else input
    draw_b = initializers.zeros() if bias is None else bias

    def init(key):
        key_v, key_x, key_b = jax.random.split(key, 3)
        kind = _parts.default(dtype)
        drawn = jnp.triu(jax.random.normal(key_v, (n, n), _parts.wide(kind)))
        unit = drawn / jnp.linalg.norm(drawn, axis=1, keepdims=True)
        unit = unit.at[-1, -1].set(jnp.sign(drawn[-1, -1]))  # 1 exactly is no reflection
        return {
            "W_x": draw_x(key_x, (n, inputs), kind),
            "V": (unit - jnp.eye(n, dtype=unit.dtype)).astype(kind),
            "b": draw_b(key_b, (n,), kind),
        }

    def step(params, state, x):
        V = jnp.triu(params["V"])
        square = jnp.sum(V * V, axis=1)
        scale = jnp.where(square > 0, 2 / jnp.where(square > 0, square, 1), 0)

        def reflect(h, row):
            v, factor = row
            return h - factor * (v @ h) * v, None

        turned, _ = jax.lax.scan(reflect, state, (V, scale), reverse=True)
        return phi(turned + _parts.drive(params["W_x"], params["b"], x))

    def initial_state():
        return jnp.zeros(n, _parts.default(dtype))

    return Cell(init, step, initial_state)
