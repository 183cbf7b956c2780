"""``python -m benchmarks``: time rnnjac beside its peers; print, store and draw the ratios."""

import argparse
import importlib.metadata
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from analyses.common import record
from benchmarks import figure, measure, memory, table
from rnnjac._support.progress import progress_bar

FOLDER = record.ROOT / "build" / "bench"
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "XLA_FLAGS")


def main(arguments: list[str] | None = None) -> None:
    """Run or show, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: some 2 minutes")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each run is timed")
    parser.add_argument(
        "--show", type=Path, metavar="FILE", help="print a stored run, time nothing"
    )
    options = parser.parse_args(arguments)
    if options.show:
        print(table.text(json.loads(options.show.read_text())))
        return
    # both precisions in one process; a stored compilation would flatter the first call; peers do
    # not multiply in tf32 or bfloat16 where rnnjac does not
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_enable_compilation_cache", False)
    jax.config.update("jax_default_matmul_precision", "highest")
    name = "quick" if options.quick else "full"
    sizes = measure.QUICK if options.quick else measure.FULL
    if options.rounds is not None:
        if options.rounds < 1:
            parser.error(f"--rounds: expected at least 1; got {options.rounds}")
        sizes = sizes._replace(rounds=options.rounds)
    result = run(sizes, FOLDER / f"{name}.json", () if options.quick else tuple(memory.CASES))
    print(table.text(result))
    figure.draw(result, FOLDER / f"{name}.svg")
    print(f"\nwritten   {FOLDER.relative_to(record.ROOT)}/{name}.json, {name}.svg")


def run(sizes: measure.Sizes, path: Path, memory_cases: Sequence[str]) -> dict[str, Any]:
    """All measurements of a run, with their provenance.

    Written to ``path`` after each case, so that a run that is cut off loses no more than one.
    """
    cases = measure.cases(sizes)
    result: dict[str, Any] = {"latency": measure.latency(), "rows": [], "memory": []}
    with progress_bar(total=measure.ticks(cases, sizes.rounds), unit="run", leave=False) as bar:
        for case in cases:
            bar.set_postfix_str(f"{case.name}, n = {case.n}, {case.dtype}")
            result["rows"] += measure.rows(case, sizes.rounds, lambda: bar.update())
            store(result | {"meta": _meta()}, path)
    for case in progress_bar(memory_cases, unit="case", leave=False):
        result["memory"].append(memory.measured(case))
        store(result | {"meta": _meta()}, path)
    return result | {"meta": _meta()}


def _meta() -> dict[str, Any]:
    meta = record.provenance(0, np.float64)
    meta |= {"dtype": ", ".join(measure.DTYPES), "lyapax": _version("lyapax")}
    # BLAS threads decide much of the time at small n
    meta["threads"] = {name: os.environ[name] for name in THREADS if name in os.environ}
    return meta | {"torch": _version("torch")}


def store(result: dict[str, Any], path: Path) -> None:
    """Write a run as JSON, whole or not at all."""
    text = json.dumps(result, indent=1, allow_nan=False) + "\n"
    record.write_atomically(path, lambda file: file.write(text.encode()))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
