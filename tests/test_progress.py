"""Progress where no terminal is: whole lines, few of them, and none for short work."""

import pytest

from rnnjac._support import progress


def lines(capsys):
    return [line.strip("\r ") for line in capsys.readouterr().err.splitlines() if line.strip("\r ")]


def test_short_work_says_nothing(capsys):
    assert list(progress.progress_bar(range(100), unit="part")) == list(range(100))
    assert lines(capsys) == []


@pytest.mark.parametrize("desc", [None, "bits"])
def test_long_work_writes_a_line_now_and_then(monkeypatch, capsys, desc):
    monkeypatch.setattr(progress, "SPACING", 0.0)
    with progress.progress_bar(total=3, unit="update", desc=desc) as bar:
        for number in range(3):
            bar.set_postfix_str(f"delay {number}")
            bar.update()
    found = lines(capsys)
    assert 1 <= len(found) <= 5
    assert found[-1].startswith("bits: 3/3 updates, " if desc else "3/3 updates, ")
    assert found[-1].endswith("left, delay 2")


def test_another_text_writes_no_line_of_its_own(capsys):
    with progress.progress_bar(total=3, unit="update") as bar:
        for number in range(3):
            bar.set_postfix_str(f"delay {number}")
    assert lines(capsys) == []
