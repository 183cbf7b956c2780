"""The two steps of every analysis: `compute` writes its numbers, `draw` its figures."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from analyses.common import compiled, folders, made_from, record

Arrays = dict[str, Any]
Facts = dict[str, Any]


def data_file(name: str, preset: str, build: Path) -> Path:
    """Where the numbers of an analysis lie."""
    return build / preset / f"{name}.npz"


def figure_folder(preset: str, build: Path) -> Path:
    """Where the figures of all analyses lie."""
    return build / "figures" / preset


def compute(name: str, preset: str, build: Path) -> None:
    """Compute an analysis and store its arrays, facts and provenance."""
    import jax.numpy as jnp

    compiled.once(build / "jax-cache")
    if preset == "quick":
        compiled.quickly()
    module = folders.part(name, "compute")
    if preset not in module.PRESETS:
        expected = ", ".join(module.PRESETS)
        raise record.RecordError(f"preset: expected one of {expected}; got {preset}")
    arrays, facts = module.compute(module.PRESETS[preset])
    dtype = jnp.zeros(()).dtype  # an analysis may turn on float64
    origin = record.provenance(getattr(module, "SEED", 0), dtype) | {"preset": preset}
    out = data_file(name, preset, build)
    record.save(out, arrays, {"name": name, "facts": facts, "provenance": origin})
    made_from.write(out.with_suffix(".made"))


def stored(name: str, preset: str, build: Path) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and meta of an analysis; a damaged file is computed anew."""
    path = data_file(name, preset, build)
    try:
        return record.load(path)
    except record.DamagedError as problem:
        print(f"{problem}\ncompute   {name} ({preset})", file=sys.stderr)
        path.unlink()
    # in a process of its own: what an analysis sets in JAX is no business of the caller
    options = ["compute", name, "--preset", preset, "--build", str(build.resolve())]
    subprocess.run([sys.executable, "-m", "analyses", *options], check=True, cwd=record.ROOT)
    return record.load(path)


def draw(name: str, preset: str, build: Path) -> None:
    """Draw the figures of an analysis from its stored numbers."""
    import matplotlib

    matplotlib.use("Agg")  # a file is written; no display is needed
    module = folders.part(name, "figures")
    arrays, meta = stored(name, preset, build)
    out = figure_folder(preset, build)
    out.mkdir(parents=True, exist_ok=True)
    module.draw(arrays, meta["facts"], out)
    made_from.write(out / f"{name}.made")
