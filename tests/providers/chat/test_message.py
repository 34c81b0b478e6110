"""Message: what the deltas of one answer say, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.events import (
    Annotation,
    Finish,
    OutputItem,
    ReasoningDelta,
    ReasoningState,
    Refusal,
    TextDelta,
    ToolCallStart,
)
from tests.support.decoding import END, STOP, calls, chunk, decode, order, text, thinking, whole

CALL = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}
TOKEN = {"token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": []}
CITED = {"type": "url_citation", "url_citation": {"url": "https://a", "title": "A", "start_index": 0, "end_index": 1}}


def with_logprobs(delta: dict[str, Any], *tokens: str) -> dict[str, Any]:
    """Returns a chunk with log probabilities."""
    return chunk(delta, logprobs={"content": [{**TOKEN, "token": token} for token in tokens]})


def logged(*chunks: Any, **options: Any) -> list[tuple[str, list[str]]]:
    """Returns each piece of text with the tokens of its log probabilities."""
    return [
        (event.text, [entry["token"] for entry in event.logprobs or []])
        for event in decode(*chunks, STOP, **options)
        if isinstance(event, TextDelta)
    ]


# --- order


def test_one_chunk_with_everything_is_taken_in_the_order_of_models() -> None:
    events = decode({"content": "t", "reasoning": "r", "refusal": "no", **CALL, "annotations": [CITED]}, STOP)
    assert order(events) == ["thinking", "refusal", "text", "citation", "call"]


def test_images_are_items_each_shown_once() -> None:
    one, two = (
        {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{data}"}}
        for kind, data in (("png", "aGk="), ("webp", "aG8="))
    )
    first = OutputItem(
        {"type": "image_generation_call", "status": "completed", "result": "aGk=", "output_format": "png"}
    )
    second = OutputItem({**first.item, "result": "aG8=", "output_format": "webp"})
    far = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
    events = decode({"content": "See:"}, {"images": [one]}, {"images": [one, two, far, None]}, STOP, END)
    assert events == [TextDelta("See:"), first, second, Finish("stop")]
    assert whole({"choices": [{"message": {"content": None, "images": [one, two]}}]})[:2] == [first, second]
    assert decode({"images": [one]}, {"images": "no list"}, {"content": 7, "images": [two]}, END)[:2] == [first, second]


def test_a_chunk_with_thinking_and_text_loses_neither() -> None:
    events = decode({"reasoning_content": "think", "content": "ans"}, {"content": "wer"}, STOP)
    assert (thinking(events), text(events)) == ("think", "answer")


def test_a_refusal_of_a_whole_answer_stands_behind_the_text() -> None:
    message = {"content": "t", "refusal": "no", "reasoning": "r", **CALL}
    assert order(whole({"choices": [{"message": message}]})) == ["thinking", "text", "refusal", "call"]


def test_a_whole_answer_says_what_its_stream_says() -> None:
    message = {"content": " t", "reasoning_content": "r", "annotations": [CITED], **CALL}
    assert decode(message, STOP, END) == whole({"choices": [{"message": message, "finish_reason": "stop"}]})


def test_the_calls_of_a_whole_answer_are_as_many_as_its_entries() -> None:
    entry = {"type": "function", "function": {"name": "f", "arguments": ""}}
    again = {"id": "a", "index": 0, "function": {"name": "f", "arguments": "{"}}
    message = {"tool_calls": [entry, entry, again, again], "function_call": {"name": "g", "arguments": "{}"}}
    assert calls(whole({"choices": [{"message": message}]})[:-1]) == [
        ("made_1", "f", ""),
        ("made_2", "f", ""),
        ("a", "f", "{"),
        ("made_3", "f", "{"),
        ("made_4", "g", "{}"),
    ]


@pytest.mark.parametrize(
    "message",
    [
        {"content": "\n\na", "annotations": [CITED]},
        {"content": "\n", **CALL},
        {"content": "<think>\nr\n</think>\n\na"},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "r"}]}, {"type": "text", "text": "a"}]},
        {"content": None, "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}], **CALL},
        {"content": "a", "refusal": None, "audio": {"transcript": "b"}},
        {"function_call": {"name": "f", "arguments": {"a": 1}}},
        {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "p", "input": "raw"}}]},
        {"reasoning": {"content": "r"}, "content": ""},
        {"thinking_blocks": [{"type": "thinking", "thinking": "r", "signature": "s"}], "content": "a"},
    ],
)
@pytest.mark.parametrize("tags", ["off", "tagged", "implied"])
def test_every_kind_of_message_is_the_same_streamed_and_whole(message: dict[str, Any], tags: str) -> None:
    more = {"finish_reason": "stop", "logprobs": {"content": [TOKEN]}}
    streamed = {"choices": [{"delta": message, **more}], "citations": ["https://b"]}
    assert decode(streamed, think_tags=tags) == whole(
        {"choices": [{"message": message, **more}], "citations": ["https://b"]}, think_tags=tags
    )


def test_a_refusal_is_no_text() -> None:
    assert decode({"refusal": "I can't"}, STOP) == [Refusal("I can't"), Finish("stop")]


def test_the_transcript_of_sound_is_text() -> None:
    assert text(decode({"audio": {"id": "a", "transcript": "he"}}, {"audio": {"transcript": "y"}}, STOP)) == "hey"


# --- white space


def test_white_space_inside_text_is_text() -> None:
    deltas = ["a", "\n\n", " ", "b", "\n"]
    assert decode(*({"content": one} for one in deltas), STOP)[:-1] == [TextDelta(one) for one in deltas]


def test_white_space_in_front_of_text_comes_with_it() -> None:
    events = decode({"content": "\n"}, {"content": "\n"}, {"content": "a"}, STOP)
    assert events == [TextDelta("\n\na"), Finish("stop")]


def test_white_space_in_front_of_a_call_is_dropped() -> None:
    events = decode({"content": "\n\n"}, CALL, STOP)
    assert [type(event) for event in events[:1]] == [ToolCallStart]
    assert text(events) == ""


def test_white_space_behind_a_call_is_dropped_unless_text_follows() -> None:
    assert text(decode({"content": "a"}, CALL, {"content": "\n"}, STOP)) == "a"
    assert text(decode({"content": "a"}, CALL, {"content": "\n"}, {"content": "b"}, STOP)) == "a\nb"


def test_white_space_that_is_the_whole_answer_is_shown() -> None:
    assert text(decode({"content": "\n"}, STOP)) == "\n"


def test_white_space_alone_is_no_output_when_the_stream_breaks() -> None:
    assert text(decode({"content": "\n"})) == ""


def test_white_space_without_an_end_is_not_held_for_ever() -> None:
    events = decode(*[{"content": "\n" * 100}] * 30, CALL, STOP)
    assert text(events) == "\n" * 3000
    assert len(events) > 15


def test_white_space_between_thinking_and_text_belongs_to_the_text() -> None:
    events = decode({"reasoning": "r"}, {"content": "\n"}, {"content": "a"}, STOP)
    assert order(events) == ["thinking", "text"]
    assert text(events) == "\na"


def test_no_message_between_thinking_and_a_call() -> None:
    events = decode({"content": "", "reasoning": "r"}, {"content": ""}, {"content": "\n\n"}, CALL, STOP)
    assert order(events) == ["thinking", "call"]


# --- lists of parts (Mistral)


def test_parts_of_thinking_and_text_are_told_apart() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "r"}], "closed": True},
        {"type": "reference", "reference_ids": [1]},
        {"type": "text", "text": "a"},
    ]
    events = decode({"content": parts[:1]}, {"content": parts}, {"content": "b"}, STOP)
    assert (thinking(events), text(events)) == ("rr", "ab")
    assert order(events) == ["thinking", "text"]


@pytest.mark.parametrize("part", ["x", 5, None, {}, {"type": "thinking"}, {"type": "text", "text": None}])
def test_odd_parts_say_nothing(part: Any) -> None:
    assert decode({"content": [part]}, STOP) == [Finish("stop")]


# --- log probabilities


def test_log_probabilities_come_with_their_text() -> None:
    assert logged(with_logprobs({"content": "a"}, "a"), {"content": "b"}) == [("a", ["a"]), ("b", [])]


def test_log_probabilities_of_an_empty_chunk_wait_for_the_next_text() -> None:
    assert logged({"content": "x"}, with_logprobs({}, "a"), with_logprobs({"content": "ab"}, "b")) == [
        ("x", []),
        ("ab", ["a", "b"]),
    ]


def test_log_probabilities_of_held_white_space_come_with_it() -> None:
    assert logged(with_logprobs({"content": "\n"}, "\n"), with_logprobs({"content": "a"}, "a")) == [
        ("\na", ["\n", "a"])
    ]
    assert logged(with_logprobs({"content": "\n"}, "\n")) == [("\n", ["\n"])]


def test_log_probabilities_of_thinking_and_calls_are_not_the_texts() -> None:
    assert logged(with_logprobs({"reasoning": "r"}, "r"), {"content": "a"}) == [("a", [])]
    assert logged(with_logprobs({"content": "\n"}, "\n"), with_logprobs(CALL, "{"), {"content": "a"}) == [("a", [])]
    assert logged(with_logprobs({"content": "<think>r"}, "r"), {"content": "</think>a"}, think_tags="tagged") == [
        ("a", [])
    ]


# --- citations


def test_a_citation_stands_behind_the_text_of_its_chunk() -> None:
    events = decode({"content": "x", "annotations": [CITED]}, STOP)
    assert isinstance(events[1], Annotation)
    assert events[1].annotation["url"] == "https://a"


def test_citations_in_front_of_the_text_wait_for_it() -> None:
    events = decode({"content": "", "annotations": [CITED]}, {"annotations": [CITED]}, {"content": "x"}, STOP)
    assert [type(event) for event in events] == [TextDelta, Annotation, Annotation, Finish]


def test_citations_without_any_text_are_dropped() -> None:
    assert decode({"annotations": [CITED]}, STOP) == [Finish("stop")]


def test_citations_of_other_kinds_are_left_out() -> None:
    assert decode({"content": "x", "annotations": [{"type": "file"}]}, STOP) == [TextDelta("x"), Finish("stop")]


# --- thinking in tags


def test_tags_are_text_unless_the_route_says_otherwise() -> None:
    assert text(decode({"content": "<think>r</think>a"}, STOP)) == "<think>r</think>a"


def test_tags_part_thinking_from_text() -> None:
    deltas = ["<th", "ink>\n", "r1", "r2\n</", "think>", "\n\n", "a", " <think>"]
    events = decode(*({"content": one} for one in deltas), STOP, think_tags="tagged")
    assert (thinking(events), text(events)) == ("r1r2", "a <think>")
    assert events[0] == ReasoningState({"field": "think_tags"})


def test_an_implied_tag_makes_the_beginning_thinking() -> None:
    events = decode({"content": "r"}, {"content": "</think>\n\na"}, STOP, think_tags="implied")
    assert (thinking(events), text(events)) == ("r", "a")


def test_text_that_could_have_been_a_tag_is_not_lost() -> None:
    assert text(decode({"content": "<thi"}, STOP, think_tags="tagged")) == "<thi"
    assert text(decode({"content": "<thi"}, {"error": {"message": "x"}}, think_tags="tagged")) == "<thi"
    events = decode({"content": "<thi"}, CALL, STOP, think_tags="tagged")
    assert (order(events), text(events)) == (["text", "call"], "<thi")


# --- stretches of thinking


def test_each_stretch_of_thinking_tells_its_field() -> None:
    events = decode({"reasoning": "a"}, {"reasoning": "b"}, CALL, {"reasoning": "c"}, {"content": "x"}, STOP)
    states = [place for place, event in enumerate(events) if isinstance(event, ReasoningState)]
    assert [events[place + 1] for place in states] == [ReasoningDelta("a"), ReasoningDelta("c")]
    assert calls(events) == [("c", "f", "{}")]
