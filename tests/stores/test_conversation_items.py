"""Items of conversations: ids, calls that nobody can answer, and how they are written."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.stores.conversation_items import answerable, named, packed, unpacked
from proxy.stores.store import StoreFailed
from tests.support.stored import raw
from tests.support.talks import plain


@pytest.mark.parametrize(
    ("type", "prefix"),
    [
        (None, "msg"),
        ("message", "msg"),
        ("reasoning", "rs"),
        ("function_call", "fc"),
        ("custom_tool_call", "ctc"),
        ("compaction", "cmp"),
        ("function_call_output", "item"),
    ],
)
def test_a_new_id_says_what_it_is_of(type: str | None, prefix: str) -> None:
    ((id, item),) = named([raw({"type": type, "n": 1})], lambda id: False)
    assert id.partition("_")[0] == prefix
    assert plain(item) == {"type": type or "message", "n": 1, "id": id}


def test_an_item_with_a_good_id_is_not_touched() -> None:
    item = raw({"id": "mine", "role": "user"})
    assert named([item], lambda id: id != "mine") == [("mine", item)]
    assert named([item], lambda id: True)[0][0] != "mine"


def call(id: str, status: str | None = None, type: str = "function_call") -> Any:
    return raw({"type": type, "call_id": id, "status": status})


def test_a_cut_call_is_left_out_unless_something_has_answered_it() -> None:
    cut, answered, whole = call("a", "incomplete"), call("b", "incomplete"), call("c", "completed")
    output = call("b", type="function_call_output")
    message = raw({"type": "message", "status": "incomplete", "content": "cut"})
    assert answerable([cut, answered, whole, message, output]) == [answered, whole, message, output]
    items = [whole, output]
    assert answerable(items) is items


@pytest.mark.parametrize("length", [1, 1000, 100_000])
def test_what_was_packed_is_the_same_again(length: int) -> None:
    item = raw({"text": "x" * length})
    assert unpacked("a", packed(item)) == item
    assert len(packed(item)) < 1100


def test_a_damaged_item_says_which() -> None:
    body = bytearray(packed(raw({"text": "x" * 5000})))
    body[-1] ^= 1
    with pytest.raises(StoreFailed, match=r'item "msg_1".*damaged'):
        unpacked("msg_1", bytes(body))
