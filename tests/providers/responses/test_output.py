"""Items and parts: found, made up, closed, and matched with the final output."""

from __future__ import annotations

import json
from typing import Any

from proxy.api.raw import Raw
from proxy.providers.responses.event import Seen
from proxy.providers.responses.output import ToldOutput, head_of, kind_of
from proxy.providers.responses.steps import AnyStep, Step
from tests.support.responses_streams import call_item, message_item


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def types(steps: list[AnyStep]) -> list[str]:
    return [step.type.removeprefix("response.") for step in steps if isinstance(step, Step)]


def test_items_are_found_by_index_by_id_or_as_the_last() -> None:
    output = ToldOutput()
    first = output.open(5, "message", {"id": "a"})
    second = output.open(7, "function_call", {"id": "b"})
    assert output.find(Seen(output_index=5, item_id="b")) is first
    assert output.find(Seen(item_id="a")) is first
    assert output.find(Seen()) is second
    assert output.find(Seen(output_index=0)) is None
    assert [item.index for item in output.items] == [0, 1]


def test_two_items_never_share_an_id() -> None:
    output = ToldOutput()
    assert output.open(0, "message", {"id": "a"}).id == "a"
    assert output.open(1, "message", {"id": "a"}).id != "a"


def test_an_item_is_made_up_when_it_was_not_added() -> None:
    output = ToldOutput()
    steps: list[AnyStep] = []
    item = output.item(Seen(output_index=0, item_id="x"), "reasoning", steps)
    assert (item.id, types(steps)) == ("x", ["output_item.added"])
    assert output.item(Seen(output_index=0), "reasoning", steps) is item
    assert len(steps) == 1


def test_closing_a_message_tells_what_was_not_told() -> None:
    output = ToldOutput()
    item = output.open(0, "message", {"id": "msg_0"})
    said = message_item("Hel", "lo")
    said["content"][0]["annotations"] = [{"type": "file_path", "file_id": "f", "index": 0}]
    steps: list[AnyStep] = []
    assert output.close_item(item, said, raw(said), steps)
    assert types(steps) == [
        "content_part.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
    ]
    assert item.final == raw(said)


def test_a_text_that_contradicts_what_was_told_loses() -> None:
    output = ToldOutput()
    item = output.open(0, "message", {"id": "msg_0"})
    steps: list[AnyStep] = []
    output.part(item, "output_text", 0, steps).texts.append("Hello")
    said = message_item("Goodbye", logprob_note=1)
    assert not output.close_item(item, said, raw(said), steps)
    assert item.final is not None
    final = json.loads(bytes(item.final))
    assert (final["content"][0]["text"], final["logprob_note"]) == ("Hello", 1)


def test_what_was_told_is_kept_when_the_end_leaves_it_out() -> None:
    output = ToldOutput()
    item = output.open(0, "message", {"id": "msg_0"})
    steps: list[AnyStep] = []
    output.part(item, "output_text", 0, steps).texts.append("Hello")
    output.close_item(item, {"id": "msg_0", "type": "message", "content": []}, raw({}), steps)
    assert item.final is not None
    assert json.loads(bytes(item.final))["content"][0]["text"] == "Hello"


def test_a_vendors_own_part_stays_in_the_item() -> None:
    output = ToldOutput()
    item = output.open(0, "message", {"id": "msg_0"})
    said = {"id": "msg_0", "type": "message", "content": [{"type": "output_audio", "data": "x"}]}
    steps: list[AnyStep] = []
    assert output.close_item(item, said, raw(said), steps)
    assert (types(steps), item.final) == ([], raw(said))


def test_arguments_may_come_as_an_object() -> None:
    output = ToldOutput()
    item = output.open(0, "function_call", head_of(call_item("f", "")))
    steps: list[AnyStep] = []
    said = {**call_item("f", ""), "arguments": {"a": 1}}
    assert not output.close_item(item, said, raw(said), steps)
    assert types(steps) == ["function_call_arguments.delta", "function_call_arguments.done"]
    assert item.final is not None
    assert json.loads(bytes(item.final))["arguments"] == '{"a": 1}'


def test_json_over_several_lines_becomes_one() -> None:
    output = ToldOutput()
    item = output.open(0, "web_search_call", {"id": "ws"})
    said = {"id": "ws", "type": "web_search_call"}
    assert not output.close_item(item, said, Raw(json.dumps(said, indent=1).encode()), [])
    assert b"\n" not in bytes(item.final or b"\n")


def test_the_final_output_adds_what_was_never_told() -> None:
    output = ToldOutput()
    thought = {"id": "rs_9", "type": "reasoning", "summary": []}
    output.open(0, "message", {"id": "msg_rotated"})
    steps: list[AnyStep] = []
    output.close_all([raw(message_item("x")), raw(thought)], "completed", steps)
    assert [item.type for item in output.items] == ["message", "reasoning"]
    assert all(item.final is not None for item in output.items)
    assert types(steps)[-2:] == ["output_item.added", "output_item.done"]


def test_the_final_output_may_be_in_another_order_and_under_other_ids() -> None:
    output = ToldOutput()
    output.open(0, "reasoning", {"id": "rs_0"})
    output.open(1, "message", {"id": "msg_0"})
    output.close_all([raw(message_item("x", id="msg_other"))], "completed", [])
    assert len(output.items) == 2
    assert output.items[1].final is not None


def test_an_item_that_begins_closes_the_message_before_it() -> None:
    output = ToldOutput()
    thought = output.open(0, "reasoning", {"id": "rs_0"})
    call = output.open(1, "function_call", {"id": "fc_0"})
    steps: list[AnyStep] = []
    output.close_early(steps)
    assert (thought.early, call.early, types(steps)) == (True, False, ["output_item.done"])
    output.take_late(thought, {"encrypted_content": "gAAA"}, steps)
    assert thought.final is not None
    assert json.loads(bytes(thought.final))["encrypted_content"] == "gAAA"
    assert types(steps)[-1] == ""


def test_what_stands_there_from_the_beginning() -> None:
    said = {"type": "reasoning", "id": "r", "status": "x", "summary": [], "encrypted_content": "partial", "more": 1}
    assert head_of(said) == {"type": "reasoning", "id": "r", "more": 1}
    hosted = {"type": "web_search_call", "status": "x"}
    assert head_of(hosted) is hosted


def test_kinds_of_parts() -> None:
    assert kind_of({"type": "text"}) == "output_text"
    assert kind_of({"type": "output_audio"}) is None
