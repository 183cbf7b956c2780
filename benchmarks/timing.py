"""Clocks: interleaved repeats, and what compiling costs."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

import jax
import numpy as np

COMPILED = "/jax/core/compile/backend_compile_duration"
REST = 0.02  # seconds before each run: thread pools of the one before come to rest


def interleaved(
    runs: Mapping[str, Callable[[], object]], rounds: int, tick: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """Seconds of each run in each round.

    Every run is called once untimed, to compile and to warm up. A round then calls each of them
    once, in an order drawn anew, so that a slow spell of the machine, or threads left spinning by
    the one before, meets all of them alike.
    """
    for run in runs.values():
        run()
        tick()
    names, draw = list(runs), np.random.default_rng(0)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for index in draw.permutation(len(names)):
            time.sleep(REST)
            start = time.perf_counter()
            runs[names[index]]()
            seconds[names[index]].append(time.perf_counter() - start)
            tick()
    return seconds


def spread(seconds: list[float]) -> float:
    """Range from the first to the third quartile, over the median."""
    low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75])
    return float((high - low) / middle)


@contextlib.contextmanager
def counting_compilations() -> Iterator[list[float]]:
    """Seconds of each compilation that happens in the ``with`` block."""
    found: list[float] = []

    def listen(event: str, duration: float, **_: object) -> None:
        if event == COMPILED:
            found.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def first_and_second(call: Callable[[int], object]) -> dict[str, float]:
    """Seconds of ``call(0)`` and of ``call(1)``, and how much each compiled."""
    result: dict[str, float] = {}
    for index, which in enumerate(("first", "second")):
        with counting_compilations() as compiled:
            start = time.perf_counter()
            call(index)
            result[f"{which}_seconds"] = time.perf_counter() - start
        result[f"{which}_compilations"] = len(compiled)
    return result
