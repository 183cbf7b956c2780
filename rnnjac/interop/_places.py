"""Which of the recurrent layers of a larger network a prefix means, and what lies near it."""

import difflib
import re
from collections.abc import Iterable

from rnnjac._support import checks

# parts of a name that libraries add: "params/encoder/cell" of Flax, "layers/lstm/cell" of Keras
ADDED = ("params", "layers", "cell")
# more than these are no help to read
NEAR = 6


def parts(name: str) -> list[str]:
    """Parts of a name, between dots or slashes, less those that libraries add."""
    return [part for part in re.split(r"[./]", name) if part and part not in ADDED]


def only(places: Iterable[str], prefix: str) -> str:
    """The place that a prefix names, or the only one in what it names."""
    found, wanted = {place: parts(place) for place in places}, parts(prefix)
    literal = [place for place in found if _plain(place) == _plain(prefix)]
    exact = [place for place, path in found.items() if path == wanted]
    within = [place for place, path in found.items() if path[: len(wanted)] == wanted]
    for alike in (literal, exact, within):
        if len(alike) == 1:
            return alike[0]
    raise unknown(prefix, [".".join(found[place]) for place in within or found])


def _plain(name: str) -> str:
    return name.replace("/", ".").strip(".")


def unknown(prefix: str, places: Iterable[str]) -> Exception:
    """Error that names the places, or those most like the prefix."""
    near = sorted(places)
    near = difflib.get_close_matches(prefix, near, NEAR, 0) if len(near) > NEAR else near
    return checks.error("prefix", "one of " + ", ".join(map(repr, near)), repr(prefix))


def near(full: str, names: Iterable[str]) -> str:
    """Words for the names that lie nearest to one that is missing."""
    found = difflib.get_close_matches(full, [name for name in names if name != full], 3)
    return "no tensor of that name" + (f"; near it: {', '.join(found)}" if found else "")
