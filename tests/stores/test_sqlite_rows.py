"""Rows of the database."""

from __future__ import annotations

import pytest

from proxy.stores.sqlite_rows import COLUMNS, RowMaker, entry_of, ids_of, positions
from proxy.stores.store import StoreFailed
from tests.support.stored import entry, raw

IDS = COLUMNS.split(", ").index("item_ids") - 1


@pytest.mark.parametrize("text", ["short", "long " * 5000])
def test_an_entry_comes_back_from_its_row(text: str) -> None:
    kept = entry("resp_1", given=["a", raw([1])], output=["b"], text=text, parent="resp_0", deployment="x/y")
    assert entry_of((7, *RowMaker().row(kept).values)) == kept


def test_a_long_body_is_compressed_and_a_short_one_can_be_read() -> None:
    maker = RowMaker()
    short, long = entry("resp_1", given=["a"]), entry("resp_1", given=["a"], text="words and words " * 1000)
    assert maker.row(short).values[-1].startswith(b'[{"id"')
    row = maker.row(long)
    assert len(row.values[-1]) < row.size / 20


def test_a_row_says_how_it_is_found() -> None:
    row = RowMaker().row(entry("resp_1", given=["a", raw({})], output=["b", "a"]))
    assert row.ids == ["a", "b"]
    assert ids_of(row.values[IDS]) == ["a", "b"]
    assert positions(row.values[IDS]) == {"a": 3, "b": 2}


@pytest.mark.parametrize("length", ["short", "long " * 5000])
def test_a_damaged_body_is_told(length: str) -> None:
    *values, body = RowMaker().row(entry("resp_1", text=length)).values
    middle = len(body) // 2
    for damaged in (body[:-5], body[:20], b"", b"[1]", None, body[:middle] + b"\x00" + body[middle + 1 :]):
        with pytest.raises(StoreFailed, match='"resp_1" is damaged'):
            entry_of((7, *values, damaged))
