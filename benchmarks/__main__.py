"""``python -m benchmarks``: time rnnjac beside its peers; print, store and draw the ratios."""

import argparse
import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from analyses import record
from benchmarks import figure, measure, memory, table

FOLDER = record.ROOT / "build" / "bench"
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "XLA_FLAGS")


def main(arguments: list[str] | None = None) -> None:
    """Run or show, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: some 2 minutes")
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
    result = run(measure.QUICK if options.quick else measure.FULL)
    if not options.quick:
        result["memory"] = [memory.measured(case) for case in tqdm(memory.CASES, leave=False)]
    name = "quick" if options.quick else "full"
    print(table.text(result))
    store(result, FOLDER / f"{name}.json")
    figure.draw(result, FOLDER / f"{name}.svg")
    print(f"\nwritten   {FOLDER.relative_to(record.ROOT)}/{name}.json, {name}.svg")


def run(sizes: measure.Sizes) -> dict[str, Any]:
    """All measurements of a run, with their provenance."""
    cases = measure.cases(sizes)
    latency = measure.latency()
    rows: list[dict[str, Any]] = []
    with tqdm(total=measure.ticks(cases, sizes.rounds), unit="run", leave=False) as bar:
        for case in cases:
            bar.set_description(f"{case.name}, n = {case.n}, {case.dtype}")
            rows += measure.rows(case, sizes.rounds, lambda: bar.update())
    meta = record.provenance(0, np.float64)
    meta |= {"dtype": ", ".join(measure.DTYPES), "lyapax": _version("lyapax")}
    # BLAS threads decide much of the time at small n
    meta["threads"] = {name: os.environ[name] for name in THREADS if name in os.environ}
    return {"meta": meta | {"torch": _version("torch")}, "rows": rows, "latency": latency}


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
