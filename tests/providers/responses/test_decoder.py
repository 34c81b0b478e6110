"""What a Responses stream says, in neutral events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from proxy.errors import UpstreamCut
from proxy.events import (
    Annotation,
    Event,
    Finish,
    MessageStart,
    OutputItem,
    ReasoningDelta,
    ReasoningState,
    Refusal,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UpstreamFailed,
)
from proxy.providers.responses.decoder import ResponsesDecoder
from proxy.providers.responses.usage import usage_from_responses
from tests.support.encoding import encoder
from tests.support.grammar import check_response
from tests.support.responses_streams import (
    LOOSE,
    USAGE,
    Upstream,
    call_item,
    events_of,
    message_item,
    response_object,
    whole,
)

SAID = usage_from_responses(USAGE)


def said(raw: bytes, **options: Any) -> list[Event]:
    """Returns the events of a stream without its usage and its good end."""
    events = events_of(raw, decoder=ResponsesDecoder(**options))
    assert events[-2:] == [SAID, Finish("stop", "default")]
    return events[:-2]


def reasoning(up: Upstream, *, text: str = "", summary: tuple[str, ...] = (), sealed: str | None = None) -> bytes:
    item: dict[str, Any] = {"id": "rs_0", "type": "reasoning", "summary": [], "content": []}
    place = {"item_id": "rs_0", "output_index": 0}
    raw = up.event("output_item.added", output_index=0, item=item)
    if text:
        raw += up.event("reasoning_text.delta", **place, content_index=0, delta=text)
    for index, one in enumerate(summary):
        raw += up.event("reasoning_summary_text.delta", **place, summary_index=index, delta=one)
    final = {**item, "summary": [{"type": "summary_text", "text": one} for one in summary]}
    if text:
        final["content"] = [{"type": "reasoning_text", "text": text}]
    if sealed is not None:
        final["encrypted_content"] = sealed
    return raw + up.event("output_item.done", output_index=0, item=final)


def test_text() -> None:
    up = Upstream()
    assert said(up.begin() + up.message("Hel", "lo") + up.end(message_item("Hel", "lo"))) == [
        MessageStart(),
        TextDelta("Hel"),
        TextDelta("lo"),
    ]


def test_logprobs_come_with_their_text() -> None:
    up = Upstream()
    place = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
    entry = {"token": "Hi", "bytes": [72, 105], "logprob": -0.1, "top_logprobs": []}
    raw = up.begin() + up.event("output_text.delta", **place, delta="Hi", logprobs=[entry])
    assert said(raw + up.end(message_item("Hi")))[1] == TextDelta("Hi", [entry])


def test_several_messages_and_what_they_are_for() -> None:
    up = Upstream()
    first = {"id": "msg_0", "type": "message", "role": "assistant", "phase": "commentary", "content": []}
    raw = up.begin() + up.event("output_item.added", output_index=0, item=first)
    raw += up.event("output_item.done", output_index=0, item=message_item("Hm.", phase="commentary"))
    raw += up.message("Yes.", index=1)
    assert said(raw + up.end()) == [MessageStart("commentary"), TextDelta("Hm."), MessageStart(), TextDelta("Yes.")]


def test_thinking_and_what_the_upstream_wants_back_of_it() -> None:
    up = Upstream()
    details = [{"type": "reasoning.encrypted", "data": "gAAA", "format": "openai-responses-v1", "index": 0}]
    assert said(up.begin() + reasoning(up, text="hm", sealed="gAAA") + up.end()) == [
        ReasoningDelta("hm"),
        ReasoningState({"field": "reasoning_details", "details": details}),
    ]


def test_parts_of_a_summary_are_paragraphs() -> None:
    up = Upstream()
    assert said(up.begin() + reasoning(up, summary=("One.", "Two.")) + up.end()) == [
        ReasoningDelta("One.", True),
        ReasoningDelta("\n\n", True),
        ReasoningDelta("Two.", True),
    ]


@pytest.mark.parametrize("one_thought", [True, False])
def test_thinking_and_its_summary(one_thought: bool) -> None:
    up = Upstream()
    events = said(up.begin() + reasoning(up, text="hm", summary=("Hm.",)) + up.end(), one_thought=one_thought)
    assert events == [ReasoningDelta("hm"), *([] if one_thought else [ReasoningDelta("Hm.", True)])]


def test_a_call() -> None:
    up = Upstream()
    assert said(up.begin() + up.call("f", "{", "}") + up.end(call_item("f", "{}"))) == [
        ToolCallStart(0, "call_0", "f"),
        ToolCallDelta(0, "{"),
        ToolCallDelta(0, "}"),
    ]


def test_a_call_without_an_id_gets_one() -> None:
    up = Upstream()
    start = said(up.begin() + up.call("f", "{}").replace(b'"call_id":"call_0",', b"") + up.end())[0]
    assert isinstance(start, ToolCallStart)
    assert start.call_id.startswith("call_")


def test_a_freeform_call() -> None:
    up = Upstream()
    item = {"id": "ctc_0", "type": "custom_tool_call", "call_id": "c", "name": "run", "input": ""}
    raw = up.begin() + up.event("output_item.added", output_index=0, item=item)
    raw += up.event("custom_tool_call_input.delta", item_id="ctc_0", output_index=0, delta="ls")
    raw += up.event("output_item.done", output_index=0, item={**item, "input": "ls -l"})
    assert said(raw + up.end()) == [ToolCallStart(0, "c", "run", True), ToolCallDelta(0, "ls"), ToolCallDelta(0, " -l")]


def test_a_tool_in_a_namespace_has_one_name() -> None:
    up = Upstream()
    raw = up.call("f", "{}").replace(b'"name":"f"', b'"name":"f","namespace":"ns"')
    start = said(up.begin() + raw + up.end())[0]
    assert isinstance(start, ToolCallStart)
    assert start.name == "ns__f"


def test_a_call_with_fields_of_its_own_is_told_whole() -> None:
    up = Upstream()
    caller = b'"name":"f","caller":{"type":"program","caller_id":"c"}'
    (item,) = said(up.begin() + up.call("f", "{", "}").replace(b'"name":"f"', caller) + up.end())
    assert isinstance(item, OutputItem)
    assert (item.item["arguments"], item.item["caller"]["type"]) == ("{}", "program")


def test_hosted_tools_are_told_whole() -> None:
    up = Upstream()
    item = {"id": "ws_0", "type": "web_search_call", "status": "completed", "action": {"type": "search"}}
    raw = up.begin() + up.event("output_item.added", output_index=0, item={**item, "status": "in_progress"})
    raw += up.event("web_search_call.searching", item_id="ws_0", output_index=0)
    events = events_of(raw + up.event("output_item.done", output_index=0, item=item) + up.end(item))
    searched = msgspec.structs.replace(SAID, searches=1)
    assert events == [OutputItem(item), searched, Finish("stop", "default")]


def test_citations_count_from_the_beginning_of_the_answer() -> None:
    up = Upstream()
    citation = {"type": "url_citation", "url": "https://a.example/", "title": "A", "start_index": 1, "end_index": 3}
    place = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    raw = up.begin() + up.message("Hello")
    raw += up.event("output_text.delta", **place, delta="again", logprobs=[])
    raw += up.event("output_text.annotation.added", **place, annotation_index=0, annotation=citation)
    events = said(raw + up.end(message_item("Hello"), message_item("again", id="msg_1")))
    assert events[-1] == Annotation({**citation, "start_index": 6, "end_index": 8})


def test_a_refusal() -> None:
    up = Upstream()
    place = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
    assert said(up.begin() + up.event("refusal.delta", **place, delta="No.") + up.end())[1:] == [Refusal("No.")]


def test_a_cut_stream_says_what_it_had_and_fails() -> None:
    up = Upstream()
    *events, failed = events_of(up.begin() + up.message("Hello"))
    assert events == [MessageStart(), TextDelta("Hello")]
    assert isinstance(failed, UpstreamFailed)
    assert isinstance(failed.error, UpstreamCut)


def test_an_incomplete_answer_has_usage() -> None:
    up = Upstream()
    raw = (
        up.begin()
        + up.message("Hel")
        + up.end(message_item("Hel"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    )
    assert events_of(raw)[-2:] == [SAID, Finish("length", "default")]


def test_a_whole_answer_says_what_its_stream_said() -> None:
    items = [message_item("Hello"), call_item("f", "{}", 1)]
    final = whole(response_object("completed", output=items, usage=USAGE), encoder(), ResponsesDecoder())
    check_response(final, LOOSE)
    assert [item["type"] for item in final["output"]] == ["message", "function_call"]
    assert final["usage"]["total_tokens"] == 14


def test_reads_are_never_taken_for_plain_text() -> None:
    decoder = ResponsesDecoder()
    decoder.learn(b"x", "x")
    assert decoder.text_of(b"x") == ""
