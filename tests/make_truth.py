"""Compute and store the truth for every chain: `python -m tests.make_truth` (half a minute).

Writes truth/chains.npz (names, sha256 of the factors, sizes, log sigma one after the other) and
truth/chains.json (versions, the bits each chain needed). Rows whose factors have not changed are
kept; `--all` computes them afresh.
"""

import argparse
import json
import platform
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from tqdm import tqdm

from tests import oracles
from tests.problems import CHAINS, digest, factors


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def main() -> None:
    """Fill in missing or changed rows and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="compute every row afresh")
    afresh = parser.parse_args().all or not oracles.TRUTH.exists()
    known = {} if afresh else oracles.stored_rows()
    bits = {} if afresh else dict(oracles.provenance()["bits"])

    rows = {}
    for chain in tqdm(CHAINS, desc="chains"):
        js = factors(chain)
        sha = digest(js)
        if chain.name in known and known[chain.name][0] == sha:
            rows[chain.name] = known[chain.name]
        else:
            values, bits[chain.name] = oracles.exact_with_bits(js)
            rows[chain.name] = (sha, values)

    oracles.TRUTH.parent.mkdir(exist_ok=True)
    values = [log_sigma for _, log_sigma in rows.values()]
    np.savez_compressed(
        oracles.TRUTH,
        names=np.array(list(rows)),
        digests=np.array([sha for sha, _ in rows.values()]),
        sizes=np.array([len(v) for v in values]),
        log_sigma=np.concatenate(values),
    )
    packages = ["numpy", "mpmath", "gmpy2", "python-flint"]
    record = {
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in packages}},
        "stable_to": oracles.STABLE,
        "bits": {name: bits[name] for name in rows},
    }
    oracles.PROVENANCE.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
