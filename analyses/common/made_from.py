"""Which files of the project a command used, written down for make beside what it made.

A line for each file, then "# whole" and their number; make takes a list without that last line, or
one that names a file which is gone, for damaged and makes its target anew.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from analyses.common import record

FOLDERS = ("rnnjac", "analyses")


def imported() -> set[Path]:
    """Files of the library and of the analyses that this process has imported."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    roots = [record.ROOT / folder for folder in FOLDERS]
    paths = {Path(file).resolve() for file in files if file}
    return {path for path in paths if any(root in path.parents for root in roots)}


def write(path: Path, others: Iterable[Path] = ()) -> None:
    """Write the list of this process, and of ``others`` that it read, to ``path``."""
    used = sorted(p.relative_to(record.ROOT).as_posix() for p in imported().union(others))
    text = "".join(f"{line}\n" for line in (*used, f"# whole {len(used)}"))
    record.write_atomically(path, lambda file: file.write(text.encode()))
