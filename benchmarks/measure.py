"""What is measured, and in which sizes."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import rnnjac
from benchmarks import parts, peers, timing, workloads

TANH, LORENZ, BATCH = "tanh net", "Lorenz", "tanh nets"
NETWORKS, BATCH_SIZE = 32, 64
LOOP = "rnnjac, in a loop"
GATED = {"LSTM": ("lstm", 64), "GRU": ("gru", 128)}  # kind and units; an LSTM has 2 n numbers
RECOMPILING = "lyapax, not jitted"  # in the Lorenz case alone: it mostly times the compiler
DTYPES = ("float64", "float32")
LATENCY_SIZE, LATENCY_LENGTH, LATENCY_DTYPE = 64, 100, "float64"


class Sizes(NamedTuple):
    """How large a run is."""

    units: tuple[int, ...]
    length: int
    batch_length: int
    lorenz_length: int
    rounds: int


FULL = Sizes((32, 64, 128, 256), 500, 200, 50_000, 9)
QUICK = Sizes((32, 64, 128), 100, 40, 50_000, 5)


class Case(NamedTuple):
    """Runs that are timed in turns; ``prepare`` makes them when their turn has come."""

    name: str
    n: int
    length: int
    dtype: str
    runs: tuple[str, ...]
    prepare: Callable[[], dict[str, peers.Run]]


def cases(sizes: Sizes) -> list[Case]:
    """All cases of a run, the main ones first."""
    found = [_tanh(n, sizes.length, dtype) for dtype in DTYPES for n in sizes.units]
    for dtype in DTYPES:
        found.append(_batch(sizes.batch_length, dtype))
        found += [_gated(name, sizes.length, dtype) for name in GATED]
        found.append(_lorenz(sizes.lorenz_length, dtype))
    return found


def ticks(cases: Iterable[Case], rounds: int) -> int:
    """How often `rows` calls ``tick``."""
    return sum(len(case.runs) * (rounds + 1) for case in cases)


def rows(case: Case, rounds: int, tick: Callable[[], object]) -> list[dict[str, Any]]:
    """One row for each run of a case, with the seconds of every round."""
    seconds = timing.interleaved(case.prepare(), rounds, tick)
    shared = {"case": case.name, "n": case.n, "steps": case.length, "dtype": case.dtype}
    return [{**shared, "run": name, "seconds": times} for name, times in seconds.items()]


def latency() -> list[dict[str, Any]]:
    """First call and second call, with new values, of the two main functions."""
    size = LATENCY_SIZE, LATENCY_LENGTH, LATENCY_DTYPE
    nets = [workloads.tanh_net(*size, seed) for seed in (0, 1)]
    values = [(jnp.asarray(net.params), jnp.asarray(net.start)) for net in nets]
    found = []
    for function in (rnnjac.spectrum, rnnjac.lyapunov_exponents):
        # a step that no call has seen before
        step = lambda params, state, x: jnp.tanh(params @ state)  # noqa: E731

        def call(index, function=function, step=step):
            return jax.block_until_ready(function(step, *values[index], length=LATENCY_LENGTH))

        shared = {"run": function.__name__, "n": LATENCY_SIZE, "steps": LATENCY_LENGTH}
        found.append({**shared, **timing.first_and_second(call)})
    return found


def _tanh(n: int, length: int, dtype: str) -> Case:
    names = [name for name in peers.installed() if name != RECOMPILING]
    makers = {name: peers.PEERS[name] for name in names} | parts.PARTS

    def prepare() -> dict[str, peers.Run]:
        problem = workloads.tanh_net(n, length, np.dtype(dtype))
        return {name: make(problem) for name, make in makers.items()}

    return Case(TANH, n, length, dtype, tuple(makers), prepare)


def _batch(length: int, dtype: str) -> Case:
    makers = {name: peers.PEERS[name] for name in peers.installed() if name != RECOMPILING}
    makers[LOOP] = peers.with_rnnjac_in_a_loop

    def prepare() -> dict[str, peers.Run]:
        problem = workloads.tanh_nets(NETWORKS, BATCH_SIZE, length, np.dtype(dtype))
        return {name: make(problem) for name, make in makers.items()}

    return Case(BATCH, BATCH_SIZE, length, dtype, tuple(makers), prepare)


def _gated(name: str, length: int, dtype: str) -> Case:
    kind, n = GATED[name]
    names = [other for other in peers.installed() if other != RECOMPILING]

    def prepare() -> dict[str, peers.Run]:
        problem = workloads.gated_net(kind, n, length, np.dtype(dtype))
        return {other: peers.PEERS[other](problem) for other in names}

    return Case(name, n, length, dtype, tuple(names), prepare)


def _lorenz(length: int, dtype: str) -> Case:
    # the torch loop would take half a minute for 50,000 steps of four stages
    makers = {name: peers.PEERS[name] for name in peers.installed() if name != "torch"}

    def prepare() -> dict[str, peers.Run]:
        problem = workloads.lorenz(length, np.dtype(dtype))
        return {name: make(problem) for name, make in makers.items()}

    return Case(LORENZ, 3, length, dtype, tuple(makers), prepare)
