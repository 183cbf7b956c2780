"""Networks of four kinds of recurrent matrix and four activations, and how their gradients travel.

The state is S_t = φ(W S_{t−1} + x_t). Every matrix has a prescribed spectral radius, so that the
rule "ρ(W) > 1 explodes, ρ(W) < 1 vanishes" can be held against the measured rates.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac

FAMILIES = ("symmetric", "orthogonal", "Gaussian", "non-normal")
ACTIVATIONS = ("identity", "tanh", "sigmoid", "relu")
DRIVES = ("autonomous", "driven")
SHEAR = (
    6.0  # strength of the non-normal family: about n/2 times its squared radius lies off-diagonal
)
_PHI = tuple(rnnjac.activations.get(name) for name in ACTIVATIONS)


class Grid(NamedTuple):
    """Indices of every network of the sweep, one entry each, and its radius."""

    family: np.ndarray
    activation: np.ndarray
    drive: np.ndarray
    radius: np.ndarray
    seed: np.ndarray


def grid(radii: int, seeds: int) -> Grid:
    """All combinations; an even number of radii straddles 1 and leaves it out."""
    values = np.geomspace(0.5, 2.0, radii)
    axes = (range(len(FAMILIES)), range(len(ACTIVATIONS)), range(len(DRIVES)), values, range(seeds))
    return Grid(*(a.ravel() for a in np.meshgrid(*axes, indexing="ij")))


def step(params: dict[str, Any], state: jax.Array, x: jax.Array) -> jax.Array:
    """One step; the activation is data, so that all networks share one compilation."""
    return jax.lax.switch(params["activation"], _PHI, params["W"] @ state + x)


def matrix(family: str, key: jax.Array, n: int) -> jax.Array:
    """A matrix of spectral radius 1."""
    draw, basis = jax.random.split(key)
    G = jax.random.normal(draw, (n, n))
    if family == "orthogonal":
        return jnp.linalg.qr(G)[0]
    if family == "non-normal":
        # Schur form: the eigenvalues stand on the diagonal, whatever the entries above it.
        Q = jnp.linalg.qr(jax.random.normal(basis, (n, n)))[0]
        diagonal = jnp.diag(jnp.linspace(-1.0, 1.0, n))
        return Q @ (diagonal + SHEAR / n**0.5 * jnp.triu(G, 1)) @ Q.T
    G = G + G.T if family == "symmetric" else G
    return G / rnnjac.spectral_radius(G)


def sweep(settings: Any, key: jax.Array) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What the weights predict and what the gradients do, for every network of the grid."""
    length, warmup = settings.steps, settings.warmup
    found = grid(settings.radii, settings.seeds)
    units, network = _networks(settings, key)
    top = _over_networks(lambda index: _rates(*network(index), warmup), 64)
    average = _over_networks(lambda index: rnnjac.jacobians(step, *network(index)).mean(axis=0), 8)
    index = Grid(*(jnp.asarray(a, units.dtype if a.dtype.kind == "f" else None) for a in found))
    leading, gradient = top(index)
    gamma = np.array([rnnjac.activations.slope_bound(name) for name in ACTIVATIONS])
    norms = np.linalg.norm(np.asarray(units), 2, axis=(2, 3))
    norm = norms[found.family, found.seed] * found.radius
    arrays = {
        **{f"net_{name}": value for name, value in found._asdict().items()},
        "net_log_radius": np.log(found.radius),
        "net_log_norm": np.log(norm),
        "net_bound": np.log(gamma[found.activation] * norm),
        "net_log_mean_radius": _log_radius(np.asarray(average(index))),
        "net_exponent": np.asarray(leading),
        "net_gradient": np.asarray(gradient),
    }
    times = (length // 4, length // 2, length)
    chosen = np.flatnonzero((found.seed == 0) & (found.drive == 1) & _every(found.radius, settings))
    every = _over_networks(
        lambda index: rnnjac.spectrum(step, *network(index), at=times).exponents, None
    )
    rates = every(jax.tree.map(lambda a: a[chosen], index))
    arrays |= {"full_net": chosen, "full_times": times, "full_rates": np.asarray(rates)}
    return arrays, _facts(arrays, length - warmup)


def _over_networks(function: Callable, batch: int | None) -> Callable:
    """``function`` of the index of one network, mapped over all of them, ``batch`` at a time."""
    return jax.jit(lambda index: jax.lax.map(function, index, batch_size=batch))


def _every(radius: np.ndarray, settings: Any) -> np.ndarray:
    """Which radii get a full spectrum: as many as the settings say, evenly spread."""
    values = np.unique(radius)
    kept = values[np.linspace(0, len(values) - 1, settings.full_radii).round().astype(int)]
    return np.isin(radius, kept)


def _networks(settings: Any, key: jax.Array) -> tuple[jax.Array, Callable]:
    """Matrices of radius 1 by family and seed, and a network for every index of the grid."""
    n, seeds, length = settings.size, settings.seeds, settings.steps
    draw, begin, drive = jax.random.split(key, 3)
    units = jnp.stack(
        [
            jnp.stack([matrix(name, jax.random.fold_in(draw, s), n) for s in range(seeds)])
            for name in FAMILIES
        ]
    )
    starts = 0.5 * jax.random.normal(begin, (seeds, n))
    paths = jax.random.normal(drive, (seeds, length, n))

    def network(index: Grid) -> tuple[dict[str, jax.Array], jax.Array, jax.Array]:
        W = index.radius * units[index.family, index.seed]
        inputs = jnp.where(index.drive == 1, paths[index.seed], 0)
        return {"W": W, "activation": index.activation}, starts[index.seed], inputs

    return units, network


def _rates(params: Any, start: jax.Array, inputs: jax.Array, warmup: int) -> tuple[Any, Any]:
    """λ₁ and the slope of the log norm of a backpropagated gradient, both after the warm-up."""
    leading = rnnjac.lyapunov_exponents(step, params, start, inputs, top=1, warmup=warmup)
    # a cotangent without symmetry; entry t of the norms belongs to the state at time t
    cotangent = jnp.cos(jnp.arange(1.0, start.size + 1))
    logs = rnnjac.gradient_norms(step, params, start, inputs, cotangent=cotangent)[warmup:]
    return leading.exponents[0], -slope(logs)


def slope(logs: jax.Array) -> jax.Array:
    """Least-squares slope of log gradient norms against time; inf where a gradient is lost."""
    index = jnp.arange(logs.size, dtype=logs.dtype)
    weight = index - index.mean()
    lost = jnp.isneginf(logs)
    line = weight @ jnp.where(lost, 0, logs) / (weight @ weight)
    return jnp.where(jnp.any(lost), jnp.inf, line)


def _log_radius(matrices: np.ndarray) -> np.ndarray:
    radius = np.abs(np.linalg.eigvals(matrices)).max(axis=-1)
    return np.log(radius, out=np.full_like(radius, -np.inf), where=radius > 0)


def _facts(arrays: dict[str, np.ndarray], counted: int) -> dict[str, Any]:
    """Counts of networks where the rule says the wrong sign, and the worst distances."""
    radius, rate, bound = arrays["net_log_radius"], arrays["net_exponent"], arrays["net_bound"]
    family, activation = arrays["net_family"], arrays["net_activation"]
    sure = 2 / counted  # nat per step: below it a finite run does not tell the sign
    linear = activation == ACTIVATIONS.index("identity")
    above, below = ~linear & (radius > 0), ~linear & (radius < 0)
    crooked = family == FAMILIES.index("non-normal")
    excess = max(
        (arrays["net_exponent"] - bound).max(),
        (arrays["net_gradient"] - bound).max(),
        (arrays["full_rates"].max(axis=-1) - bound[arrays["full_net"]][:, None]).max(),
    )
    alive = np.isfinite(rate) & np.isfinite(arrays["net_gradient"])
    gap = np.abs(arrays["net_gradient"][alive] - rate[alive])
    return {
        "networks": len(rate),
        "lost": int((~np.isfinite(rate)).sum()),
        "sure": sure,
        "above_count": int(above.sum()),
        "above_wrong": int((above & (rate < -sure)).sum()),
        "below_count": int(below.sum()),
        "below_wrong": int((below & (rate > sure)).sum()),
        **{
            f"{side}_wrong_{name}": int((wrong & (activation == i)).sum())
            for side, wrong in (("above", above & (rate < -sure)), ("below", below & (rate > sure)))
            for i, name in enumerate(ACTIVATIONS)
        },
        "below_wrong_normal": int((below & ~crooked & (family < 2) & (rate > sure)).sum()),
        "linear_count": int(linear.sum()),
        "linear_wrong": int((linear & (np.sign(radius) * rate < 0)).sum()),
        "linear_gap": float(np.abs(rate - radius)[linear & ~crooked].max()),
        "linear_gap_nonnormal": float(np.abs(rate - radius)[linear & crooked].max()),
        "bound_excess": float(excess),
        "gradient_gap_median": float(np.median(gap)),
        "gradient_gap_max": float(np.max(gap)),
    }
