"""Jacobian spectra of recurrent networks: every singular value of the product, at any length.

How does a small change of the state at time k, or a gradient arriving at time t, travel across the
steps between? The object is the product of one-step Jacobians

    P[t, k] = d s_t / d s_k = J_t J_{t-1} ... J_{k+1},      J_j = d s_j / d s_{j-1}

and its singular values, in logs, whether they are 1e-3 or 1e-3000.

Conventions: ``step(params, state, x) -> state`` is pure, ``state`` any pytree of floats, ``x`` any
pytree or None. Time is axis 0 of ``inputs``; ``inputs=None`` with ``length=T`` is an autonomous
system. Jacobians are in numerator layout, n by n for a flattened state of size n; the latest factor
stands on the left. Logs are natural, rates are per step, spectra are sorted in descending order,
and a direction that is lost exactly is -inf. Every function takes one trajectory: use `jax.vmap`
for batches.
"""

import importlib as _importlib
import sys as _sys
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from rnnjac import activations as activations
from rnnjac import cells as cells
from rnnjac import initializers as initializers
from rnnjac import tasks as tasks
from rnnjac import training as training
from rnnjac.batches import in_chunks as in_chunks
from rnnjac.bounds import departure_from_normality as departure_from_normality
from rnnjac.bounds import gradient_bound as gradient_bound
from rnnjac.bounds import spectral_norm as spectral_norm
from rnnjac.bounds import spectral_radius as spectral_radius
from rnnjac.cells import gates as gates
from rnnjac.linalg.combine import combine as combine
from rnnjac.linalg.graded import GradedProduct as GradedProduct
from rnnjac.measures import carousel as carousel
from rnnjac.measures import observables as observables
from rnnjac.measures.graded_product import graded_product as graded_product
from rnnjac.measures.gradient_norms import gradient_norms as gradient_norms
from rnnjac.measures.lyapunov import LyapunovExponents as LyapunovExponents
from rnnjac.measures.lyapunov import lyapunov_exponents as lyapunov_exponents
from rnnjac.measures.observables import entropy_rate as entropy_rate
from rnnjac.measures.observables import kaplan_yorke_dimension as kaplan_yorke_dimension
from rnnjac.measures.product_spectrum import product_spectrum as product_spectrum
from rnnjac.measures.reach import reach as reach
from rnnjac.measures.singular_vectors import SingularVectors as SingularVectors
from rnnjac.measures.singular_vectors import singular_vectors as singular_vectors
from rnnjac.measures.spectrum import Spectrum as Spectrum
from rnnjac.measures.spectrum import spectrum as spectrum
from rnnjac.system.dynamics import trajectory as trajectory
from rnnjac.system.jacobians import input_jacobians as input_jacobians
from rnnjac.system.jacobians import jacobians as jacobians
from rnnjac.system.jacobians import parameter_jacobians as parameter_jacobians
from rnnjac.training import clipping as clipping
from rnnjac.training import regularizers as regularizers

if _TYPE_CHECKING:
    from rnnjac.diagnosis.diagnose import diagnose as diagnose
    from rnnjac.diagnosis.horizon import memory_horizon as memory_horizon

__version__ = "0.1.0"

# Modules that lie deeper than their public names: `import rnnjac.gates` gives rnnjac.cells.gates
# itself, not a second copy of it.
_DEEPER = (
    "cells.gates",
    "measures.carousel",
    "measures.observables",
    "training.clipping",
    "training.regularizers",
    "training.regularizers.gradient_flossing",
    "training.regularizers.omega",
)
_sys.modules.update({f"rnnjac.{n.partition('.')[2]}": _sys.modules[f"rnnjac.{n}"] for n in _DEEPER})


# What not everyone needs, at its first use: `rnnjac.plot` imports matplotlib, for one.
_MODULES = ("interop", "plot")
_FUNCTIONS = {"diagnose": "diagnosis.diagnose", "memory_horizon": "diagnosis.horizon"}


def __getattr__(name: str) -> _Any:
    """Modules and functions of the upper layers."""
    if name in _MODULES:
        return _importlib.import_module(f"rnnjac.{name}")
    if name in _FUNCTIONS:
        return getattr(_importlib.import_module(f"rnnjac.{_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module 'rnnjac' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_FUNCTIONS})
