"""Print the table of docs/accuracy.md: worst errors against multi-precision products."""

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from rnnjac._support.progress import progress_bar
from tests import oracles, problems

jax.config.update("jax_enable_x64", True)

ROWS = (
    "tanh1.2-n16-T200",
    "tanh3-n8-T200",
    "tanh1.2-n32-T1000",
    "tanh3-n32-T1000",
    "gaussian-n32-T1000",
    "orthogonal-n32-T1000",
    "relu-n32-T200",
    "jordan0.5-n8-T200",
    "near-singular1e8-n8-T200",
    "triangular-n16-T200",
    "gru-n64-T500",
    "tanh0.9-n128-T500",
    "tanh3-n128-T100",
    "lstm-n128-T100",
    "gaussian-n256-T10",
    "tanh1.2-n256-T60",
)


def worst(measured, truth):
    """Largest error among the values that are neither lost nor in doubt."""
    return np.max(oracles.log_sigma_error(np.asarray(measured, float), truth), initial=0)


def row(chain):
    factors, truth = problems.factors(chain), oracles.truth(chain)
    alive = truth[np.isfinite(truth)]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        dense = worst(np.nan_to_num(_svd(factors), nan=np.inf), truth)
        diagonal = worst(np.sort(oracles.benettin(factors))[::-1], truth)
    cells = [
        chain.name,
        f"{alive.max():.0f} … {alive.min():.0f}",
        f"{dense:.2g}",
        f"{diagonal:.2g}",
    ]
    for dtype in (jnp.float64, jnp.float32):
        found = rnnjac.product_spectrum(jnp.asarray(factors, dtype))
        error = worst(found.log_singular_values, truth)
        cells.append(f"{error:.1e} ({np.median(np.asarray(found.error)):.0e})")
    return "| " + " | ".join(cells) + " |"


def _svd(factors):
    product = np.eye(factors.shape[1])
    for factor in factors:
        product = factor @ product
    return np.log(np.linalg.svd(product, compute_uv=False))


if __name__ == "__main__":
    table = {chain.name: chain for chain in problems.CHAINS + problems.LARGE}
    chains = [table[name] for name in ROWS]
    for line in [row(chain) for chain in progress_bar(chains, unit="chain")]:
        print(line)
