"""Stored measurements as text tables: seconds for rnnjac, ratios for everything else."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.measure import BATCH, DTYPES, GATED, LORENZ, NETWORKS, TANH
from benchmarks.peers import PEERS
from benchmarks.timing import spread

Medians = dict[str, float]


def text(result: dict[str, Any]) -> str:
    """All tables of one run."""
    meta, rows = result["meta"], result["rows"]
    blocks = [_heading(meta, rows)]
    for dtype in DTYPES:
        here = [row for row in rows if row["dtype"] == dtype]
        timed = {row["case"] for row in here}  # not all of them in a run that was cut off
        if TANH in timed:
            nets = medians(here, TANH, dtype)
            blocks += [_peers(nets, dtype, _steps(here, TANH)), _pieces(nets, dtype)]
            blocks.append(_exact(nets, dtype))
        blocks += [_batch(here, dtype)] if BATCH in timed else []
        blocks += [_gated(here, dtype)] if timed & GATED.keys() else []
        blocks += [_flow(here, dtype)] if LORENZ in timed else []
    blocks.append(_latency(result["latency"]))
    return "\n\n".join(blocks + ([_memory(result["memory"])] if result.get("memory") else []))


def medians(rows: Sequence[dict[str, Any]], case: str, dtype: str) -> dict[int, Medians]:
    """Median seconds by size and run."""
    found: dict[int, Medians] = {}
    for row in rows:
        if row["case"] == case and row["dtype"] == dtype:
            found.setdefault(row["n"], {})[row["run"]] = float(np.median(row["seconds"]))
    return found


def fastest_peer(seconds: Medians) -> float:
    """Least median of those that are not rnnjac; NaN if there is none."""
    others = [seconds[name] for name in PEERS if name != "rnnjac" and name in seconds]
    return min(others, default=float("nan"))


def columns(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Lines of a table with right-aligned columns."""
    table = [header, *body]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = ("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in table)
    return "\n".join(lines)


def _heading(meta: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    noisiest = max(rows, key=lambda row: spread(row["seconds"]))
    where = f"{noisiest['run']}, {noisiest['case']}, n = {noisiest['n']}, {noisiest['dtype']}"
    typical = float(np.median([spread(row["seconds"]) for row in rows]))
    versions = ", ".join(f"{name} {meta[name]}" for name in ("jax", "lyapax", "torch", "numpy"))
    rounds, worst = len(noisiest["seconds"]), spread(noisiest["seconds"])
    threads = "".join(f"; {name}={value}" for name, value in meta["threads"].items())
    return (
        f"{meta['device']}{threads}; {versions}; commit {meta['commit']}; {meta['utc']}\n"
        f"medians of {rounds} interleaved rounds; quartiles apart by {typical:.0%} of the median "
        f"in a typical row,\n{worst:.0%} in the noisiest ({where})"
    )


def _peers(nets: dict[int, Medians], dtype: str, steps: int) -> str:
    others = [name for name in PEERS if name != "rnnjac" and all(name in s for s in nets.values())]
    header = ["n", "rnnjac, ms/step", *others, "fastest peer", "over products alone"]
    body = [
        [
            str(n),
            f"{1e3 * s['rnnjac'] / steps:.4f}",
            *(_times(s[name] / s["rnnjac"]) for name in others),
            _times(fastest_peer(s) / s["rnnjac"]),
            _times(s["rnnjac"] / s["products only"]),
        ]
        for n, s in nets.items()
    ]
    title = (
        f"Full Lyapunov spectrum, tanh net, gain 1.5, T = {steps}, {dtype}: "
        "time of each peer over rnnjac's,\nand of rnnjac over a chain of products alone"
    )
    return f"{title}\n{columns(header, body)}"


def _pieces(nets: dict[int, Medians], dtype: str) -> str:
    header = ["n", "product", "LU", "permutation", "rest", "(QR, not used)"]
    body = []
    for n, s in nets.items():
        share = [s[f"{part} only"] / s["rnnjac"] for part in ("LU", "permutation")]
        share.insert(0, s["products only"] / s["rnnjac"])
        share += [1 - sum(share), s["QR only"] / s["rnnjac"]]
        body.append([str(n), *(f"{part:.0%}" for part in share)])
    title = (
        f"Where rnnjac's time goes, {dtype}: each piece timed alone at every step, as a share of\n"
        "the whole; where rnnjac factorises less often than that, the rest is negative"
    )
    return f"{title}\n{columns(header, body)}"


def _exact(nets: dict[int, Medians], dtype: str) -> str:
    header = ["n", "over exponents"]
    body = [[str(n), _times(s["exact spectrum"] / s["rnnjac"])] for n, s in nets.items()]
    title = f"Exact finite-time spectrum of the same chain, {dtype}: time over exponents only"
    return f"{title}\n{columns(header, body)}"


def _batch(rows: Sequence[dict[str, Any]], dtype: str) -> str:
    steps, (n, s) = _steps(rows, BATCH), next(iter(medians(rows, BATCH, dtype).items()))
    others = [name for name in s if name != "rnnjac"]
    body = [
        f"{1e3 * s['rnnjac'] / steps / NETWORKS:.4f}",
        *(_times(s[name] / s["rnnjac"]) for name in others),
    ]
    title = f"{NETWORKS} tanh nets at once by vmap, n = {n}, T = {steps}, {dtype}"
    header = ["rnnjac, ms/step of one", *others]
    return f"{title}: time over rnnjac's\n{columns(header, [body])}"


def _gated(rows: Sequence[dict[str, Any]], dtype: str) -> str:
    found = {name: medians(rows, name, dtype) for name in GATED}
    sizes = {name: next(iter(seconds.items())) for name, seconds in found.items() if seconds}
    others = [name for name in PEERS if all(name in s for _, s in sizes.values())][1:]
    body = [
        [
            f"{name}, n = {n}",
            f"{1e3 * s['rnnjac'] / _steps(rows, name):.4f}",
            *(_times(s[other] / s["rnnjac"]) for other in others),
        ]
        for name, (n, s) in sizes.items()
    ]
    title = f"Gated cells, T = {_steps(rows, next(iter(sizes)))}, {dtype}: time over rnnjac's"
    return f"{title}\n{columns(['', 'rnnjac, ms/step', *others], body)}"


def _flow(rows: Sequence[dict[str, Any]], dtype: str) -> str:
    (s,) = medians(rows, LORENZ, dtype).values()
    others = [name for name in s if name != "rnnjac"]
    body = [f"{1e3 * s['rnnjac']:.1f}", *(_times(s[name] / s["rnnjac"]) for name in others)]
    title = f"Lorenz, RK4, {_steps(rows, LORENZ):,} steps, factorised every 10, {dtype}"
    return f"{title}: time over rnnjac's\n{columns(['rnnjac, ms', *others], [body])}"


def _latency(found: Sequence[dict[str, Any]]) -> str:
    header = ["", "first call, s", "second call, s", "compilations in the second"]
    body = [
        [
            row["run"],
            f"{row['first_seconds']:.2f}",
            f"{row['second_seconds']:.4f}",
            str(row["second_compilations"]),
        ]
        for row in found
    ]
    first = found[0]
    title = f"Compiling, n = {first['n']}, T = {first['steps']}; the second call has new values"
    return f"{title}\n{columns(header, body)}"


def _memory(found: Sequence[dict[str, Any]]) -> str:
    header = ["", "peak, MB", "with compiling, s"]
    body = [[row["case"], f"{row['megabytes']:.0f}", f"{row['seconds']:.1f}"] for row in found]
    return f"Peak memory of a process of its own, float64\n{columns(header, body)}"


def _steps(rows: Sequence[dict[str, Any]], case: str) -> int:
    return next(row["steps"] for row in rows if row["case"] == case)


def _times(ratio: float) -> str:
    return f"{ratio:,.{2 if ratio < 10 else 1 if ratio < 100 else 0}f}x"
