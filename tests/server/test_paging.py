"""Lists a page at a time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from proxy.errors import BadRequest
from proxy.server.paging import Page, item_shown, page_of

ITEMS = [msgspec.Raw(b'{"id":"i%d"}' % number) for number in range(5)]


def page(**query: str) -> dict[str, Any]:
    """Returns a page of the five items."""
    return page_of(ITEMS, Page.of({name: [value] for name, value in query.items()}), msgspec.json.decode)


def test_the_newest_first_unless_asked_otherwise() -> None:
    assert [one["id"] for one in page()["data"]] == ["i4", "i3", "i2", "i1", "i0"]
    found = page(order="asc", limit="2")
    assert found == {
        "object": "list",
        "data": [{"id": "i0"}, {"id": "i1"}],
        "first_id": "i0",
        "last_id": "i1",
        "has_more": True,
    }
    assert [one["id"] for one in page(order="asc", after="i2")["data"]] == ["i3", "i4"]
    last = page(after="i0")
    assert (last["data"], last["first_id"], last["has_more"]) == ([], None, False)


def test_every_page_together_is_the_whole() -> None:
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        found = page(**query)
        seen += [one["id"] for one in found["data"]]
        if not found["has_more"]:
            break
        query["after"] = found["last_id"]
    assert seen == ["i4", "i3", "i2", "i1", "i0"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "0"), ("limit", "101"), ("limit", "9" * 40), ("limit", "x"), ("limit", "٣"), ("limit", ""),
     ("order", "up"), ("after", "none")],
)  # fmt: skip
def test_wrong_queries_name_their_param(name: str, value: str) -> None:
    with pytest.raises(BadRequest) as caught:
        page(**{name: value})
    assert (caught.value.param, caught.value.code) == (name, "invalid_value")


def test_content_of_messages_is_shown_as_parts() -> None:
    asked = item_shown(msgspec.Raw(b'{"id":"a","role":"user","content":"hi"}'))
    assert asked["content"] == [{"type": "input_text", "text": "hi"}]
    assert (asked["type"], asked["status"]) == ("message", "completed")
    said = item_shown(msgspec.Raw(b'{"id":"a","type":"message","role":"assistant","content":"hi"}'))
    assert said["content"] == [{"type": "output_text", "text": "hi", "annotations": []}]
    call = b'{"id":"a","type":"function_call","call_id":"c","name":"f","arguments":"{}"}'
    assert item_shown(msgspec.Raw(call)) == msgspec.json.decode(call)
