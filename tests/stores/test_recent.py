"""Entries at hand."""

from __future__ import annotations

from proxy.stores.recent import Recent
from tests.support.stored import entry

TEXT = "x" * 9000
SIZE = entry("resp_0", text=TEXT).size + 1000
"""What one entry of that text counts."""


def add(recent: Recent, row: int, text: str = TEXT) -> None:
    kept = entry("resp_0", text=text)
    recent.add(1, row, kept, kept.size)


def test_a_row_is_known_by_its_file_and_number() -> None:
    recent = Recent(10 * SIZE)
    kept = entry("resp_1")
    recent.add(1, 7, kept, kept.size)
    assert recent.get(1, 7) is kept
    assert recent.get(1, 8) is None
    assert recent.get(2, 7) is None


def test_those_not_asked_for_longest_go_first() -> None:
    recent = Recent(5 * SIZE)
    for row in range(5):
        add(recent, row)
    assert recent.get(1, 0) is not None
    add(recent, 5)
    add(recent, 5)
    assert [row for row in range(6) if recent.get(1, row) is not None] == [0, 2, 3, 4, 5]


def test_one_that_would_drive_out_most_others_is_not_taken() -> None:
    recent = Recent(5 * SIZE)
    add(recent, 1)
    add(recent, 2, TEXT * 3)
    assert recent.get(1, 1) is not None
    assert recent.get(1, 2) is None
