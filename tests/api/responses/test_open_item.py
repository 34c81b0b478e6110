"""OpenItem: what a message and thinking are made of. The encoder drives it; the judge of tests/support reads it all."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from proxy.events import (
    Annotation,
    Event,
    Finish,
    MessageStart,
    ReasoningDelta,
    ReasoningState,
    Refusal,
    TextDelta,
    ToolCallDelta,
)
from tests.support.any_events import CITED, DETAILS, LENGTH, TOOLS
from tests.support.encoding import MESSAGE, call, closed, encode, encoder, kinds, seal, sealed
from tests.support.grammar import check_stream

# --- state


def test_state_is_sealed_with_its_thinking() -> None:
    said = encode(ReasoningState({"field": "f"}), ReasoningDelta("a"), ReasoningDelta("b"), TextDelta("x"), seal=seal)
    assert sealed(said.output[0]) == [{"field": "f"}, "ab"]
    assert "encrypted_content" not in said.of("output_item.added")[0]["item"]
    assert sealed(said.of("output_item.done")[0]["item"]) == [{"field": "f"}, "ab"]


def test_without_a_seal_nothing_is_shown_of_state() -> None:
    said = encode(ReasoningState(DETAILS), TextDelta("x"))
    assert kinds(said) == MESSAGE
    assert encode(ReasoningDelta("r"), seal=lambda state, text: None).output[0].keys() == (
        encode(ReasoningDelta("r")).output[0].keys()
    )


def test_details_grow_in_order() -> None:
    more = {"details": [{"signature": "s"}]}
    said = encode(ReasoningDelta("r"), ReasoningState(DETAILS), ReasoningState(more), TextDelta("x"), seal=seal)
    assert sealed(said.output[0])[0]["details"] == [*DETAILS["details"], {"signature": "s"}]
    assert DETAILS["details"] == [{"type": "reasoning.encrypted", "data": "x"}]


def test_details_without_thinking_are_an_item_in_front_of_the_text() -> None:
    said = encode(ReasoningState(DETAILS), TextDelta("x"), seal=seal)
    assert [item["type"] for item in said.output] == ["reasoning", "message"]
    assert sealed(said.output[0]) == [DETAILS, ""]


@pytest.mark.parametrize(
    ("events", "shown", "kept"),
    [
        ([TextDelta("x"), ReasoningState(DETAILS)], ["message"], ["message", [DETAILS, ""]]),
        ([ReasoningState(DETAILS), TextDelta("x")], ["message"], [[DETAILS, ""], "message"]),
        ([ReasoningState(DETAILS), ReasoningDelta("r")], ["reasoning"], [[DETAILS, "r"]]),
        (
            [TextDelta("x"), ReasoningState(DETAILS), *call(0, "f", "{}"), ReasoningState(DETAILS)],
            ["message", "function_call"],
            ["message", [DETAILS, ""], "function_call", [DETAILS, ""]],
        ),
    ],
)
def test_details_that_nobody_may_see_are_kept_in_their_place_and_not_shown(
    events: list[Event], shown: list[str], kept: list[Any]
) -> None:
    said = encode(*events, seal=seal, show_sealed=False)
    assert [item["type"] for item in said.output] == shown
    machine = encoder(seal=seal, show_sealed=False)
    machine.begin()
    machine.encode([*events, Finish()])
    items = json.loads(msgspec.json.encode(machine.kept_output()))
    assert [sealed(item) if "encrypted_content" in item else item["type"] for item in items] == kept
    assert len({item["id"] for item in items}) == len(items)


@pytest.mark.parametrize("rest", [[], [TextDelta("y")]])
def test_details_that_come_late_do_not_part_the_text(rest: list[Event]) -> None:
    said = encode(ReasoningDelta("r"), TextDelta("x"), ReasoningState(DETAILS), *rest, seal=seal)
    assert [item["type"] for item in said.output] == ["reasoning", "message", "reasoning"]
    assert sealed(said.output[2]) == [DETAILS, ""]


def test_details_behind_text_stand_in_front_of_the_call_they_came_with() -> None:
    said = encode(TextDelta("x"), ReasoningState(DETAILS), *call(0, "f", "{}"), seal=seal)
    assert [item["type"] for item in said.output] == ["message", "reasoning", "function_call"]


def test_details_in_the_middle_of_a_call_wait() -> None:
    said = encode(*call(0, "f", "{"), ReasoningState(DETAILS), ToolCallDelta(0, "}"), seal=seal)
    assert [item["type"] for item in said.output] == ["function_call", "reasoning"]


def test_nothing_opens_behind_what_was_cut() -> None:
    said = encode(TextDelta("x"), ReasoningState(DETAILS), finish=LENGTH, seal=seal)
    assert [item["type"] for item in said.output] == ["message"]


def test_each_stretch_of_thinking_has_its_own_state() -> None:
    one, two = ReasoningState({"field": "one"}), ReasoningState({"field": "two"})
    said = encode(one, ReasoningDelta("a"), TextDelta("x"), two, ReasoningDelta("b"), seal=seal)
    assert [sealed(item) for item in said.output if item["type"] == "reasoning"] == [
        [{"field": "one"}, "a"],
        [{"field": "two"}, "b"],
    ]


def test_another_attempt_may_need_another_seal() -> None:
    machine = encoder()
    opening = machine.begin()
    machine.use(None, seal)
    said = check_stream(opening + machine.encode([ReasoningDelta("r"), Finish()]))
    assert sealed(said.output[0]) == [{}, "r"]


# --- annotations


def test_an_annotation_is_told_behind_its_text_and_kept_in_the_part() -> None:
    said = encode(TextDelta("a"), Annotation(CITED), TextDelta("b"), Annotation({**CITED, "url": "https://b"}))
    assert [event["annotation_index"] for event in said.of("output_text.annotation.added")] == [0, 1]
    assert [one["url"] for one in said.output[0]["content"][0]["annotations"]] == ["https://a", "https://b"]
    assert said.of("output_item.added")[0]["item"]["content"] == []


def test_offsets_count_from_the_beginning_of_the_part() -> None:
    place = Annotation({**CITED, "start_index": 7, "end_index": 9})
    said = encode(TextDelta("12345"), *call(0, "f", "{}"), TextDelta("67890"), place, Annotation(CITED))
    found = said.output[2]["content"][0]["annotations"]
    assert [(one["start_index"], one["end_index"]) for one in found] == [(2, 4), (0, 0)]
    assert place.annotation["start_index"] == 7


def test_an_annotation_without_an_open_text_is_dropped() -> None:
    assert kinds(encode(Annotation(CITED), TextDelta("a"))) == MESSAGE
    assert not encode(Refusal("no"), Annotation(CITED)).of("output_text.annotation.added")


# --- beside calls


def test_a_call_that_is_shown_when_it_is_whole_ends_the_text_beside_it() -> None:
    events = [*call(0, "shell"), TextDelta("a"), ToolCallDelta(0, '{"commands":["ls"]}'), TextDelta("b")]
    said = encode(*events, tools=TOOLS)
    assert [item["type"] for item in said.output] == ["message", "shell_call", "message"]
    assert closed(said) == [0, 1, 2]


def test_a_text_goes_on_behind_a_call_that_was_open_beside_it() -> None:
    said = encode(*call(0, "f", "{"), TextDelta("a"), ToolCallDelta(0, "}"), TextDelta("b"))
    assert [item["type"] for item in said.output] == ["function_call", "message"]
    assert said.text == "ab"


def test_a_citation_closes_the_call_that_is_whole_beside_its_text() -> None:
    said = encode(*call(0, "f", "{"), TextDelta("a"), ToolCallDelta(0, "}"), Annotation(CITED))
    assert [item["type"] for item in said.output] == ["function_call", "message"]
    assert len(said.output[1]["content"][0]["annotations"]) == 1


def test_a_citation_is_told_before_a_call_that_ends_its_text() -> None:
    said = encode(
        *call(0, "shell", "{"), TextDelta("a"), ToolCallDelta(0, '"commands":["ls"]}'), Annotation(CITED), tools=TOOLS
    )
    assert [item["type"] for item in said.output] == ["message", "shell_call"]
    assert len(said.output[0]["content"][0]["annotations"]) == 1


# --- messages


def test_messages_that_are_told_apart_are_items_of_their_own() -> None:
    said = encode(
        MessageStart("commentary"),
        TextDelta("a"),
        TextDelta("b"),
        MessageStart("final_answer"),
        TextDelta("c"),
        TextDelta("d"),
    )
    assert [(item["phase"], item["content"][0]["text"]) for item in said.output] == [
        ("commentary", "ab"),
        ("final_answer", "cd"),
    ]
    assert said.of("output_item.added")[0]["item"]["phase"] == "commentary"


def test_a_message_of_which_nothing_was_said_is_none() -> None:
    said = encode(MessageStart("commentary"), MessageStart(), TextDelta("a"), *call(0, "f", "{}"), TextDelta("b"))
    assert ["phase" in item for item in said.output] == [False, False, False]
