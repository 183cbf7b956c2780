"""Files that stand inside the page, as addresses that need no other file."""

import base64
import io
from pathlib import Path
from typing import Any
from urllib.parse import quote

import matplotlib.pyplot as plt

from analyses.common import drawn
from analyses.common.pictures import drawing
from analyses.common.record import RecordError
from analyses.common.words import Answer

IMAGES = {".svg": "image/svg+xml", ".png": "image/png"}
PLAIN = ",;:=()[]|/+*"  # of a table, what needs no escape besides letters and digits
PANEL = (3.9, 3.1)  # inches: at the width of a column letters are as large as in the figures below


def image(path: Path) -> str:
    """Address of a picture."""
    if path.suffix not in IMAGES:
        raise RecordError(f"{path}: expected a figure in {' or '.join(IMAGES)}")
    return _base64(IMAGES[path.suffix], _read(path))


def table(text: str) -> str:
    """Address of a table (.csv); quoted it takes a fifth less than in base64."""
    return f"data:text/csv;charset=utf-8,{quote(text, safe=PLAIN)}"


def stored_table(path: Path) -> str:
    """Address of the table beside a figure."""
    return table(_read(path.with_suffix(".csv")).decode())


def panel(answer: Answer) -> dict[str, Any]:
    """Address of the panel of an answer, and of the table of what it shows."""
    held = io.BytesIO()
    with drawing():
        figure, ax = plt.subplots(figsize=PANEL)
        answer.panel(ax)
        figure.savefig(held, format="svg", metadata={"Date": None})
        text = drawn.table(figure)
        plt.close(figure)
    return {"uri": _base64(IMAGES[".svg"], held.getvalue()), "data": table(text)}


def _base64(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise RecordError(f"{path}: no such figure; draw it first")
    return path.read_bytes()
