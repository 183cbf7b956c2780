"""Draw docs/spectrum.png: the spectrum of a tanh network, and what multiplying out makes of it."""

from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import rnnjac
from rnnjac import plot
from tests import problems

jax.config.update("jax_enable_x64", True)
CHAIN = "tanh1.2-n16-T200"


def linear(params, state, factor):
    return factor @ state


def multiplied_out(factors):
    """Log singular values of the running product, as NumPy gives them."""
    product, logs = np.eye(factors.shape[1]), []
    for factor in factors:
        product = factor @ product
        logs.append(np.log(np.linalg.svd(product, compute_uv=False)))
    return np.array(logs)


def main():
    chain = next(chain for chain in problems.CHAINS if chain.name == CHAIN)
    factors = problems.factors(chain)
    steps = np.arange(1, chain.T + 1)
    start = jnp.zeros(chain.n)
    found = rnnjac.spectrum(linear, None, start, jnp.asarray(factors), at=steps)
    dense = multiplied_out(factors)
    with plot.style():
        figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.2), sharey=True, layout="constrained")
        axes[0].plot(steps, dense, color="#b0572f", linewidth=1)
        axes[0].set_title("multiplied out, then SVD (NumPy, float64)", fontsize=11)
        axes[1].plot(steps, found.log_singular_values, color="#1f5f8b", linewidth=1)
        axes[1].set_title("rnnjac.spectrum (float64)", fontsize=11)
        for ax in axes:
            ax.set_xlabel("steps")
        axes[0].set_ylabel("log of the 16 singular values (nats)")
        figure.suptitle("Jacobian product of a driven tanh network, 16 units", fontsize=12)
        figure.savefig(Path(__file__).with_name("spectrum.png"), dpi=160)


if __name__ == "__main__":
    main()
