"""What is known of an item that is not done."""

from __future__ import annotations

import json

import pytest

from proxy.api.raw import Raw
from proxy.providers.responses.told import ToldItem, ToldPart, new_id


def item(type: str, **head: object) -> ToldItem:
    return ToldItem(2, 2, type, {"id": "x_1", **head})


def part(kind: str, *texts: str) -> ToldPart:
    made = ToldPart(kind, 0, told=True)  # type: ignore[arg-type]
    made.texts += texts
    return made


def test_a_message_so_far() -> None:
    message = item("message", role="assistant", phase="commentary")
    message.content[0] = part("output_text", "Hel", "lo")
    shown = message.to_dict("incomplete")
    assert shown == {
        "id": "x_1",
        "type": "message",
        "status": "incomplete",
        "role": "assistant",
        "phase": "commentary",
        "content": [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}],
    }
    assert message.chars() == 5
    assert message.empty_dict() == {**shown, "status": "in_progress", "content": []}


def test_reasoning_so_far() -> None:
    thought = item("reasoning")
    thought.content[0] = part("reasoning_text", "hm")
    thought.summary[0] = part("summary_text", "Hm.")
    shown = thought.to_dict("in_progress")
    assert shown["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert shown["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert thought.parts("summary_text") is thought.summary
    assert thought.empty_dict()["summary"] == []


@pytest.mark.parametrize(("type", "field"), [("function_call", "arguments"), ("custom_tool_call", "input")])
def test_a_call_so_far(type: str, field: str) -> None:
    call = item(type, name="f", call_id="c")
    call.value += ["{", "}"]
    assert call.to_dict("incomplete") == {
        "id": "x_1",
        "type": type,
        "status": "incomplete",
        "name": "f",
        "call_id": "c",
        field: "{}",
    }
    assert call.empty_dict()[field] == ""
    assert call.chars() == 2


def test_an_item_that_is_done_is_what_the_upstream_says() -> None:
    done = item("message")
    done.content[0] = part("output_text", "Hello")
    done.end(Raw(json.dumps({"id": "other", "type": "message"}).encode()))
    assert done.to_dict("incomplete") == {"id": "other", "type": "message"}
    assert (done.chars(), done.content) == (5, {})


def test_a_hosted_item_is_added_as_it_came() -> None:
    assert item("web_search_call", action=1).empty_dict() == {"id": "x_1", "type": "web_search_call", "action": 1}


def test_an_item_without_an_id_gets_one() -> None:
    made = ToldItem(0, 0, "function_call", {"id": None})
    assert made.id.startswith("fc_")
    assert made.id != new_id("function_call")


def test_a_refusal_is_a_part() -> None:
    refusal = part("refusal", "no")
    assert refusal.to_dict() == {"type": "refusal", "refusal": "no"}
    assert (refusal.text_field, refusal.index_field) == ("refusal", "content_index")
    assert part("summary_text").index_field == "summary_index"
