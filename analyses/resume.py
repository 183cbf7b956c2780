"""Training that goes on from its checkpoint, or begins again where that is of another run."""

import hashlib
import sys
from pathlib import Path
from typing import Any

from analyses import record
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


def code(*names: str) -> str:
    """Digest of the library's source and of these analyses: numbers of other code are of no use."""
    digest = hashlib.sha256()
    folder = record.ROOT / "analyses"
    sources = [*(record.ROOT / "rnnjac").rglob("*.py"), *(folder / f"{name}.py" for name in names)]
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()
