"""What a recurrent matrix alone says about gradients: bounds, not rates.

Spectral radius means the largest |eigenvalue|, spectral norm the largest singular value. Only the
norm bounds the gradient of a nonlinear network; the radius is no bound and no threshold there.
"""

import jax
import jax.numpy as jnp

from rnnjac._support import checks
from rnnjac._support.precision import at_least_float32
from rnnjac.activations import Activation, slope_bound


def _square(W: jax.Array) -> jax.Array:
    return at_least_float32(checks.matrix("W", W, square=True))


def spectral_radius(W: jax.Array) -> jax.Array:
    """Spectral radius of a square matrix.

    rho(W) = max_i |lambda_i(W)|. The asymptotic rate of a linear autonomous network is log rho(W);
    a driven or nonlinear network is bound by the spectral norm instead.

    Parameters
    ----------
    W : (n, n) array, floating-point

    Returns
    -------
    () array in the dtype of ``W`` (float32 for 16-bit types). NaN where ``W`` has a NaN or inf.

    Raises
    ------
    ValueError
        If ``W`` is not square or is empty.
    TypeError
        If ``W`` is not real floating-point.

    Notes
    -----
    O(n^3). Runs on CPU and GPU; JAX has no nonsymmetric eigenvalues on TPU. The error is eps ||W||
    times the condition number of the eigenvalue, and as large as eps^(1/m) ||W|| for a Jordan block
    of size m. Differentiable where W is diagonalisable and the largest eigenvalue is simple or one
    of a conjugate pair.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> round(float(spectral_radius(jnp.array([[0.0, 4.0], [1.0, 0.0]]))), 6)
    2.0
    """
    return jnp.max(jnp.abs(jnp.linalg.eigvals(_square(W))))


def spectral_norm(W: jax.Array) -> jax.Array:
    """Spectral norm of a matrix.

    sigma_max(W) = max_v ||W v|| / ||v||, the largest singular value.

    Parameters
    ----------
    W : (m, n) array, floating-point

    Returns
    -------
    () array in the dtype of ``W`` (float32 for 16-bit types). NaN where ``W`` has a NaN or inf.

    Raises
    ------
    ValueError
        If ``W`` is not a matrix or is empty.
    TypeError
        If ``W`` is not real floating-point.

    Notes
    -----
    O(m n min(m, n)). The relative error is a small multiple of eps. Differentiable where the
    largest singular value is simple.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> round(float(spectral_norm(jnp.array([[0.0, 4.0], [1.0, 0.0]]))), 6)
    4.0
    """
    W = at_least_float32(checks.matrix("W", W))
    return jnp.max(jnp.linalg.svd(W, compute_uv=False))


def departure_from_normality(W: jax.Array, *, relative: bool = False) -> jax.Array:
    """Henrici's departure from normality of a square matrix.

    dep(W) = sqrt(||W||_F^2 - sum_i |lambda_i|^2), the Frobenius norm of the strictly triangular
    part of the Schur form. It is 0 for a normal matrix, whose powers shrink and grow as its
    eigenvalues say; the larger it is, the more a product can grow before it decays.

    Parameters
    ----------
    W : (n, n) array, floating-point
    relative : bool
        Divide by ||W||_F, which gives a number from 0 (normal) to 1 (nilpotent).

    Returns
    -------
    () array in the dtype of ``W`` (float32 for 16-bit types), not negative; 0 for the zero matrix.
    NaN where ``W`` has a NaN or inf.

    Raises
    ------
    ValueError
        If ``W`` is not square or is empty.
    TypeError
        If ``W`` is not real floating-point.

    Notes
    -----
    O(n^3), on CPU and GPU. The two sums cancel: below about sqrt(n eps) ||W||_F the result cannot
    be told from 0. Differentiable where it is above that and W is diagonalisable; a result of 0
    has derivative 0.

    References
    ----------
    Henrici (1962), Numerische Mathematik 4, 24-40.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> float(departure_from_normality(jnp.array([[0.0, 4.0], [0.0, 0.0]])))
    4.0
    """
    W = _square(W)
    # dep is homogeneous, so a scale held constant changes neither value nor derivative, and keeps
    # the squares from over- and underflowing.
    scale = jax.lax.stop_gradient(jnp.max(jnp.abs(W)))
    scale = jnp.where(scale == 0, 1, scale)
    W = W / scale
    squares = jnp.sum(jnp.square(W))
    square = squares - jnp.sum(jnp.square(jnp.abs(jnp.linalg.eigvals(W))))
    departure = _safe_sqrt(square)
    return departure / _safe_sqrt(squares, at_zero=1) if relative else departure * scale


def _safe_sqrt(x: jax.Array, at_zero: float = 0) -> jax.Array:
    """sqrt(x), or ``at_zero`` with derivative 0 where x <= 0. NaN stays NaN."""
    return jnp.where(x <= 0, at_zero, jnp.sqrt(jnp.where(x <= 0, 1, x)))


def gradient_bound(W: jax.Array, activation: str | Activation | float = "tanh") -> jax.Array:
    """Upper bound on the growth rate of gradients in an Elman network.

    log(gamma sigma_max(W)), gamma = sup |phi'|. For all t > k, whatever the inputs and states,

        log ||ds_t/ds_k|| <= (t - k) log(gamma sigma_max(W)),

    hence lambda_1 is not above it. Negative: gradients surely vanish. Positive: they may explode
    (necessary, not sufficient).

    Parameters
    ----------
    W : (n, n) array, floating-point
        The recurrent matrix.
    activation : name or function of ``rnnjac.activations``, or gamma as a number

    Returns
    -------
    () array in the dtype of ``W`` (float32 for 16-bit types), natural log per step. -inf if W or
    gamma is 0; NaN where ``W`` has a NaN or inf.

    Raises
    ------
    ValueError
        If ``W`` is not square or is empty, or gamma of the activation is not known.
    TypeError
        If ``W`` is not real floating-point.

    Notes
    -----
    O(n^3). Differentiable where the largest singular value is simple and not 0.

    References
    ----------
    Pascanu, Mikolov, Bengio (2013), eqs. (6) and (7): vanishing if sigma_max < 1 / gamma.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> float(gradient_bound(jnp.eye(3), "tanh"))
    0.0
    """
    return jnp.log(slope_bound(activation) * spectral_norm(_square(W)))
