"""What is measured of a digit reader at a stop of its training, and its reach map."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from analyses.common import digits

TIMES = (8, 64)  # spectra of the products from pixel 0 to these
NEAR_ONE = 0.9  # a slope of tanh above this counts as near 1


def measurement(step: Any, test: digits.Data, sequences: int, images: int) -> Callable[[Any], Any]:
    """Everything that is measured at a stop, as one compiled function of the weights."""
    some = jax.tree.map(lambda a: a[:images], test)
    few = test.images[:sequences]

    @jax.jit
    def measure(params: Any) -> dict[str, jax.Array]:
        start = jnp.zeros_like(params["cell"]["b"])

        def spectrum(image: jax.Array) -> rnnjac.Spectrum:
            return rnnjac.spectrum(step, params["cell"], start, image, at=TIMES)

        # not vmap: LAPACK calls with a batch that run at once can lock up jaxlib's two threads
        spectra = jax.lax.map(spectrum, few)
        gradients = jax.vmap(lambda x, y: gradient_norms(step, params, x, y))(*some)
        return {
            "spectra": spectra.log_singular_values,
            "errors": spectra.error,
            "gradients": gradients,
            "radius": rnnjac.spectral_radius(params["cell"]["W_s"]),
            "norm": rnnjac.spectral_norm(params["cell"]["W_s"]),
            "test_loss": digits.loss(step, params, test),
            "accuracy": digits.accuracy(step, params, test),
            "accuracy_swapped": digits.accuracy(step, params, digits.swap_first_half(test)),
            **slopes(step, params["cell"], some.images),
        }

    return measure


def gradient_norms(step: Any, params: Any, image: jax.Array, label: jax.Array) -> jax.Array:
    """Log norms of the gradient of the loss with respect to the state at each time, (65,)."""
    start = jnp.zeros_like(params["cell"]["b"])
    last = digits.last_states(step, params, image[None])[0]
    arriving = jax.grad(digits.loss_of_state, argnums=1)(params, last, label)
    return rnnjac.gradient_norms(step, params["cell"], start, image, cotangent=arriving)


def slopes(step: Any, cell_params: Any, images: jax.Array) -> dict[str, jax.Array]:
    """The slope of tanh, sech^2, over units, steps and images: two means and two shares."""
    start = jnp.zeros_like(cell_params["b"])
    states = jax.vmap(lambda x: rnnjac.trajectory(step, cell_params, start, x))(images)[:, :-1]
    enters = states @ cell_params["W_s"].T + images @ cell_params["W_x"].T
    enters = enters + cell_params["b"][None, None]
    size = jnp.abs(enters)
    log_slope = -2 * (size + jnp.log1p(jnp.exp(-2 * size)) - jnp.log(2.0))
    return {
        "slope_square": jnp.exp(2 * log_slope).mean(),
        "slope_log": log_slope.mean(),
        "slope_near_one": (log_slope > np.log(NEAR_ONE)).mean(dtype=enters.dtype),
        "slope_is_one": (enters == 0).mean(dtype=enters.dtype),
    }


def reach_map(step: Any, image: jax.Array, stride: int) -> Callable[[Any], np.ndarray]:
    """Log of the largest singular value between every two times, every ``stride`` pixels."""
    pixels = image.reshape(-1, stride, 1)

    def stretch(params: Any, state: jax.Array, pixels: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda s, x: (step(params, s, x), None), state, pixels)[0]

    def reach(params: Any) -> np.ndarray:
        start = jnp.zeros_like(params["b"])
        return np.asarray(rnnjac.reach(stretch, params, start, pixels)[..., 0])

    return reach
