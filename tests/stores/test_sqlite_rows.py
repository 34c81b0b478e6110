"""Rows of the database."""

from __future__ import annotations

import msgspec
import pytest

from proxy.api.responses.made_ids import made_id
from proxy.stores.sqlite_rows import COLUMNS, Row, RowMaker, entry_of, ids_of
from proxy.stores.store import Entry, StoreFailed
from tests.support.stored import START, entry, raw

PLACES = {column: place for place, column in enumerate(COLUMNS.split(", "))}
RESPONSE = "resp_" + "5" * 48
OLD_BODIES = [
    b'[{"id":"resp_1"},[{"id":"a"},{"id":"b"}],[{"id":"c"}]]',
    # what version 1 made of the same: zstd, with a checksum
    bytes.fromhex(
        "28b52ffd24364d0100f05b7b226964223a22726573705f31227d2c61227d2c62227d5d63227d5d5d03003b0b71c924117309a4061cf9"
    ),
]


def made_row(kept: Entry, holder: str | None = None) -> Row:
    return RowMaker().row(kept, kept.size, holder)


@pytest.mark.parametrize("text", ["short", "long " * 15000])
def test_an_entry_comes_back_from_its_row(text: str) -> None:
    kept = entry("resp_1", given=["a", raw([1])], output=["b"], text=text, parent="resp_0", deployment="x/y")
    assert entry_of((7, *made_row(kept).values)) == kept


@pytest.mark.parametrize("text", ["short", "long " * 15000])
@pytest.mark.parametrize("beside", [b"", b'"tools":[{"output":[1,2]}],', b'"output":[],"text":"\\"output\\":[",'])
@pytest.mark.parametrize("items", [0, 1, 3])
def test_output_that_stands_in_the_response_is_kept_once(text: str, beside: bytes, items: int) -> None:
    output = [raw({"id": f"msg_{n}", "text": text}) for n in range(items)]
    response = b'{"id":"resp_1",' + beside + b'"output":[' + b",".join(map(bytes, output)) + b'],"usage":null}'
    msgspec.json.decode(response)
    kept = entry("resp_1", given=["a"], output=output, response=msgspec.Raw(response))
    row = made_row(kept)
    assert entry_of((7, *row.values)) == kept
    assert items == 0 or len(row.values[-1]) < len(response) + len(kept.input[0]) + 60


def test_output_that_is_not_the_same_in_the_response_is_kept_beside_it() -> None:
    output = [raw({"id": "rs_1", "encrypted_content": "sealed"}), raw({"id": "msg_1"})]
    kept = entry("resp_1", output=output, response=raw({"output": [{"id": "rs_1"}, {"id": "msg_1"}]}))
    assert entry_of((7, *made_row(kept).values)) == kept


def test_a_long_body_is_compressed_and_a_short_one_is_not() -> None:
    short, long = entry("resp_1", given=["a"]), entry("resp_1", given=["a"], text="words and words " * 5000)
    assert b"hello" in made_row(short).values[-1]
    row = made_row(long)
    assert len(row.values[-1]) < row.size / 20


def test_a_row_says_how_it_is_found() -> None:
    made = [made_id(RESPONSE, "msg", 1), made_id("resp_" + "7" * 48, "rs", 2)]
    row = made_row(entry(RESPONSE, given=["a", raw({}), made[0]], output=["b", "a", made[1]]))
    assert row.ids == ["a", "b"]
    assert ids_of(row.values[PLACES["item_ids"] - 1]) == ["a", "b"]
    assert ids_of(made_row(entry(RESPONSE, given=made)).values[PLACES["item_ids"] - 1]) == []


def test_ids_that_version_1_wrote_down() -> None:
    assert ids_of(b'["a",null,"b","a"]') == ["a", "b"]


def test_a_row_has_the_log_apart_and_says_who_works_on_it() -> None:
    kept = entry("resp_1", status="in_progress", log=b"events", log_until=START + 5)
    row = made_row(kept, "token")
    assert (row.log, row.log_until) == (b"events", START + 5)
    assert (kept.log, kept.log_until) == (b"", 0.0)
    assert b"events" not in row.values[-1]
    assert (row.values[PLACES["holder"] - 1], row.values[PLACES["finished"] - 1]) == ("token", False)


@pytest.mark.parametrize("body", OLD_BODIES)
def test_a_body_of_version_1_is_read(body: bytes) -> None:
    values = made_row(entry("resp_1")).values
    read = entry_of((7, *values[:-1], body))
    assert (bytes(read.response), list(map(bytes, read.input)), list(map(bytes, read.output))) == (
        b'{"id":"resp_1"}', [b'{"id":"a"}', b'{"id":"b"}'], [b'{"id":"c"}']
    )  # fmt: skip


@pytest.mark.parametrize("length", ["short", "long " * 15000])
def test_a_damaged_body_is_told(length: str) -> None:
    *values, body = made_row(entry("resp_1", text=length)).values
    middle = len(body) // 2
    for damaged in (body[:-5], body[:20], b"", b"[1]", None, body[:middle] + b"\x00" + body[middle + 1 :]):
        with pytest.raises(StoreFailed, match='"resp_1" is damaged'):
            entry_of((7, *values, damaged))
