"""Ids of items."""

from __future__ import annotations

import msgspec
import pytest

from proxy.api.responses.made_ids import made_id
from proxy.stores.item_ids import by_response, item_id, listed_ids, named_items
from tests.support.stored import entry, raw

OWN, OTHER = "resp_" + "0" * 48, "resp_" + "1" * 48


@pytest.mark.parametrize(
    ("item", "id"),
    [
        (b'{"type":"message","id":"msg_1","content":[{"id":"other"}]}', "msg_1"),
        (b'{"content":{"id":"inner"}}', None),
        (b'{"id":""}', ""),
        (b'{"id":"msg_' + b"0f" * 26 + b'","type":"message"}', "msg_" + "0f" * 26),
        (b'{"id":"msg_' + b"0f" * 26 + b'"}', "msg_" + "0f" * 26),
        (b'{"type":"message","id":"msg_' + b"0f" * 26 + b'"}', "msg_" + "0f" * 26),
        (b'{"id":"msg_' + b"0f" * 26 + b'"', None),
        (b'{"id":"\\u00e9"}', "é"),
        (b'{"id":5}', None),
        (b'{"id":null}', None),
        (b'"msg_1"', None),
        (b"[]", None),
        (b'{"id":"msg_1"', None),
        (b'{"id":"\xff"}', None),
        (b"", None),
    ],
)
def test_an_id_is_a_text_of_the_object_itself(item: bytes, id: str | None) -> None:
    assert item_id(msgspec.Raw(item)) == id


def test_of_two_items_with_one_id_the_last_has_it() -> None:
    kept = entry("resp_1", given=["a", raw({})], output=["b", "a"])
    assert named_items(kept) == {"a": kept.output[1], "b": kept.output[0]}


def test_ids_that_name_a_response_are_not_listed() -> None:
    mine, theirs = made_id(OWN, "msg", 0), made_id(OTHER, "fc", 7)
    late = raw({"type": "message", "id": mine, "content": [{"id": "c"}]})
    odd = [raw({"id": 5}), raw([]), raw({"content": {"id": "inner"}}), raw({"id": theirs + "0"})]
    kept = entry(OWN, given=[mine, "a", theirs, *odd, late], output=["b", "a"])
    items = [*map(bytes, kept.input), *map(bytes, kept.output)]
    assert listed_ids(OWN, items) == ["a", theirs + "0", "b"]
    assert listed_ids(OWN, [b'{"id":"' + mine.encode() + b'"}'] * 2) == listed_ids(OWN, []) == []
    assert listed_ids("resp_1", [b'{"id":"' + mine.encode() + b'"}', b'{"id":"c"}', b"[]"]) == ["c"]


def test_ids_are_parted_by_the_response_that_they_name() -> None:
    mine, theirs = [made_id(OWN, "msg", n) for n in range(2)], made_id(OTHER, "fc", 7)
    assert by_response([mine[0], "a", theirs, mine[1], "b"]) == ({OWN: mine, OTHER: [theirs]}, ["a", "b"])
    assert by_response([]) == ({}, [])
