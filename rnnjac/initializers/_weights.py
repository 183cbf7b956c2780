"""Initializers of one matrix or vector; see the package for the common form."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rnnjac import bounds
from rnnjac._support import checks

Initializer = Callable[..., jax.Array]


def _wide(dtype: Any) -> tuple[jnp.dtype, jnp.dtype]:
    """Return the dtype of the result (default float if None) and that of the work: >= 32 bits."""
    dtype = jnp.dtype(jnp.result_type(float) if dtype is None else dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise checks.error("dtype", "a real floating-point type", dtype, TypeError)
    return dtype, dtype if jnp.finfo(dtype).bits >= 32 else jnp.dtype(jnp.float32)


def _axes(shape: Sequence[int], count: int) -> tuple[int, ...]:
    """``shape`` as a tuple, after checking that it has ``count`` axes."""
    shape = tuple(shape)
    if len(shape) != count:
        raise checks.error("shape", f"{count} axes", shape)
    return shape


def normal(std: float = 0.01) -> Initializer:
    """Independent normal entries of a given standard deviation.

    W_ij ~ N(0, std^2).

    Parameters
    ----------
    std : float
        Standard deviation (not variance) of an entry.

    Returns
    -------
    function ``(key, shape, dtype=None) -> array``, any shape.

    Examples
    --------
    >>> import jax
    >>> normal(0.1)(jax.random.key(0), (3, 2)).shape
    (3, 2)
    """

    def initialize(key, shape, dtype=None):
        return std * jax.random.normal(key, shape, _wide(dtype)[0])

    return initialize


def gaussian(gain: float = 1.0) -> Initializer:
    """Independent normal entries, scaled by the number of inputs.

    W_ij ~ N(0, gain^2 / n_in), n_in the size of the last axis. For a large square matrix the
    spectral radius is then close to ``gain`` and the spectral norm to ``2 gain``.

    Parameters
    ----------
    gain : float

    Returns
    -------
    function ``(key, shape, dtype=None) -> array``, at least one axis.

    Examples
    --------
    >>> import jax
    >>> gaussian()(jax.random.key(0), (3, 2)).shape
    (3, 2)
    """

    def initialize(key, shape, dtype=None):
        std = gain / max(shape[-1], 1) ** 0.5  # a matrix without columns needs no scale
        return std * jax.random.normal(key, shape, _wide(dtype)[0])

    return initialize


def orthogonal(gain: float = 1.0) -> Initializer:
    """Random orthogonal matrix.

    W = gain Q, Q uniform (Haar) over orthogonal matrices. For a rectangular shape the rows or the
    columns are orthonormal, whichever are fewer.

    Parameters
    ----------
    gain : float
        Every singular value of the result.

    Returns
    -------
    function ``(key, shape, dtype=None) -> array``, two axes.

    Raises
    ------
    ValueError
        When called with a shape that has not two axes.

    Notes
    -----
    O(n^3): one QR decomposition, in float32 for the 16-bit types.

    Examples
    --------
    >>> import jax
    >>> round(float(abs(orthogonal(2.0)(jax.random.key(0), (1, 1))[0, 0])), 3)
    2.0
    """

    def initialize(key, shape, dtype=None):
        dtype, wide = _wide(dtype)
        shape = _axes(shape, 2)
        if 0 in shape:
            return jnp.zeros(shape, dtype)
        return jax.nn.initializers.orthogonal(gain)(key, shape, wide).astype(dtype)

    return initialize


def identity(scale: float = 1.0) -> Initializer:
    """Multiple of the identity matrix.

    W = scale I; with ReLU units and no bias, the IRNN of Le, Jaitly and Hinton (2015).

    Parameters
    ----------
    scale : float

    Returns
    -------
    function ``(key, shape, dtype=None) -> array``, two axes; the key is not used.

    Raises
    ------
    ValueError
        When called with a shape that has not two axes.

    Examples
    --------
    >>> identity(0.5)(None, (1, 2)).tolist()
    [[0.5, 0.0]]
    """

    def initialize(key, shape, dtype=None):
        rows, columns = _axes(shape, 2)
        return scale * jnp.eye(rows, columns, dtype=_wide(dtype)[0])

    return initialize


def uniform(n: int | None = None) -> Initializer:
    """Independent uniform entries.

    W_ij ~ U(-1/sqrt(n), 1/sqrt(n)), whose variance is 1 / (3 n): a large square matrix has a
    spectral radius close to 0.577. The default of PyTorch's recurrent layers, with n the number of
    hidden units for every array, the input weights and biases too.

    Parameters
    ----------
    n : int >= 1, or None for the size of the last axis

    Returns
    -------
    function ``(key, shape, dtype=None) -> array``, at least one axis.

    Raises
    ------
    TypeError, ValueError
        If ``n`` is not an integer >= 1.

    Examples
    --------
    >>> import jax
    >>> uniform(4)(jax.random.key(0), (3, 2)).shape
    (3, 2)
    """
    if n is not None:
        n = checks.integer("n", n, 1)

    def initialize(key, shape, dtype=None):
        bound = (n or max(shape[-1], 1)) ** -0.5
        return jax.random.uniform(key, shape, _wide(dtype)[0], -bound, bound)

    return initialize


def sparse(nonzeros: int = 15, radius: float = 0.95, *, direction: str = "incoming") -> Initializer:
    """Few connections per unit and a given spectral radius.

    W = radius M / rho(M), where M has ``nonzeros`` standard normal entries in each row (incoming
    connections of each unit) or in each column (outgoing), and zeros elsewhere.

    Parameters
    ----------
    nonzeros : int >= 1
        Connections per unit.
    radius : float
        Spectral radius of the result.
    direction : "incoming" or "outgoing"

    Returns
    -------
    function ``(key, shape, dtype=None) -> array``, square shapes.

    Raises
    ------
    TypeError, ValueError
        If ``nonzeros`` is not an integer >= 1 or ``direction`` is unknown; when called with a shape
        that is not square, or with fewer units than ``nonzeros``.

    Notes
    -----
    O(n^3), and eigenvalues: CPU and GPU only. With one connection per unit the graph already has a
    cycle, so rho(M) is not 0 (with probability 1).

    References
    ----------
    The "smart tanh" start of Pascanu, Mikolov, Bengio (2013): 15 nonzeros, radius 0.95. The paper
    says incoming connections; its published code draws outgoing ones.

    Examples
    --------
    >>> import jax
    >>> W = sparse(2)(jax.random.key(0), (5, 5))
    >>> int((W != 0).sum())
    10
    """
    nonzeros = checks.integer("nonzeros", nonzeros, 1)
    checks.one_of("direction", direction, ("incoming", "outgoing"))

    def initialize(key, shape, dtype=None):
        dtype, wide = _wide(dtype)
        rows, columns = _axes(shape, 2)
        if rows != columns:
            raise checks.error("shape", "two equal axes", tuple(shape))
        checks.integer("nonzeros", nonzeros, 1, rows)
        places, values = jax.random.split(key)
        # In each row the ranks of independent draws are a random permutation.
        chosen = jnp.argsort(jax.random.uniform(places, shape), axis=1) < nonzeros
        if direction == "outgoing":
            chosen = chosen.T
        M = jnp.where(chosen, jax.random.normal(values, shape, wide), 0)
        return (M * (radius / bounds.spectral_radius(M))).astype(dtype)

    return initialize


def constant(value: float) -> Initializer:
    """One value everywhere.

    W_ij = value.

    Parameters
    ----------
    value : float

    Returns
    -------
    function ``(key, shape, dtype=None) -> array``, any shape; the key is not used.

    Examples
    --------
    >>> constant(2.0)(None, (2,)).tolist()
    [2.0, 2.0]
    """

    def initialize(key, shape, dtype=None):
        return jnp.full(shape, value, _wide(dtype)[0])

    return initialize


def zeros() -> Initializer:
    """Zeros everywhere.

    W_ij = 0.

    Returns
    -------
    function ``(key, shape, dtype=None) -> array``, any shape; the key is not used.

    Examples
    --------
    >>> zeros()(None, (2,)).tolist()
    [0.0, 0.0]
    """
    return constant(0.0)
