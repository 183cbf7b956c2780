"""Training that goes on from its checkpoint, or begins again where that is of another run."""

import sys
from pathlib import Path
from typing import Any

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
