"""Output items: what each looks like while it grows and when it is done."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.api.responses.output_items import CallItem, MessageItem, OpaqueItem, Part, ReasoningItem
from tests.support.machines import Form


def placed(item: Any, index: int = 3) -> Any:
    """Returns the item with an id and a place."""
    item.id, item.index = f"{item.id_prefix}_1", index
    return item


def add(item: Any, kind: Any, *texts: str) -> Part:
    """Adds a part with text to an item."""
    part = Part(kind, item, start=0)
    part.texts.extend(texts)
    item.parts.append(part)
    return part


def test_a_message_counts_its_parts() -> None:
    message = placed(MessageItem())
    add(message, "output_text", "a", "b")
    add(message, "refusal", "no")
    assert [part.place["content_index"] for part in message.parts] == [0, 1]
    assert message.chars() == 4
    assert message.to_dict("completed") == {
        "id": "msg_1",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [
            {"type": "output_text", "text": "ab", "annotations": [], "logprobs": []},
            {"type": "refusal", "refusal": "no"},
        ],
    }


def test_a_part_knows_its_place_and_its_delta_event() -> None:
    part = add(placed(MessageItem()), "output_text")
    assert part.place == {"item_id": "msg_1", "output_index": 3, "content_index": 0}
    assert (part.template % (7, b'"x"')).endswith(
        b'"sequence_number":7,"item_id":"msg_1","output_index":3,"content_index":0,"delta":"x","logprobs":[]}\n\n'
    )


def test_raw_thinking_and_summaries_are_counted_apart() -> None:
    reasoning = placed(ReasoningItem({}))
    add(reasoning, "reasoning_text", "r")
    assert not reasoning.summarised()
    summary = add(reasoning, "summary_text", "s")
    assert reasoning.summarised()
    assert summary.place["summary_index"] == 0
    shown = reasoning.to_dict("completed")
    assert shown["content"] == [{"type": "reasoning_text", "text": "r"}]
    assert shown["summary"] == [{"type": "summary_text", "text": "s"}]
    assert "encrypted_content" not in shown


def test_hidden_thinking_is_counted_and_not_shown() -> None:
    reasoning = placed(ReasoningItem({"field": "x"}))
    reasoning.hidden.append("secret")
    reasoning.sealed = "sealed"
    shown = reasoning.to_dict("completed")
    assert (reasoning.text(), reasoning.chars()) == ("secret", 6)
    assert (shown["content"], shown["summary"], shown["encrypted_content"]) == ([], [], "sealed")


@pytest.mark.parametrize(
    ("form", "freeform", "kind"),
    [
        (None, False, "function_call"),
        (None, True, "custom_tool_call"),
        (Form("function", "f"), False, "function_call"),
        (Form("custom", "f"), False, "custom_tool_call"),
        (Form("custom", "f"), True, "custom_tool_call"),
        (Form("shell", "shell"), False, "shell_call"),
        (Form("something new", "f"), False, "function_call"),
    ],
)
def test_the_form_decides_what_a_call_is(form: Any, freeform: bool, kind: str) -> None:
    call = CallItem("c", "upstream name", form, freeform=freeform)
    assert call.kind == kind
    assert call.name == ("upstream name" if form is None else form.name)
    assert (call.input is not None) == (kind == "custom_tool_call" and not freeform)


def test_a_call_is_shown_with_what_the_client_was_sent() -> None:
    call = placed(CallItem("c", "ns__f", Form("function", "f", namespace="ns"), freeform=False))
    call.shown.extend(["{", "}"])
    assert call.to_dict("completed") == {
        "id": "fc_1",
        "type": "function_call",
        "status": "completed",
        "call_id": "c",
        "name": "f",
        "arguments": "{}",
        "namespace": "ns",
    }


def test_a_call_without_deltas_is_shown_by_its_shape() -> None:
    call = placed(CallItem("c", "tool_search", Form("tool_search", "tool_search"), freeform=False))
    call.shape = {"query": "q"}
    assert call.to_dict("completed") == {
        "id": "tsc_1",
        "type": "tool_search_call",
        "status": "completed",
        "call_id": "c",
        "execution": "client",
        "arguments": {"query": "q"},
    }
    call.become_function()
    assert (call.kind, call.id_prefix) == ("function_call", "fc")


def test_raw_input_is_never_whole() -> None:
    for freeform in (False, True):
        call = CallItem("c", "f", None, freeform=freeform)
        call.written.pieces.append("{}")
        assert call.is_whole() is not freeform
        assert call.chars() == 3


def test_an_item_that_came_whole_is_shown_as_it_came() -> None:
    fields = {"id": "ws_1", "type": "web_search_call", "status": "failed", "action": {}}
    item = OpaqueItem(fields)
    assert item.to_dict("in_progress") == {**fields, "status": "in_progress"}
    assert item.to_dict("completed") == fields
    assert (item.id_prefix, item.chars(), fields["status"]) == ("ws", 0, "failed")


def test_the_bulk_of_an_image_is_shown_when_it_is_done() -> None:
    fields = {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "aW1n"}
    item = OpaqueItem(fields)
    assert item.to_dict("in_progress") == {"id": "ig_1", "type": "image_generation_call", "status": "in_progress"}
    assert item.to_dict("completed") == fields
    assert [step.rpartition(".")[2] for step in item.steps] == ["in_progress", "generating", "completed"]


@pytest.mark.parametrize(
    ("fields", "prefix"), [({"type": "compaction"}, "cmp"), ({"type": "of tomorrow"}, "item"), ({"id": 7}, "item")]
)
def test_an_item_that_came_without_an_id_says_what_it_begins_with(fields: dict[str, Any], prefix: str) -> None:
    item = OpaqueItem(fields)
    assert (item.id, item.id_prefix) == ("", prefix)
    assert "status" not in placed(item).to_dict("in_progress")
