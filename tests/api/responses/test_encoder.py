"""ResponsesEncoder: the event grammar of section 4 of the wire reference. The judge of tests/support reads it all."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.api.responses.encoder import new_item_id, unix_now
from proxy.api.responses.event_writer import payloads
from proxy.errors import ExchangeError, UpstreamCut, UpstreamStreamError, UpstreamTimeout
from proxy.events import (
    Event,
    Finish,
    OutputItem,
    ReasoningDelta,
    ReasoningState,
    Refusal,
    TextDelta,
    ToolCallDelta,
    UpstreamFailed,
    Usage,
)
from tests.support.any_events import (
    COMPACTION,
    DETAILS,
    ENDS,
    LENGTH,
    OPTIONS,
    TOKEN,
    TOOLS,
    events_in_any_order,
    tell,
)
from tests.support.cost import check_growth
from tests.support.encoding import MESSAGE, Forms, call, closed, encode, encoder, kinds, seal, sealed
from tests.support.grammar import check_response, check_stream

THINKING = [name.replace("output_text", "reasoning_text") for name in MESSAGE]
SUMMARY = [
    "output_item.added",
    "reasoning_summary_part.added",
    "reasoning_summary_text.delta",
    "reasoning_summary_text.done",
    "reasoning_summary_part.done",
    "output_item.done",
]


def failed(message: str = "broke", **fields: Any) -> UpstreamFailed:
    """Returns a failure."""
    return UpstreamFailed(UpstreamStreamError(message, **fields))


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


# --- waiting, and the present state


def test_a_response_may_wait_before_it_begins() -> None:
    machine = encoder(background=True)
    waiting = machine.queue()
    assert json.loads(machine.now())["status"] == "queued"
    opening = machine.begin()
    assert json.loads(machine.now())["status"] == "in_progress"
    said = check_stream(waiting + opening + machine.encode([TextDelta("a"), Finish()]))
    assert said.types[:4] == ["created", "queued", "in_progress", "output_item.added"]
    snapshots = [event["response"] for event in said.events if "response" in event]
    assert all(one["background"] for one in snapshots)
    assert [one["status"] for one in snapshots] == ["queued", "queued", "in_progress", "completed"]
    assert [one["service_tier"] for one in snapshots] == ["auto", "auto", "default", "default"]


def test_a_response_that_waits_can_fail() -> None:
    machine = encoder(background=True)
    said = check_stream(machine.queue() + machine.fail(UpstreamCut("gone")))
    assert said.types == ["created", "queued", "error", "failed"]


def test_a_response_that_never_began_waits() -> None:
    assert check_response(json.loads(encoder().now()))["status"] == "queued"


def test_the_present_state_shows_what_is_open_as_it_is() -> None:
    machine = encoder()
    machine.begin()
    events = [ReasoningDelta("r"), *call(0, "f", '{"a"'), *call(1, "shell", '{"comm'), TextDelta("b"), TextDelta("c")]
    machine.encode([*events, Usage(1, 2, total_tokens=3)])
    now = check_response(json.loads(machine.now()))
    assert [(one["type"], one["status"]) for one in now["output"]] == [
        ("reasoning", "completed"),
        ("function_call", "in_progress"),
        ("function_call", "in_progress"),
        ("message", "in_progress"),
    ]
    assert now["output"][1]["arguments"] == '{"a"'
    assert now["output"][3]["content"][0]["text"] == "bc"
    assert (now["status"], now["usage"]) == ("in_progress", None)
    assert machine.now() == machine.now()
    machine.encode([Finish()])
    assert machine.now() == machine.final()


def test_an_image_tells_how_it_is_made() -> None:
    image = {"type": "image_generation_call", "status": "completed", "result": "aW1n", "output_format": "png"}
    said = encode(OutputItem(image), TextDelta("a"))
    steps = [f"image_generation_call.{step}" for step in ("in_progress", "generating", "completed")]
    assert said.types[2:7] == ["output_item.added", *steps, "output_item.done"]
    assert said.output[0] == {"id": said.output[0]["id"], **image}


# --- cancelling

SO_FAR: list[list[Event]] = [
    [],
    [TextDelta("a"), TextDelta("b")],
    [ReasoningDelta("r")],
    [ReasoningDelta("s", summary=True)],
    [Refusal("no")],
    [TextDelta("a"), *call(0, "f", '{"a"'), *call(1, "patch", '{"input":"x'), *call(2, "shell", "{")],
    [TextDelta("a"), *call(0, "f", "{}"), ReasoningState(DETAILS)],
    [OutputItem(COMPACTION), TextDelta("a")],
]


@pytest.mark.parametrize("events", SO_FAR)
@pytest.mark.parametrize("queued", [False, True])
def test_it_can_be_cancelled_at_any_time(events: list[Event], queued: bool) -> None:
    machine = encoder(tools=TOOLS, seal=seal, background=queued)
    told = tell(machine, events, queued=queued)
    shown = json.loads(machine.now())["output"]
    said = check_stream(told + machine.cancel(Usage(1, 2, total_tokens=3)))
    response = check_response(said.response)
    assert said.types[-1] == "incomplete"
    assert (response["status"], response["completed_at"], response["usage"]["total_tokens"]) == ("cancelled", None, 3)
    assert response["output"] == shown
    assert json.loads(msgspec.json.encode(machine.kept_output())) == shown
    assert json.loads(machine.final()) == response
    assert (machine.outcome, machine.error, machine.done) == ("cancelled", None, True)


@pytest.mark.parametrize(("queued", "types"), [(False, ["created", "in_progress"]), (True, ["created", "queued"])])
def test_it_can_be_cancelled_before_it_began(queued: bool, types: list[str]) -> None:
    machine = encoder(background=queued)
    waiting = machine.queue() if queued else b""
    said = check_stream(waiting + machine.cancel())
    assert said.types == [*types, "incomplete"]
    assert said.response["usage"] is None


def test_nothing_follows_a_cancel() -> None:
    machine = encoder()
    machine.begin()
    machine.encode([TextDelta("a"), Usage(4, 5, total_tokens=9)])
    machine.cancel()
    final = machine.final()
    assert json.loads(final)["usage"]["total_tokens"] == 9
    late = machine.encode([TextDelta("b"), Finish()]) + machine.fail(UpstreamCut("late"))
    assert late + machine.cancel() + machine.begin() == b""
    assert (machine.final(), machine.now(), machine.outcome, machine.output_chars()) == (final, final, "cancelled", 1)


@pytest.mark.parametrize("end", [Finish(), LENGTH, failed()])
def test_what_has_ended_cannot_be_cancelled(end: Event) -> None:
    machine = encoder()
    machine.begin()
    machine.encode([TextDelta("a"), Usage(1, 1, total_tokens=2), end])
    final, outcome = machine.final(), machine.outcome
    assert machine.cancel(Usage(9, 9, total_tokens=18)) == b""
    assert (machine.final(), machine.outcome, machine.usage) == (final, outcome, Usage(1, 1, total_tokens=2))


def test_the_end_of_a_cancelled_stream_can_be_held() -> None:
    machine = encoder(hold_end=True)
    told = tell(machine, [TextDelta("a")])
    assert machine.cancel() == b""
    assert machine.done
    assert check_stream(told + machine.end()).response["status"] == "cancelled"
    assert machine.end() == b""


# --- items that come whole


def test_an_item_that_came_whole_is_added_and_done() -> None:
    search = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search"}}
    machine = encoder()
    told = tell(machine, [TextDelta("a"), OutputItem(search), TextDelta("b"), Finish()])
    said = [json.loads(event) for event in payloads(told)]
    added, done = [event for event in said if event.get("item", {}).get("type") == "web_search_call"]
    assert (added["type"], added["item"]) == ("response.output_item.added", {**search, "status": "in_progress"})
    assert (done["type"], done["item"], done["output_index"]) == ("response.output_item.done", search, 1)
    assert [item["type"] for item in json.loads(machine.final())["output"]] == ["message", "web_search_call", "message"]
    assert json.loads(machine.final())["output"][1] == search


def test_an_item_that_came_whole_gets_an_id() -> None:
    said = encode(*call(0, "f", "{}"), OutputItem(COMPACTION), OutputItem({**COMPACTION, "id": "cmp_own"}))
    assert said.output[1] == {**COMPACTION, "id": "cmp_" + "1".zfill(48)}
    assert said.output[2]["id"] == "cmp_own"
    assert closed(said) == [0, 1, 2]


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


@settings(max_examples=120, derandomize=True, deadline=None, database=None)
@given(
    events=events_in_any_order(),
    end=ENDS,
    options=OPTIONS,
    sealing=st.booleans(),
    tools=st.sampled_from([None, TOOLS]),
)
def test_any_events_make_a_legal_stream_that_says_them(
    events: list[Event], end: Event, options: dict[str, Any], sealing: bool, tools: Any
) -> None:
    said = encode(*events, finish=end, seal=seal if sealing else None, tools=tools, **options)
    assert said.text == "".join(event.text for event in events if isinstance(event, TextDelta))
    if options["reasoning"] != "drop":
        assert said.reasoning == "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    unheard = encoder(**options)
    unheard.use(Forms(tools) if tools else None, seal if sealing else None, heard=False)
    unheard.encode([*events, end])
    assert json.loads(unheard.final()) == said.response


def test_what_nobody_hears_is_not_written() -> None:
    unheard = encoder(done_marker=False)
    unheard.use(None, None, heard=False)
    assert unheard.encode([TextDelta("Hel"), Finish()]) == b""
    kept = encoder(done_marker=False, keep_log=True)
    kept.use(None, None, heard=False)  # but for the log
    assert b'"delta":"Hel"' in kept.encode([TextDelta("Hel"), Finish()])


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
