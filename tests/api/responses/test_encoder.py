"""ResponsesEncoder: the event grammar of section 4 of the wire reference. The judge of tests/support reads it all."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.api.responses.encoder import new_item_id, unix_now
from proxy.errors import ExchangeError, UpstreamCut, UpstreamStreamError, UpstreamTimeout
from proxy.events import (
    Annotation,
    Event,
    Finish,
    ReasoningDelta,
    ReasoningState,
    Refusal,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UpstreamFailed,
    Usage,
)
from tests.support.cost import check_growth
from tests.support.encoding import call, closed, encode, encoder, kinds
from tests.support.grammar import check_stream

TEXT_PART = ["content_part.added", "output_text.delta", "output_text.done", "content_part.done"]
MESSAGE = ["output_item.added", *TEXT_PART, "output_item.done"]
THINKING = [name.replace("output_text", "reasoning_text") for name in MESSAGE]
SUMMARY = [
    "output_item.added",
    "reasoning_summary_part.added",
    "reasoning_summary_text.delta",
    "reasoning_summary_text.done",
    "reasoning_summary_part.done",
    "output_item.done",
]
TOKEN = {"token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": []}
CITED = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 1}
DETAILS = {"field": "reasoning_details", "details": [{"type": "reasoning.encrypted", "data": "x"}]}
LENGTH = Finish("length")


def failed(message: str = "broke", **fields: Any) -> UpstreamFailed:
    """Returns a failure."""
    return UpstreamFailed(UpstreamStreamError(message, **fields))


def seal(state: dict[str, Any], text: str) -> str:
    """Shows what it is given to seal."""
    return json.dumps([state, text])


def sealed(item: dict[str, Any]) -> Any:
    """Returns what was sealed in an item: state and text."""
    return json.loads(item["encrypted_content"])


# --- the life cycle


def test_a_text_makes_the_whole_cycle() -> None:
    said = encode(TextDelta("a"), TextDelta("b"))
    assert said.types == ["created", "in_progress", *MESSAGE[:2], *["output_text.delta"] * 2, *MESSAGE[3:], "completed"]
    assert said.text == "ab"
    assert (said.response["status"], said.response["completed_at"]) == ("completed", 1767225602)


def test_an_answer_without_output_is_complete() -> None:
    said = encode()
    assert said.types == ["created", "in_progress", "completed"]
    assert said.output == []


def test_usage_and_tier_are_told_at_the_end() -> None:
    said = encode(Usage(1, 2, total_tokens=3), Usage(4, 5, total_tokens=9), finish=Finish(service_tier="flex"))
    assert (said.response["usage"]["total_tokens"], said.response["service_tier"]) == (9, "flex")
    assert encode().response["usage"] is None


def test_nothing_follows_the_terminal_event() -> None:
    machine = encoder()
    machine.begin()
    machine.encode([TextDelta("a"), Finish()])
    final = machine.final()
    assert machine.encode([TextDelta("b"), Finish(), failed(), Usage()]) == b""
    assert machine.fail(UpstreamCut("late")) == b""
    assert (machine.final(), machine.outcome, machine.error) == (final, "completed", None)


def test_the_marker_behind_the_end_can_be_left_out() -> None:
    assert encode(TextDelta("a"), done_marker=False).text == "a"


def test_events_without_text_are_no_events() -> None:
    assert kinds(encode(TextDelta(""), Refusal(""), ReasoningDelta(""))) == []
    assert kinds(encode(TextDelta("a"), TextDelta(""))) == MESSAGE


def test_what_the_encoder_knows_can_be_asked() -> None:
    machine = encoder()
    machine.begin()
    assert (machine.done, machine.outcome, machine.usage, machine.output_chars()) == (False, None, None, 0)
    machine.encode([ReasoningDelta("abc"), TextDelta("defg"), *call(0, "f", "{"), Usage(1, 2, total_tokens=3)])
    assert machine.output_chars() == 9
    machine.encode([ToolCallDelta(0, "}"), TextDelta("h"), LENGTH])
    assert machine.output_chars() == 11
    assert (machine.done, machine.outcome, machine.usage) == (True, "incomplete", Usage(1, 2, total_tokens=3))


# --- how it ends


@pytest.mark.parametrize(("reason", "detail"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_was_cut_is_incomplete(reason: Any, detail: str) -> None:
    said = encode(TextDelta("par"), finish=Finish(reason))
    assert said.types[-1] == "incomplete"
    assert said.response["incomplete_details"] == {"reason": detail}
    assert said.output[0]["status"] == "incomplete"
    assert said.response["completed_at"] is None


def test_thinking_that_was_cut_is_incomplete() -> None:
    assert encode(ReasoningDelta("r"), finish=LENGTH).output[0]["status"] == "incomplete"


def test_items_in_front_of_the_cut_are_complete() -> None:
    said = encode(ReasoningDelta("r"), TextDelta("par"), finish=LENGTH)
    assert [item["status"] for item in said.output] == ["completed", "incomplete"]


def test_a_failure_is_told_twice_and_keeps_what_was_said() -> None:
    said = encode(ReasoningDelta("r"), TextDelta("par"), Usage(1, 1, total_tokens=2), finish=failed(code="overloaded"))
    assert said.types[-2:] == ["error", "failed"]
    assert [item["status"] for item in said.output] == ["completed", "incomplete"]
    assert said.output[1]["content"][0]["text"] == "par"
    assert said.response["error"] == {"code": "overloaded", "message": "broke"}
    assert said.response["usage"]["total_tokens"] == 2
    assert closed(said) == [0]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UpstreamTimeout("x", phase="idle"), "server_error"),
        (UpstreamCut("x"), "server_error"),
        (ExchangeError("x"), "server_error"),
        (ExchangeError("x", code="context_length_exceeded"), "context_length_exceeded"),
    ],
)
def test_codes_of_our_own_are_server_errors(error: ExchangeError, code: str) -> None:
    assert encode(finish=UpstreamFailed(error)).response["error"]["code"] == code


def test_it_can_fail_at_any_time() -> None:
    for events in ([], [TextDelta("a")], [ReasoningDelta("r")], call(0, "f", "{"), [Refusal("no")]):
        machine = encoder()
        said = check_stream(machine.begin() + machine.encode(events) + machine.fail(UpstreamCut("gone")))
        assert said.response["status"] == "failed"
        assert machine.outcome == "failed"
        assert machine.error is not None


def test_a_failure_before_anything_is_a_whole_stream() -> None:
    assert check_stream(encoder().fail(UpstreamCut("gone"))).types == ["created", "in_progress", "error", "failed"]


# --- items follow each other


def test_thinking_is_closed_by_text_and_text_by_thinking() -> None:
    said = encode(ReasoningDelta("r"), TextDelta("a"), ReasoningDelta("s"), TextDelta("b"))
    assert kinds(said) == THINKING + MESSAGE + THINKING + MESSAGE
    assert closed(said) == [0, 1, 2, 3]
    assert [event["content_index"] for event in said.of("content_part.added")] == [0, 0, 0, 0]


def test_text_is_closed_by_a_call_and_begins_anew_behind_it() -> None:
    said = encode(TextDelta("a"), *call(0, "f", "{}"), TextDelta("b"))
    assert [item["type"] for item in said.output] == ["message", "function_call", "message"]
    assert closed(said) == [0, 1, 2]
    assert len({item["id"] for item in said.output}) == 3


def test_a_refusal_is_a_second_part_of_the_message() -> None:
    said = encode(TextDelta("a"), Refusal("n"), Refusal("o"), TextDelta("b"))
    assert (said.text, said.refusal, len(said.output)) == ("ab", "no", 1)
    assert [part["type"] for part in said.output[0]["content"]] == ["output_text", "refusal", "output_text"]
    assert [event["content_index"] for event in said.of("content_part.added")] == [0, 1, 2]


# --- thinking


def test_raw_thinking_is_content_and_a_summary_is_a_summary() -> None:
    assert kinds(encode(ReasoningDelta("r"))) == THINKING
    assert kinds(encode(ReasoningDelta("s", summary=True))) == SUMMARY
    said = encode(ReasoningDelta("r"), ReasoningDelta("s", summary=True))
    assert [len(said.output), len(said.output[0]["content"]), len(said.output[0]["summary"])] == [1, 1, 1]


def test_raw_thinking_behind_a_summary_is_an_item_of_its_own() -> None:
    said = encode(ReasoningDelta("s", summary=True), ReasoningDelta("r"))
    assert kinds(said) == SUMMARY + THINKING


def test_all_thinking_can_be_shown_as_summary() -> None:
    said = encode(ReasoningDelta("r"), ReasoningDelta("s", summary=True), reasoning="summary")
    assert said.output[0]["summary"] == [{"type": "summary_text", "text": "rs"}]
    assert said.output[0]["content"] == []


def test_thinking_can_be_left_out() -> None:
    assert kinds(encode(ReasoningDelta("r"), TextDelta("a"), ReasoningDelta("s"), reasoning="drop")) == MESSAGE


def test_thinking_that_is_left_out_is_still_sealed() -> None:
    said = encode(ReasoningState({"field": "f"}), ReasoningDelta("r"), TextDelta("a"), reasoning="drop", seal=seal)
    assert kinds(said) == [*MESSAGE[:1], *MESSAGE[-1:], *MESSAGE]
    assert sealed(said.output[0]) == [{"field": "f"}, "r"]
    assert (said.output[0]["content"], said.output[0]["summary"]) == ([], [])


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


# --- log probabilities and padding


def test_log_probabilities_are_shown_when_asked_for() -> None:
    events = [TextDelta("a", [TOKEN]), TextDelta("b"), TextDelta("a", [TOKEN, TOKEN])]
    said = encode(*events, logprobs=True)
    assert [len(event["logprobs"]) for event in said.of("output_text.delta")] == [1, 0, 2]
    assert said.of("output_text.done")[0]["logprobs"] == [TOKEN] * 3
    assert said.output[0]["content"][0]["logprobs"] == [TOKEN] * 3
    assert encode(*events).output[0]["content"][0]["logprobs"] == []


@pytest.mark.parametrize("event", [TextDelta("abc"), ReasoningDelta("abc"), Refusal("abc")])
def test_deltas_can_be_padded(event: Event) -> None:
    said = encode(event, event, obfuscation=True)
    deltas = [one for one in said.events if "obfuscation" in one]
    assert len(deltas) == 2
    assert all((len(one["delta"]) + len(one["obfuscation"])) % 16 == 0 for one in deltas)


def test_padding_and_log_probabilities_go_together() -> None:
    (delta,) = encode(TextDelta("a", [TOKEN]), obfuscation=True, logprobs=True).of("output_text.delta")
    assert (delta["logprobs"], len(delta["obfuscation"])) == ([TOKEN], 15)


# --- any order of events

KEYS = st.integers(0, 2)
EVENTS = st.one_of(
    st.builds(TextDelta, st.sampled_from(["a", "那\U0001f600", '"\\\n', ""]), st.sampled_from([None, [TOKEN]])),
    st.builds(ReasoningDelta, st.sampled_from(["r", "%d %b", ""]), st.booleans()),
    st.builds(ReasoningState, st.sampled_from([{"field": "f"}, DETAILS])),
    st.builds(Refusal, st.sampled_from(["no", ""])),
    st.builds(Annotation, st.just(CITED)),
    st.builds(ToolCallDelta, KEYS, st.sampled_from(["{", "}", "{}", '{"input":"x', '"}', ""])),
    st.builds(Usage, st.integers(0, 9), st.integers(0, 9)),
)
ENDS = st.sampled_from([Finish(), LENGTH, Finish("content_filter", "flex"), failed()])


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Draws events in any order; a call's start comes before its deltas, once."""
    events: list[Event] = draw(st.lists(EVENTS, max_size=12))
    for key in draw(st.sets(KEYS)):
        name = draw(st.sampled_from(["f", "patch", "shell"]))
        start = ToolCallStart(key, f"call_{key}", name, draw(st.booleans()) and name == "patch")
        first = [place for place, event in enumerate(events) if isinstance(event, ToolCallDelta) and event.key == key]
        events.insert(draw(st.integers(0, first[0] if first else len(events))), start)
    return events


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(
    events=streams(),
    end=ENDS,
    reasoning=st.sampled_from(["content", "summary", "drop"]),
    logprobs=st.booleans(),
    obfuscation=st.booleans(),
    sealing=st.booleans(),
)
def test_any_events_make_a_legal_stream_that_says_them(
    events: list[Event], end: Event, reasoning: str, logprobs: bool, obfuscation: bool, sealing: bool
) -> None:
    options = {"reasoning": reasoning, "logprobs": logprobs, "obfuscation": obfuscation}
    said = encode(*events, finish=end, seal=seal if sealing else None, **options)
    assert said.text == "".join(event.text for event in events if isinstance(event, TextDelta))
    if reasoning != "drop":
        assert said.reasoning == "".join(event.text for event in events if isinstance(event, ReasoningDelta))


# --- cost


def test_many_calls_at_once_cost_no_more_than_their_number() -> None:
    def work(size: int) -> None:
        machine = encoder()
        starts: list[Event] = [event for key in range(size) for event in call(key, "f", "[")]
        deltas: list[Event] = [ToolCallDelta(key, "{}") for key in range(size)]
        machine.encode([*starts, *deltas, Finish()])

    check_growth(work, 200)


def test_ids_and_the_clock_are_fresh() -> None:
    assert new_item_id("msg", 0) != new_item_id("msg", 0)
    assert len(new_item_id("msg", 0)) <= 64
    assert abs(unix_now() - time.time()) < 5
