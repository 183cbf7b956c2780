"""Settings of every test run: strict promotion, reproducible draws, no display, quick compiling.

The precision is the environment's: the suite runs once with JAX_ENABLE_X64=0 and once with =1,
and no test toggles it.
"""

import gc
import importlib.metadata
import os

os.environ.setdefault("MPLBACKEND", "Agg")

# Most of a run is compiling, and what is compiled runs once. Without optimisation, with the older
# and simpler emitters, in one piece, a spectrum compiles in 2.0 s of CPU and not in 6.5 s. Children
# inherit it. `make test-all` empties both: it tests the code that users run. A flag that XLA does
# not know ends the process, and jaxlib 0.12 no longer has the first.
if importlib.metadata.version("jaxlib").startswith("0.10."):
    os.environ.setdefault(
        "XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    )
# Batches of factorisations wait for threads of jaxlib's pool within threads of that pool, of which
# there are as many as cores: two at a time lock up two cores. With eight they do not meet.
os.environ.setdefault("NPROC", "8")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# What one file or one run has compiled serves the next, even the smallest function.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR",
    os.path.abspath(os.path.join(os.path.dirname(__file__), "../build/jax-cache")),
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# Where in the code an operation stands serves a profile alone, and costs a tenth of lowering.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")

import hypothesis
import jax
import jax.numpy as jnp
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# Tracing makes many small objects of which few are garbage in cycles: looking for those as often as
# Python does by itself takes a tenth of a run.
gc.set_threshold(50_000, 20, 100)

QUICKLY_COMPILED = jax.config.read("jax_disable_most_optimizations")

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
    f"analyses/test_{name}.py" for name in (OF_FLOAT32 if jax.config.jax_enable_x64 else OF_FLOAT64)
]
# Two ways to the same numbers (steps or sequences of another form, other packages): float64 leaves
# least room between them.
OF_TWO_WAYS = ("benchmarks", "interop_torch_compare", "lengths", "steps")
if not jax.config.jax_enable_x64:
    collect_ignore += [f"test_{name}.py" for name in OF_TWO_WAYS]

# Of these files, a test that does not ask for `dtype` is about what no precision changes: text,
# messages, layout, files, traces, the order of a loop, what whole numbers say, pictures, findings
# (factors of 10 and 1000), oracles that compute without JAX. It runs in float32 alone.
OF_STRUCTURE = """
    architecture batches cells_closed_forms cells_gru cells_initializers cells_lstm cells_lstm_1997
    cells_modern cells_others cells_stack checkpoint command command_line diagnosis diagnosis_cells
    diagnosis_page docs drawn gates initializers interop_equinox interop_flax interop_keras
    interop_load interop_torch make memory_horizon monitor oracles plot precise progress record
    report report_page summary tasks training transforms
""".split()


def pytest_collection_modifyitems(config, items):
    """Leave out under float64 what is the same in every precision."""
    if not jax.config.jax_enable_x64:
        return
    names = {f"test_{name}" for name in OF_STRUCTURE}
    left = [item for item in items if item.path.stem in names and "dtype" not in item.fixturenames]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]


def pytest_collection_finish():
    """Leave what was imported out of all later searches for garbage."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Optimise what a test compiles where its running costs more than that."""
    quickly = QUICKLY_COMPILED and item.get_closest_marker("optimised") is None
    jax.config.update("jax_disable_most_optimizations", quickly)


@pytest.fixture(scope="session")
def dtype():
    """Default floating-point dtype of this run: float64 under JAX_ENABLE_X64=1, else float32."""
    return jnp.zeros(()).dtype


@pytest.fixture(scope="session")
def chromium():
    """A running browser; a test that asks for it is skipped where none is installed."""
    from tests import browser

    if browser.CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with browser.started() as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_code():
    """Drop compiled code between files: of no use to the next, it would fill gigabytes."""
    yield
    jax.clear_caches()
