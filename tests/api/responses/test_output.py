"""Output: places, ids and final forms."""

from __future__ import annotations

import json

from proxy.api.responses.event_writer import EventWriter
from proxy.api.responses.output import Output
from proxy.api.responses.output_items import CallItem, MessageItem, OpaqueItem, ReasoningItem
from tests.support.grammar_framing import Profile, read_events


def output() -> Output:
    """Returns an output whose ids tell their place."""
    return Output(EventWriter(), lambda prefix, index: f"{prefix}_{index}")


def test_items_get_the_next_place_and_an_id() -> None:
    one = output()
    out: list[bytes] = []
    items = (ReasoningItem({}), MessageItem(), CallItem("c", "f", None, freeform=False))
    for item in items:
        one.add(item, out)
    assert [(item.id, item.index) for item in items] == [("rs_0", 0), ("msg_1", 1), ("fc_2", 2)]
    events = read_events(b"".join(out), Profile(done_marker=False))
    assert [(event["output_index"], event["item"]["status"]) for event in events] == [
        (0, "in_progress"),
        (1, "in_progress"),
        (2, "in_progress"),
    ]


def test_finished_items_stand_in_the_order_of_their_places() -> None:
    one = output()
    first, second = CallItem("a", "f", None, freeform=False), CallItem("b", "g", None, freeform=False)
    one.add(first, [])
    one.add(second, [])
    out: list[bytes] = []
    one.finish(second, "completed", out)
    assert [item["call_id"] for item in json.loads(one.to_json())] == ["b"]
    one.keep(first, "incomplete")
    assert [(item["call_id"], item["status"]) for item in json.loads(one.to_json())] == [
        ("a", "incomplete"),
        ("b", "completed"),
    ]
    assert len(out) == 1
    assert one.chars() == 2


def test_an_empty_output_is_an_empty_list() -> None:
    assert output().to_json() == b"[]"


def test_an_item_keeps_the_id_that_it_came_with() -> None:
    one = output()
    for item in (OpaqueItem({"id": "ws_own", "type": "web_search_call"}), OpaqueItem({"type": "web_search_call"})):
        one.add(item, [])
        one.keep(item, "completed")
    assert [item["id"] for item in json.loads(one.to_json())] == ["ws_own", "ws_1"]


def test_open_items_can_be_shown_as_they_are() -> None:
    one = output()
    first, second = CallItem("a", "f", None, freeform=False), CallItem("b", "g", None, freeform=False)
    one.add(first, [])
    one.add(second, [])
    one.keep(second, "completed")
    first.shown.append("{")
    shown = json.loads(one.to_json([first]))
    assert [(item["call_id"], item["status"], item["arguments"]) for item in shown] == [
        ("a", "in_progress", "{"),
        ("b", "completed", ""),
    ]
    assert [item["call_id"] for item in json.loads(one.to_json())] == ["b"]


def test_items_that_others_tell_have_their_place() -> None:
    one = output()
    one.place()
    one.add(OpaqueItem({"type": "web_search_call"}), [])
    assert json.loads(one.to_json()) == []
    one.put(0, b'{"id":"theirs"}', 7)
    assert (json.loads(one.to_json()), one.chars()) == ([{"id": "theirs"}], 7)
