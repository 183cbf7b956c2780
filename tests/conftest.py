"""Settings of every test run: strict promotion, reproducible draws, no display, quick compiling.

The precision is the environment's: the suite runs once with JAX_ENABLE_X64=0 and once with =1,
and no test toggles it.
"""

import os
import pathlib

os.environ.setdefault("MPLBACKEND", "Agg")

# Most of a run is compiling, and what is compiled runs once. Without optimisation, with the older
# and simpler emitters, in one piece, a spectrum compiles in 2.1 s of CPU and not in 7.7 s. Children
# inherit it. XLA_FLAGS= (empty, as in `make test-all`) tests the code that users run.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
    " --xla_cpu_parallel_codegen_split_count=1",
)
# What one file or one run has compiled serves the next, even the smallest function.
CACHE = pathlib.Path(__file__).parents[1] / "build" / "jax-cache"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import hypothesis
import jax
import jax.numpy as jnp
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# derandomised: a failure is the same on every machine; no deadline: the first example compiles
hypothesis.settings.register_profile(
    "suite", derandomize=True, deadline=None, max_examples=25, database=None
)
hypothesis.settings.load_profile("suite")

# The long analyses are tested in the precision that they run in: training in float32, the others in
# float64.
OF_FLOAT64 = (
    "cliff",
    "eigenvalue_decay",
    "flossing_effect",
    "lstm_carousel",
    "relu_and_identity",
    "trained_digits",
)
OF_FLOAT32 = ("char_text", "gates_learn", "temporal_order")
collect_ignore = [
    f"test_{name}.py" for name in (OF_FLOAT32 if jax.config.jax_enable_x64 else OF_FLOAT64)
]


@pytest.fixture(scope="session")
def dtype():
    """Default floating-point dtype of this run: float64 under JAX_ENABLE_X64=1, else float32."""
    return jnp.zeros(()).dtype


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_code():
    """Drop compiled code between files: of no use to the next, it would fill gigabytes."""
    yield
    jax.clear_caches()
