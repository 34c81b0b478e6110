"""Ids of items."""

from __future__ import annotations

import msgspec
import pytest

from proxy.stores.item_ids import item_id, item_ids, named_items
from tests.support.stored import entry, raw


@pytest.mark.parametrize(
    ("item", "id"),
    [
        (b'{"type":"message","id":"msg_1","content":[{"id":"other"}]}', "msg_1"),
        (b'{"content":{"id":"inner"}}', None),
        (b'{"id":""}', ""),
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


def test_ids_stand_in_the_order_of_the_items() -> None:
    kept = entry("resp_1", given=["a", raw({})], output=["b", "a"])
    assert item_ids(kept) == ["a", None, "b", "a"]
    assert named_items(kept) == {"a": kept.output[1], "b": kept.output[0]}
