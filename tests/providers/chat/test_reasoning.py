"""Reasoning: the spellings of section 5.6 of the wire reference."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.events import Event, ReasoningDelta, ReasoningState
from proxy.providers.chat.chunk import Delta
from proxy.providers.chat.reasoning import Reasoning

TEXT = {"type": "reasoning.text", "text": "d", "format": "x", "index": 0}
SUMMARY = {"type": "reasoning.summary", "summary": "s"}
ENCRYPTED = {"type": "reasoning.encrypted", "data": "xyz"}


def take(*deltas: Delta) -> list[Event]:
    """Returns the events of deltas."""
    reasoning = Reasoning()
    events: list[Event] = []
    for delta in deltas:
        reasoning.take(delta, events)
    return events


@pytest.mark.parametrize(
    ("delta", "field", "text"),
    [
        (Delta(reasoning_content="a"), "reasoning_content", "a"),
        (Delta(reasoning="a"), "reasoning", "a"),
        (Delta(reasoning={"content": "a"}), "reasoning", "a"),
        (Delta(reasoning={"text": "a"}), "reasoning", "a"),
        (Delta(thinking="a"), "thinking", "a"),
        (Delta(reasoning_content="a", reasoning="a"), "reasoning_content", "a"),
        (Delta(reasoning_content="", reasoning="b", thinking="c"), "reasoning", "b"),
    ],
)
def test_one_spelling_counts_in_a_chunk(delta: Delta, field: str, text: str) -> None:
    assert take(delta) == [ReasoningState({"field": field}), ReasoningDelta(text)]


def test_the_field_is_told_once_a_stretch() -> None:
    assert len(take(Delta(reasoning="a"), Delta(reasoning="b"))) == 3


def test_details_that_repeat_the_text_are_kept_and_not_read() -> None:
    assert take(Delta(reasoning="d", reasoning_details=[TEXT])) == [
        ReasoningState({"field": "reasoning"}),
        ReasoningDelta("d"),
        ReasoningState({"field": "reasoning_details", "details": [TEXT]}),
    ]


def test_details_alone_are_read() -> None:
    assert take(Delta(reasoning_details=[TEXT, TEXT]))[1] == ReasoningDelta("dd")
    assert take(Delta(reasoning_details=[SUMMARY]))[1] == ReasoningDelta("s", True)


def test_details_without_text_are_state_alone() -> None:
    signed: dict[str, Any] = {"type": "reasoning.text", "signature": "sig"}
    assert take(Delta(reasoning_details=[ENCRYPTED]), Delta(reasoning_details=[signed])) == [
        ReasoningState({"field": "reasoning_details", "details": [ENCRYPTED]}),
        ReasoningState({"field": "reasoning_details", "details": [signed]}),
    ]


def test_blocks_of_thinking_keep_their_signatures() -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "a", "signature": "s"},
        {"type": "redacted", "data": "x"},
    ]
    assert take(Delta(thinking_blocks=blocks)) == [
        ReasoningState({"field": "thinking_blocks"}),
        ReasoningDelta("a"),
        ReasoningState({"field": "thinking_blocks", "details": blocks}),
    ]
    assert take(Delta(reasoning_content="a", thinking_blocks=blocks))[1:2] == [ReasoningDelta("a")]


@pytest.mark.parametrize("odd", [5, True, ["x"], {}, {"content": 5}])
def test_odd_values_say_nothing(odd: Any) -> None:
    assert take(Delta(reasoning=odd, thinking=odd)) == []


def test_after_something_else_a_new_stretch_begins() -> None:
    reasoning = Reasoning()
    events: list[Event] = []
    reasoning.take(Delta(reasoning="a"), events)
    reasoning.close()
    reasoning.take(Delta(reasoning="b"), events)
    assert events.count(ReasoningState({"field": "reasoning"})) == 2
