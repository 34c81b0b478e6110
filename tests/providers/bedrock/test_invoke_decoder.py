"""Answers of Claude's own API out of InvokeModel's stream."""

from __future__ import annotations

import base64
import json
from typing import Any

from proxy.errors import UpstreamCut, UpstreamGarbled
from proxy.events import Event, Finish, TextDelta, UpstreamFailed
from proxy.providers.bedrock.invoke_decoder import InvokeDecoder
from proxy.sse.event_stream import EventStreamParser
from tests.support import messages
from tests.support.converse import completion, translate
from tests.support.decoding import calls, text, thinking, usage
from tests.support.event_stream import chunks, event, exception
from tests.support.fixtures import needs_shared, recording
from tests.support.grammar import check_stream
from tests.support.machines import pieces
from tests.support.sdk_types import check_event

RECORDED = "bedrock/invoke-anthropic-messages.eventstream"


def decode(raw: bytes, *cuts: int, **options: Any) -> list[Event]:
    """Returns the events of a stream."""
    machine, parser = InvokeDecoder(**options), EventStreamParser()
    events = [event for piece in pieces(raw, cuts) for event in machine.feed(parser.feed(piece))]
    assert machine.text_of(raw) == ""
    return events + machine.finish()


def failure(events: list[Event]) -> Any:
    """Returns the error that the answer ended in."""
    last = events[-1]
    assert isinstance(last, UpstreamFailed)
    return last.error


ANSWER = chunks(
    messages.start(),
    messages.thinking(0, "Hm."),
    messages.text(1, "Hel", "lo"),
    messages.tool(2, "toolu_1", "f", '{"a":', "1}"),
    messages.end("tool_use"),
)


def test_an_answer_is_what_its_chunks_say() -> None:
    events = decode(ANSWER)
    assert (text(events), thinking(events), calls(events)) == ("Hello", "Hm.", [("toolu_1", "f", '{"a":1}')])
    assert events[-1] == Finish("stop")


def test_where_the_network_cuts_makes_no_difference() -> None:
    for size in (1, 50, 333):
        assert decode(ANSWER, *range(size, len(ANSWER), size)) == decode(ANSWER)


def test_an_exception_fails_the_answer() -> None:
    raw = chunks(messages.start(), messages.opened(0, type="text", text=""), messages.said(0, "par"))
    error = failure(decode(raw + exception("throttlingException", "Too many tokens")))
    assert (error.code, error.message) == ("rate_limit_exceeded", "Too many tokens")
    assert isinstance(failure(decode(raw)), UpstreamCut)
    assert isinstance(failure(decode(raw + b"\0" * 12)), UpstreamGarbled)
    assert text(decode(raw + exception("throttlingException"))) == "par"


def test_behind_the_reason_nothing_fails_any_more() -> None:
    raw = chunks(messages.start(), messages.text(0, "x"), messages.end())
    cut = chunks(messages.start(), messages.text(0, "x"), messages.end().rpartition(b"event: message_stop")[0])
    assert decode(raw + exception("internalServerException"))[-1] == Finish("stop")
    assert decode(cut + exception("internalServerException"))[-1] == Finish("stop")


def test_a_guardrail_that_stepped_in_is_told() -> None:
    raw = chunks(messages.start(), messages.text(0, "Sorry.")) + event(
        "chunk",
        bytes=base64.b64encode(
            b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"amazon-bedrock-guardrailAction":"INTERVENED"}'
        ).decode(),
    )
    assert decode(raw + chunks(messages.event("message_stop")))[-1] == Finish("content_filter")
    body = json.dumps({**json.loads(messages.answer({"type": "text", "text": "Sorry."})),
                       "amazon-bedrock-guardrailAction": "INTERVENED"}).encode()  # fmt: skip
    assert InvokeDecoder().whole(body)[-1] == Finish("content_filter")
    none = body.replace(b"INTERVENED", b"NONE")
    assert InvokeDecoder().whole(none)[-1] == Finish("stop")


def test_words_of_the_model_are_no_guardrail() -> None:
    said = '"amazon-bedrock-guardrailAction": "INTERVENED"'
    assert decode(chunks(messages.start(), messages.text(0, said), messages.end()))[-1] == Finish("stop")


def test_a_whole_answer() -> None:
    for body in (
        messages.answer({"type": "text", "text": "Hi"}),
        chunks(messages.start(), messages.text(0, "Hi"), messages.end()),
    ):
        machine = InvokeDecoder()
        events = machine.whole(body)
        assert text(events) == "Hi"
        assert machine.done
        assert machine.feed([(b"chunk", b"{}")]) == machine.finish() == []
    assert isinstance(failure(InvokeDecoder().whole(b"<html>")), UpstreamGarbled | UpstreamCut)


def test_an_answer_by_tool_is_text() -> None:
    raw = chunks(messages.start(), messages.tool(0, "t", "json_tool_call", '{"a":1}'), messages.end("tool_use"))
    assert text(decode(raw, answers_by_tool=True)) == '{"a":1}'


def test_chunks_that_are_none_are_skipped() -> None:
    raw = (
        chunks(messages.start())
        + event("chunk", bytes="%%%")
        + event("other")
        + chunks(messages.text(0, "x"), messages.end())
    )
    assert text(decode(raw)) == "x"


def test_ids_are_made_where_there_are_none() -> None:
    raw = chunks(messages.start(), messages.tool(0, "", "f", "{}"), messages.end("tool_use"))
    assert calls(decode(raw))[0][0].startswith("tooluse_")


@needs_shared
def test_the_recorded_stream() -> None:
    raw = recording(RECORDED)
    checked = check_stream(translate(raw, machine=InvokeDecoder()))
    assert checked.text == "Hobbits embark on epic quest to destroy powerful ring, battling dark forces."
    assert checked.response["status"] == "completed"
    assert checked.response["usage"]["input_tokens"] == 21
    assert checked.response["usage"]["output_tokens"] == 22
    for one in checked.events:
        check_event(one)
    for size in (1, 100, 999):
        assert translate(raw, range(size, len(raw), size), machine=InvokeDecoder()) == translate(
            raw, machine=InvokeDecoder()
        )
    _, whole = completion(raw, machine=InvokeDecoder())
    assert whole["choices"][0]["message"]["content"] == checked.text
    assert whole["usage"]["total_tokens"] == 43


def test_tokens_are_counted() -> None:
    found = usage(decode(ANSWER))
    assert found is not None
    assert found.total_tokens == 15
    assert [one for one in decode(ANSWER) if isinstance(one, TextDelta)] == [TextDelta("Hel"), TextDelta("lo")]
