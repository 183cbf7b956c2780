"""Training that goes on from its checkpoint, or begins again where that is of another run."""

import hashlib
import sys
from pathlib import Path
from typing import Any

from analyses.common import record
from analyses.common.folders import ANALYSES
from rnnjac import training


def train(*arguments: Any, checkpoint: Path | None = None, **settings: Any) -> training.Training:
    """`rnnjac.training.train`; a checkpoint of other code or settings is removed, saying so."""
    try:
        return training.train(*arguments, checkpoint=checkpoint, **settings)
    except ValueError as problem:
        if checkpoint is None or not str(problem).startswith("checkpoint:"):
            raise
        # its numbers are of no use any more
        print(f"{problem}\nstarting again", file=sys.stderr)
        checkpoint.unlink()
        return training.train(*arguments, checkpoint=checkpoint, **settings)


def code(name: str) -> str:
    """Digest of the library's source and of an analysis: numbers of other code are of no use.

    What is drawn and said afterwards changes no number and does not count.
    """
    digest = hashlib.sha256()
    sources = {*(record.ROOT / "rnnjac").rglob("*.py"), *(ANALYSES / name).glob("*.py")}
    for path in sorted(p for p in sources if p.name not in ("figures.py", "words.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
