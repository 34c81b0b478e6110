"""ConverseDecoder: what each event becomes, how answers end, and that the cuts make no difference."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UpstreamCut, UpstreamGarbled, UpstreamStreamError
from proxy.events import (
    Annotation,
    Event,
    Finish,
    ReasoningDelta,
    ReasoningState,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UpstreamFailed,
    Usage,
)
from proxy.sse.event_stream import EventStreamParser
from tests.support.converse import (
    START,
    answer,
    closed,
    decode,
    decoder,
    delta,
    end,
    metadata,
    read,
    said,
    stop,
    text,
    thinking,
    tool,
    translate,
    whole,
)
from tests.support.decoding import calls, order, usage
from tests.support.decoding import text as text_in
from tests.support.decoding import thinking as thinking_in
from tests.support.event_stream import event, exception, frame
from tests.support.grammar import check_stream


def states(events: list[Event]) -> list[dict[str, Any]]:
    """Returns the blocks of thinking that have to come back."""
    return [block for event in events if isinstance(event, ReasoningState) for block in event.state["details"]]


def failure(events: list[Event]) -> Any:
    """Returns the error that the answer ended in."""
    last = events[-1]
    assert isinstance(last, UpstreamFailed)
    return last.error


# --- what each event becomes


def test_text_comes_piece_by_piece() -> None:
    events = decode(START, said(0, "Hel"), said(0, "lo"), closed(0), end())
    assert events == [TextDelta("Hel"), TextDelta("lo"), Usage(10, 5, total_tokens=15), Finish("stop")]


def test_empty_pieces_say_nothing() -> None:
    events = decode(START, said(0, ""), closed(0), said(1, "x"), said(1, ""), closed(1), end())
    assert text_in(events) == "x"
    assert order(events) == ["text"]


def test_thinking_is_shown_and_its_signature_kept() -> None:
    events = decode(START, thinking(0, "Let ", "me."), text(1, "Hi"), end())
    assert [(one.text, one.summary) for one in events if isinstance(one, ReasoningDelta)] == [
        ("Let ", True),
        ("me.", True),
    ]
    assert states(events) == [{"type": "thinking", "thinking": "Let me.", "signature": "c2lnbmVk"}]
    assert order(events) == ["thinking", "text"]


def test_thinking_of_open_models_is_no_summary_and_has_no_state() -> None:
    events = decode(START, thinking(0, "raw", signature=None), text(1, "Hi"), end(), summaries=False)
    assert [one.summary for one in events if isinstance(one, ReasoningDelta)] == [False]
    assert states(events) == []


def test_signatures_may_come_in_pieces() -> None:
    pieces = [delta(0, reasoningContent={"signature": one}) for one in ("c2ln", "bmVk")]
    events = decode(START, delta(0, reasoningContent={"text": "a"}), *pieces, closed(0), end())
    assert states(events) == [{"type": "thinking", "thinking": "a", "signature": "c2lnbmVk"}]


def test_redacted_thinking_is_kept_as_the_messages_api_has_it() -> None:
    pieces = [delta(0, reasoningContent={"redactedContent": one}) for one in ("UmVkYWN0", "ZWQ=")]
    assert states(decode(START, *pieces, closed(0), text(1, "x"), end())) == [
        {"type": "redacted_thinking", "data": "Redacted"}
    ]


def test_redacted_bytes_become_text() -> None:
    events = decode(START, delta(0, reasoningContent={"redactedContent": "//8="}), closed(0), end())
    assert states(events) == [{"type": "redacted_thinking", "data": "base64://8="}]


def test_calls_come_with_their_arguments_in_pieces() -> None:
    events = decode(START, tool(0, "t1", "f", "", '{"a":', "1}"), tool(1, "t2", "g", '{"b":2}'), end("tool_use"))
    assert calls(events) == [("t1", "f", '{"a":1}'), ("t2", "g", '{"b":2}')]
    assert [one.key for one in events if isinstance(one, ToolCallStart)] == [0, 1]
    assert events[-1] == Finish("stop")


def test_a_call_without_arguments_has_an_empty_object() -> None:
    events = decode(START, tool(0, "t1", "f"), text(1, "x"), end("tool_use"))
    assert events[:3] == [ToolCallStart(0, "t1", "f"), ToolCallDelta(0, "{}"), TextDelta("x")]


def test_a_call_that_was_cut_short_is_not_completed() -> None:
    assert calls(decode(START, tool(0, "t1", "f"), end("max_tokens"))) == [("t1", "f", "")]


def test_ids_that_are_missing_or_used_are_made() -> None:
    events = decode(START, tool(0, None, "f", "{}"), tool(1, "t", "f", "{}"), tool(2, "t", "f", "{}"), end("tool_use"))
    assert [one[0] for one in calls(events)] == ["made_1", "t", "made_2"]


def test_a_call_without_a_name_fails_the_answer() -> None:
    assert isinstance(failure(decode(START, tool(0, "t", None, "{}"), end("tool_use"))), UpstreamGarbled)


def test_tools_that_the_upstream_runs_are_no_calls_of_the_client() -> None:
    result = event(
        "contentBlockStart", contentBlockIndex=1, start={"toolResult": {"toolUseId": "s", "status": "success"}}
    )
    piece = delta(1, toolResult=[{"json": {"stdOut": "7"}}])
    hosted = tool(0, "s", "nova_code_interpreter", '{"snippet":"1"}', type="server_tool_use")
    events = decode(START, hosted, result, piece, closed(1), text(2, "7"), end())
    assert calls(events) == []
    assert text_in(events) == "7"


def test_an_answer_by_tool_is_text() -> None:
    events = decode(START, tool(0, "t", "json_tool_call", '{"a"', ":1}"), end("tool_use"), answers_by_tool=True)
    assert text_in(events) == '{"a":1}'
    assert calls(events) == []


def test_a_citation_belongs_to_the_text_of_its_block() -> None:
    web = {"title": "T", "location": {"web": {"url": "https://a.example/"}}}
    events = decode(START, text(0, "Well. "), delta(1, citation=web), text(1, "Ruby"), end())
    place = {"title": "T", "start_index": 6, "end_index": 10}
    assert [one.annotation for one in events if isinstance(one, Annotation)] == [
        {"type": "url_citation", "url": "https://a.example/", **place}
    ]


def test_tokens_of_the_cache_are_part_of_the_input() -> None:
    count = {"inputTokens": 1, "cacheReadInputTokens": 2, "cacheWriteInputTokens": 4, "outputTokens": 8}
    assert usage(decode(START, text(0, "x"), stop(), event("metadata", usage=count))) == Usage(7, 8, 2, 4, 0, 15)


@pytest.mark.parametrize(
    ("tier", "told"), [("default", "default"), ("reserved", "scale"), ("flex", "flex"), ("odd", None)]
)
def test_the_tier_is_the_one_really_used(tier: str, told: str | None) -> None:
    assert decode(START, text(0, "x"), end(serviceTier={"type": tier}))[-1] == Finish("stop", told)


def test_unknown_events_and_pieces_are_ignored() -> None:
    image = delta(0, image={"source": {"bytes": "AAAA"}})
    assert order(decode(event("initial-response"), START, event("later"), image, closed(0), text(1, "x"), end())) == [
        "text"
    ]


# --- how answers end


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "stop"),
        ("something_new", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
    ],
)
def test_reasons(reason: str, finish: Any) -> None:
    assert decode(START, text(0, "x"), end(reason))[-1] == Finish(finish)


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_what_the_upstream_could_not_read_has_failed(reason: str) -> None:
    assert isinstance(failure(decode(START, text(0, "x"), end(reason))), UpstreamStreamError)


def test_the_answer_ends_with_its_tokens() -> None:
    machine, parser = decoder(), EventStreamParser()
    machine.feed(parser.feed(START + text(0, "x") + stop()))
    assert not machine.done
    machine.feed(parser.feed(metadata()))
    assert machine.done
    assert machine.feed(parser.feed(said(1, "more"))) == []
    assert machine.finish() == []


def test_tokens_may_be_missing_or_come_first() -> None:
    assert decode(START, text(0, "x"), stop())[-1] == Finish("stop")
    assert decode(START, text(0, "x"), metadata(), stop())[-2:] == [Usage(10, 5, total_tokens=15), Finish("stop")]


@pytest.mark.parametrize("cut", [b"", START, START + said(0, "par"), START + text(0, "par"), START + tool(0, "t", "f")])
def test_a_body_that_just_ends_was_cut(cut: bytes) -> None:
    assert isinstance(failure(decode(cut)), UpstreamCut)


def test_an_exception_fails_the_answer() -> None:
    error = failure(decode(START, said(0, "par"), exception("throttlingException", "Too many tokens, please wait")))
    assert (error.code, error.status, error.message) == ("rate_limit_exceeded", 429, "Too many tokens, please wait")


def test_behind_the_reason_nothing_fails_any_more() -> None:
    for late in (exception("internalServerException"), b"\x00" * 16):
        assert decode(START, text(0, "x"), stop(), late)[-1] == Finish("stop")


def test_a_broken_message_fails_the_answer() -> None:
    bad = bytearray(said(0, "x"))
    bad[-1] ^= 1
    error = failure(decode(START, said(0, "par"), bytes(bad), end()))
    assert isinstance(error, UpstreamGarbled)
    assert "checksum" in error.message


def test_what_is_no_json_is_skipped_and_three_in_a_row_fail() -> None:
    bad = [frame(event(kind)[12:-6], b"{oops") for kind in ("contentBlockDelta", "contentBlockStop", "messageStop")]
    assert text_in(decode(START, said(0, "a"), *bad[:2], said(0, "b"), end())) == "ab"
    assert isinstance(failure(decode(START, said(0, "a"), *bad, end())), UpstreamGarbled)


def test_half_a_surrogate_pair_is_mended() -> None:
    raw = b'{"contentBlockIndex":0,"delta":{"text":"a\\ud83d!"}}'
    assert text_in(decode(START, frame(event("contentBlockDelta")[12:-6], raw), end())) == "a\ufffd!"


# --- answers that are not streamed


def test_a_whole_answer_says_what_its_stream_would() -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "Let me.", "signature": "c2lnbmVk"}}}
    redacted = {"reasoningContent": {"redactedContent": "UmVkYWN0ZWQ="}}
    call = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}
    bare = {"toolUse": {"toolUseId": "t2", "name": "g", "input": {}}}
    body = answer(thought, redacted, {"text": "Hi"}, call, bare, reason="tool_use", serviceTier={"type": "flex"})
    events = whole(body)
    assert thinking_in(events) == "Let me."
    assert [block["type"] for block in states(events)] == ["thinking", "redacted_thinking"]
    assert text_in(events) == "Hi"
    assert [(one[0], one[1], json.loads(one[2])) for one in calls(events)] == [("t1", "f", {"a": 1}), ("t2", "g", {})]
    assert (usage(events), events[-1]) == (Usage(10, 5, total_tokens=15), Finish("stop", "flex"))


def test_a_whole_answer_with_citations() -> None:
    cited = {
        "content": [{"text": "Ruby"}],
        "citations": [{"title": "facts", "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 4}}}],
    }
    events = whole(answer({"citationsContent": cited}))
    assert text_in(events) == "Ruby"
    assert [one.annotation["filename"] for one in events if isinstance(one, Annotation)] == ["facts"]


def test_a_stream_that_was_read_to_its_end_is_a_whole_answer_too() -> None:
    assert text_in(whole(START + text(0, "Hi") + end())) == "Hi"


@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b"<html>", b'{"output":{}}', b'{"message":"no"}'])
def test_a_body_that_is_no_answer_has_failed(body: bytes) -> None:
    assert isinstance(whole(body)[-1], UpstreamFailed)


# --- any pieces

MIXED = START + thinking(0, "Hm. ") + text(1, "Zwölf ☂ ", "🦩") + tool(2, "t", "f", '{"a"', ":1}") + end("tool_use")


def joined(events: list[Event]) -> tuple[Any, ...]:
    """Returns what events say, whatever pieces it came in."""
    return text_in(events), thinking_in(events), calls(events), states(events), usage(events), events[-1]


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, len(MIXED)), max_size=12))
def test_where_the_network_cuts_makes_no_difference(cuts: list[int]) -> None:
    assert decode(MIXED, cuts=sorted(cuts)) == decode(MIXED)


@settings(max_examples=40, deadline=None)
@given(words=st.lists(st.text(min_size=1, max_size=20), max_size=8), size=st.sampled_from([1, 40, 200, 10_000]))
def test_nothing_is_lost_or_made_up(words: list[str], size: int) -> None:
    words = [word.encode("utf-8", "ignore").decode() for word in words]
    raw = START + b"".join(said(0, word) for word in words) + closed(0) + end()
    checked = check_stream(translate(raw, range(size, len(raw), size)))
    assert checked.text == "".join(words)
    assert checked.response["status"] == "completed"


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, len(MIXED) - 1), bit=st.integers(0, 7))
def test_a_changed_bit_never_gives_another_answer(place: int, bit: int) -> None:
    raw = bytearray(MIXED)
    raw[place] ^= 1 << bit
    events = decode(bytes(raw))
    if isinstance(events[-1], Finish):  # only what counts the tokens was hit
        assert joined(events)[:4] == joined(decode(MIXED))[:4]
    else:
        assert isinstance(events[-1], UpstreamFailed)


def test_known_reads_give_the_same_as_parsed_ones() -> None:
    machine, parser = decoder(), EventStreamParser()
    web = {"title": "T", "location": {"web": {"url": "https://a.example/"}}}
    parts = [
        START,
        delta(0, citation=web),
        *[said(0, word) for word in ("a", 'b"},"p":"', "ö\n", "c")],
        closed(0),
        end(),
    ]
    events = [event for part in parts for event in read(machine, parser, part)]
    assert events == decode(*parts)
