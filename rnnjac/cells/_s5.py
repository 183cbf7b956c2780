"""A complex diagonal state space with many inputs, started at the HiPPO matrix."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjac import initializers
from rnnjac.cells import _parts
from rnnjac.cells._cell import Cell


def s5(
    inputs: int,
    hidden: int,
    *,
    input: initializers.Initializer | None = None,
    dtype: Any = None,
) -> Cell:
    """Diagonal state space of S5, held constant over a time step.

    z' = lam z + B x, sampled with the time steps Delta, elementwise in z of n complex entries:

        z_t = exp(lam Delta) z_{t-1} + (exp(lam Delta) - 1) / lam B x_t
        lam = -exp(log_decay) + i frequency,    Delta = exp(log_step)

    Each entry stands for itself and its conjugate, so n modes are a real system of size 2 n.

    Parameters
    ----------
    inputs : int >= 0
        Size of ``x``; 0 for an autonomous network.
    hidden : int >= 1
        Number n of complex modes; the flattened state has 2 n entries.
    input : initializer ``(key, shape, dtype) -> array``
        Of B in real coordinates, shape (2 n, inputs), before its change to those of the modes.
        Default: ``gaussian(1.0)``, variance of an entry 1 / inputs.
    dtype : floating-point dtype of parameters and state; JAX's default float if None

    Returns
    -------
    Cell with
        ``init(key)`` -> {"log_decay", "frequency", "log_step": (n,), "B_re", "B_im": (n, inputs)};
        ``step(params, state, x)`` -> real state of shape (2, n), Re z above Im z; ``x`` of shape
        (inputs,), or None for no input, which is the same as zeros;
        ``initial_state()`` -> zeros of shape (2, n).

    Raises
    ------
    TypeError, ValueError
        If a size is not an integer in its range; from ``step``, if ``x`` has another shape than
        (inputs,).

    Notes
    -----
    The singular values of a product of T are exp(T Delta Re lam), each twice. At the start lam are
    the eigenvalues with positive imaginary part of the normal part of HiPPO-LegS of size 2 n, whose
    real parts are all -1/2, B is drawn in real coordinates and changed to those of its
    eigenvectors, and log Delta is uniform from log 0.001 to log 0.1. Here the log of -Re lam is the
    parameter, so that the system is stable for all its values; the read-out is left to the user.

    References
    ----------
    Smith, Warrington, Linderman (2023), sections 2 and 3.2; Gu et al. (2022) for the
    normal part.

    Examples
    --------
    >>> import jax
    >>> cell = s5(inputs=2, hidden=3)
    >>> cell.step(cell.init(jax.random.key(0)), cell.initial_state(), None).shape
    (2, 3)
    """
    inputs, n = _parts.sizes(inputs, hidden)
    draw = initializers.gaussian() if input is None else input

    def init(key):
        key_b, key_step = jax.random.split(key)
        kind = _parts.default(dtype)
        high = _parts.wide(kind)
        frequency, modes = _hippo_modes(2 * n)
        real = draw(key_b, (2 * n, inputs), high)
        step = jax.random.uniform(key_step, (n,), high, np.log(1e-3), np.log(0.1))
        return {
            "log_decay": jnp.full(n, np.log(0.5), kind),
            "frequency": jnp.asarray(frequency, kind),
            "log_step": step.astype(kind),
            "B_re": (jnp.asarray(np.real(modes).T, high) @ real).astype(kind),
            "B_im": (jnp.asarray(-np.imag(modes).T, high) @ real).astype(kind),
        }

    def step(params, state, x):
        decay, frequency = jnp.exp(params["log_decay"]), params["frequency"]
        delta = jnp.exp(params["log_step"])
        radius, angle = jnp.exp(-decay * delta), frequency * delta
        re, im = radius * jnp.cos(angle), radius * jnp.sin(angle)
        turned = jnp.stack([re * state[0] - im * state[1], im * state[0] + re * state[1]])
        if x is None:
            return turned
        b_re, b_im = _parts.embed(params["B_re"], x), _parts.embed(params["B_im"], x)
        # exp(lam Delta) - 1 without the cancellation, over lam
        less = jnp.expm1(-decay * delta) * jnp.cos(angle) - 2 * jnp.square(jnp.sin(angle / 2))
        square = decay * decay + frequency * frequency
        g_re = (im * frequency - less * decay) / square
        g_im = -(im * decay + less * frequency) / square
        return turned + jnp.stack([g_re * b_re - g_im * b_im, g_im * b_re + g_re * b_im])

    def initial_state():
        return jnp.zeros((2, n), _parts.default(dtype))

    return Cell(init, step, initial_state)


def _hippo_modes(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Positive imaginary parts of the eigenvalues of -I/2 + K, and their eigenvectors as columns.

    K is antisymmetric with K_jk = -sqrt((2j + 1)(2k + 1)) / 2 for j > k: i K is Hermitian.
    """
    root = np.sqrt(2 * np.arange(size) + 1.0)
    lower = np.tril(-np.outer(root, root) / 2, -1)
    values, vectors = np.linalg.eigh(-1j * (lower - lower.T))
    return values[values > 0], vectors[:, values > 0]
