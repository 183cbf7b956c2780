"""The two commands of every analysis: `compute` writes numbers, `draw` turns them into figures.

An analysis ends with ``if __name__ == "__main__": cli.main("its_name", compute, draw, PRESETS)``
and provides

    compute(settings) -> (arrays, meta)   settings is PRESETS[preset]
    draw(arrays, meta, outdir)            writes the files that meta["figures"] lists, from its
                                          arguments alone, which come from the data file

where meta holds "seed", "dtype" and, as far as the analysis has them,

    "claims":  [{"id": "S4", "verdict": "holds", "measured": "what was found"}, ...]
    "figures": [{"file": "name.svg", "caption": "...", "alt": "..."}, ...]
    "title", "summary": what the report prints above the figures
    "checks":  rows of a table of expected and measured values (see reference_checks)
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from analyses import claims, record

Arrays = dict[str, Any]
Meta = dict[str, Any]


def main(
    name: str,
    compute: Callable[[Any], tuple[Arrays, Meta]],
    draw: Callable[[Arrays, Meta, Path], None],
    presets: Mapping[str, Any],
    arguments: list[str] | None = None,
) -> None:
    """Run the command that the command line names."""
    options = _parser(name, presets).parse_args(arguments)
    try:
        if options.command == "compute":
            _compute(name, compute, options.preset, presets[options.preset], options.out)
        else:
            _draw(draw, options.data, options.out)
    except record.RecordError as problem:
        sys.exit(f"{name}: {problem}")


def _parser(name: str, presets: Mapping[str, Any]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m analyses.{name}")
    commands = parser.add_subparsers(dest="command", required=True)
    compute = commands.add_parser("compute", help="compute and write the data file")
    compute.add_argument("--preset", choices=list(presets), default="quick")
    compute.add_argument("--out", type=Path, required=True, help="data file to write (.npz)")
    draw = commands.add_parser("draw", help="draw the figures from the data file")
    draw.add_argument("--data", type=Path, required=True, help="data file to read (.npz)")
    draw.add_argument("--out", type=Path, required=True, help="folder of the figures")
    return parser


def _compute(name: str, compute: Callable, preset: str, settings: Any, out: Path) -> None:
    arrays, meta = compute(settings)
    measured = meta.get("claims", [])
    claims.validate(measured)
    facts = record.provenance(meta.get("seed", 0), meta.get("dtype", "float64"))
    facts["preset"] = preset
    measured = [{**claim, "script": f"analyses/{name}.py"} for claim in measured]
    record.save(out, arrays, {**meta, "name": name, "claims": measured, "provenance": facts})


def _draw(draw: Callable, data: Path, out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")  # a file is written; no display is needed
    arrays, meta = record.load(data)
    out.mkdir(parents=True, exist_ok=True)
    draw(arrays, meta, out)
    missing = [f["file"] for f in meta.get("figures", []) if not (out / f["file"]).is_file()]
    if missing:
        raise record.RecordError(f"draw: expected it to write {', '.join(missing)}")
