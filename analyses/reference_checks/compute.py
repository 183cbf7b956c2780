"""Closed forms and published figures, computed anew through the library's public functions."""

from typing import Any, NamedTuple

import jax
import numpy as np

from analyses.common.parts import keyed
from analyses.reference_checks import networks, products

SEED = 0


class Settings(NamedTuple):
    """How much work is done."""

    steps: int  # factors of the long Gaussian products
    chains: int  # independent short products
    net_size: int
    net_steps: int
    map_steps: int


PRESETS = {
    "quick": Settings(20_000, 400, 500, 2_000, 50_000),
    "standard": Settings(100_000, 1_000, 800, 5_000, 200_000),
    "paper": Settings(400_000, 4_000, 2_000, 20_000, 1_000_000),
}

CHECKS = {
    "Products of Gaussian matrices": products.gaussian_products,
    "Gaussian products, orthonormalised at every step": products.orthonormalised_gaussians,
    "Fuss–Catalan laws": products.fuss_catalan,
    "Orthogonal, normal and defective matrices": products.known_spectra,
    "Fixed point of a tanh network": networks.fixed_point,
    "Mean field of random tanh networks": networks.mean_field,
    "Critical line of tanh networks": networks.critical_line,
    "Small maps and flows": networks.small_maps,
    "Exact identities": networks.identities,
    "Cells in closed form": networks.gated_closed_forms,
}


def compute(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every row of every check, in float64."""
    jax.config.update("jax_enable_x64", True)
    rows = []
    for section, check, key in keyed(CHECKS, SEED, "check"):
        rows += [(section, *entry) for entry in check(settings, key)]
    sections, names, expected, measured, tolerance, reasons = zip(*rows, strict=True)
    columns = {"expected": expected, "measured": measured, "tolerance": tolerance}
    return {name: np.array(values, float) for name, values in columns.items()}, {
        "sections": sections,
        "names": names,
        "reasons": reasons,
    }
