"""Compute and store the truth for every chain: `python -m tests.make_truth`.

Writes truth/chains.npz (names, sha256 of the factors, worst conditions, sizes, log sigma one after
the other) and truth/chains.json (versions; method, bits and error bound of each chain) after each
new row. Rows whose factors have not changed are kept; `--all` computes them afresh, in a minute for
n <= 32 and a quarter of an hour for the rest. It needs a machine with 80-bit long doubles.
"""

import argparse
import json
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from tqdm import tqdm

from tests import oracles, precise
from tests.problems import CHAINS, LARGE, digest, factors, worst_condition

MULTI_PRECISION = "Jacobi in multi-precision"  # tests/oracles.py
CERTIFIED = "Jacobi in extended precision, certified"  # tests/precise.py


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _save(rows: dict[str, oracles.Stored], made: dict[str, dict[str, Any]]) -> None:
    oracles.TRUTH.parent.mkdir(exist_ok=True)
    values = [row.log_sigma for row in rows.values()]
    np.savez_compressed(
        oracles.TRUTH,
        names=np.array(list(rows)),
        digests=np.array([row.digest for row in rows.values()]),
        conditions=np.array([row.condition for row in rows.values()]),
        sizes=np.array([len(v) for v in values]),
        log_sigma=np.concatenate(values),
    )
    packages = ["numpy", "mpmath", "gmpy2", "python-flint"]
    record = {
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in packages}},
        "stable_to": oracles.STABLE,
        "extended_bits": precise.EXTENDED_BITS,
    }
    for key in ("method", "bits", "bound"):
        record[key] = {name: made[name][key] for name in rows}
    oracles.PROVENANCE.write_text(json.dumps(record, indent=1) + "\n")


def _known() -> tuple[dict[str, oracles.Stored], dict[str, dict[str, Any]]]:
    """The rows there are, and how each was made."""
    rows, record = oracles.stored_rows(), oracles.provenance()
    keys = ("method", "bits", "bound")
    return rows, {name: {key: record[key][name] for key in keys} for name in rows}


def main() -> None:
    """Fill in missing or changed rows and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="compute every row afresh")
    afresh = parser.parse_args().all or not oracles.TRUTH.exists()
    known, made = ({}, {}) if afresh else _known()

    rows = {}
    for chain in tqdm(CHAINS + LARGE, desc="chains"):
        start, js = time.process_time(), factors(chain)
        sha = digest(js)
        if chain.name in known and known[chain.name].digest == sha:
            rows[chain.name] = known[chain.name]
            continue
        if chain in LARGE:
            values, bits, bound = precise.exact_with_bound(js)
            made[chain.name] = {"method": CERTIFIED, "bits": bits, "bound": float(f"{bound:.1e}")}
        else:
            values, bits = oracles.exact_with_bits(js)
            made[chain.name] = {"method": MULTI_PRECISION, "bits": bits, "bound": oracles.STABLE}
        rows[chain.name] = oracles.Stored(sha, worst_condition(chain), values)
        if chain in LARGE:
            tqdm.write(f"{chain.name}: {time.process_time() - start:.1f} s, bound {bound:.1e}")
            _save(rows, made)
    _save(rows, made)


if __name__ == "__main__":
    main()
