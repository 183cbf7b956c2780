"""How the programs of an analysis are compiled: each once, and quickly where the run is short."""

import importlib.metadata
import os
from pathlib import Path

import jax

# Much of a short run is compiling. With these flags that takes 0.4 times as long (a spectrum: 4.3 s
# of CPU and not 10.5 s); what is compiled runs as long, within the 20 % that two runs differ by. A
# flag that XLA does not know ends the process, and jaxlib 0.12 no longer has the first.
QUICK = (
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
    "--xla_backend_optimization_level=1",
    "--xla_llvm_disable_expensive_passes=true",
)
KNOWN_TO = "0.10."
WORTHWHILE = 0.2  # seconds of compiling from which on a program is kept; to read one takes 0.1


def once(folder: Path) -> None:
    """From now on keep programs in ``folder``, for other functions and for other analyses.

    Runs of `rnnjac.training.train` that differ in their start alone share all programs. A program
    that is damaged is compiled again. A folder that the user has set stays in use.
    """
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(folder.resolve()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTHWHILE)


def quickly() -> None:
    """Compile with the flags `QUICK`, unless the user has set others or the first is compiled."""
    if importlib.metadata.version("jaxlib").startswith(KNOWN_TO):
        os.environ.setdefault("XLA_FLAGS", " ".join(QUICK))
