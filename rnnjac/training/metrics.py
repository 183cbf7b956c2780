"""What training does to gradients, measured between updates."""

from collections.abc import Callable
from typing import Any

import jax

from rnnjac._support import checks
from rnnjac.bounds import spectral_radius
from rnnjac.measures.lyapunov import lyapunov_exponents
from rnnjac.measures.spectrum import spectrum
from rnnjac.system.dynamics import Step


def spectral_metrics(
    step: Step, state: Any, inputs: Any = None, *, length: int | None = None, top: int = 1
) -> Callable[[Any, jax.Array], dict[str, jax.Array]]:
    """A ``measure`` for `train`: spectral radius, leading exponent and singular values.

    Along one probe sequence, with the parameters ``params["cell"]``.

    Parameters
    ----------
    step, state, inputs, length
        As for `trajectory`.
    top : int
        How many singular values of the product over the whole sequence.

    Returns
    -------
    callable
        ``measure(params, key)``, which does not use the key, gives "spectral_radius" () of
        ``params["cell"]["W_s"]`` if there is such a matrix, "lyapunov_exponent" (), natural log per
        step, the first tenth of the steps not counted, and "log_singular_values" (top,), natural
        logs, descending, -inf if lost.

    Raises
    ------
    ValueError, TypeError
        From ``measure``, as `spectrum` and `lyapunov_exponents`.

    Notes
    -----
    O(n^3) work per step of the sequence.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> measure = spectral_metrics(lambda p, s, x: p["W_s"] @ s, jnp.ones(1), length=10)
    >>> found = measure({"cell": {"W_s": jnp.full((1, 1), 2.0)}}, None)
    >>> round(float(found["log_singular_values"][0]), 4)
    6.9315
    """

    def measure(params: Any, key: jax.Array) -> dict[str, jax.Array]:
        del key
        cell = params["cell"]
        whole = spectrum(step, cell, state, inputs, length=length)
        count = checks.integer("top", top, 1, whole.log_singular_values.size)
        rows = length if inputs is None else jax.tree.leaves(inputs)[0].shape[0]
        leading = lyapunov_exponents(
            step, cell, state, inputs, length=length, top=1, warmup=(rows or 0) // 10
        )
        found = {
            "lyapunov_exponent": leading.exponents[0],
            "log_singular_values": whole.log_singular_values[:count],
        }
        if isinstance(cell, dict) and "W_s" in cell:
            found["spectral_radius"] = spectral_radius(cell["W_s"])
        return found

    return measure
