"""``python -m benchmarks.memory CASE``: peak memory of a process that makes one long run."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from analyses.common import record
from benchmarks.workloads import tanh_net, tanh_step

LONG, SHORT, WIDE, LEADING = 1_000_000, 10_000, 4096, 16


def spectrum_over(length: int) -> None:
    """Exact spectrum and exponents of 16 units."""
    problem = tanh_net(16, length, np.float64)
    arguments = problem.step, jnp.asarray(problem.params), jnp.asarray(problem.start)
    jax.block_until_ready(rnnjac.spectrum(*arguments, length=length))
    jax.block_until_ready(rnnjac.lyapunov_exponents(*arguments, length=length))


def leading_of_many() -> None:
    """Leading 16 exponents of 4096 units, 100 steps."""
    key = jax.random.key(0)
    weights = 1.5 / WIDE**0.5 * jax.random.normal(key, (WIDE, WIDE))
    start = jax.random.normal(key, (WIDE,))
    found = rnnjac.lyapunov_exponents(tanh_step, weights, start, length=100, top=LEADING)
    jax.block_until_ready(found)


CASES: dict[str, Callable[[], None]] = {
    f"n = {WIDE}, k = {LEADING}, T = 100": leading_of_many,
    f"T = {SHORT:,}, n = 16": lambda: spectrum_over(SHORT),
    f"T = {LONG:,}, n = 16": lambda: spectrum_over(LONG),
}


def measured(case: str) -> dict[str, float | str]:
    """Peak resident memory (MB) and seconds of a case, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", case]
    done = subprocess.run(command, cwd=record.ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(case: str) -> None:
    """Run one case and print its peak as JSON."""
    jax.config.update("jax_enable_x64", True)
    begun = time.perf_counter()
    CASES[case]()
    seconds = time.perf_counter() - begun
    print(json.dumps({"case": case, "megabytes": peak() / 1e6, "seconds": seconds}))


def peak() -> int:
    """Largest memory so far, bytes: resident in this process, or in use on its accelerator."""
    on_device = jax.devices()[0].memory_stats()  # None on a CPU
    if on_device:
        return on_device["peak_bytes_in_use"]
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where ru_maxrss would count that of the process which started this
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(sys.argv[1])
