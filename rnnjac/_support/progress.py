"""Progress of long work: a bar on a terminal or in a notebook, else a line now and then."""

import sys
from typing import Any

from tqdm import tqdm

# Seconds between two lines in a log.
SPACING = 60.0
_LINE = "{desc}{n_fmt}/{total_fmt} {unit}s, {elapsed} so far, {remaining} left{postfix}\n"


def progress_bar(*arguments: Any, **settings: Any) -> tqdm:
    """`tqdm` with the same arguments; where nobody watches, it writes lines and redraws nothing."""
    if sys.stderr.isatty() or "ipykernel" in sys.modules:  # a terminal or a notebook
        return tqdm(*arguments, **settings)
    if settings.get("desc"):
        settings["desc"] += ": "  # which tqdm does for its own formats alone
    every = {"mininterval": SPACING, "maxinterval": SPACING, "delay": SPACING}
    return _Lines(*arguments, **(settings | every | {"bar_format": _LINE}))


class _Lines(tqdm):
    """A bar that another text does not make write a line at once."""

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        super().set_postfix_str(s, refresh=False)
