"""The chat encoder: judged by the SDK's types and accumulator, and by its own non-streamed form."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion

from proxy.api.chat.encoder import ChatEncoder
from proxy.api.responses.tool_map import ToolForm, ToolMap
from proxy.errors import InternalError, UpstreamCut
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
    Usage,
)
from proxy.providers.chat.decoder import ChatDecoder
from proxy.sse.parser import SseParser
from tests.support.chat_streams import accumulate, chunks, payloads
from tests.support.fixtures import recording, recordings

USAGE = Usage(input_tokens=9, output_tokens=4, reasoning_tokens=1, total_tokens=13)
CITATION = {"type": "url_citation", "url": "https://a.example/", "title": "A", "start_index": 0, "end_index": 2}


def make(**more: Any) -> ChatEncoder:
    return ChatEncoder(id="chatcmpl-1", model="m", created=1767225600, **more)


def run(events: list[Event], **more: Any) -> tuple[bytes, dict[str, Any]]:
    """Returns the stream and the whole object for the events of one answer."""
    encoder = make(**more)
    stream = encoder.begin() + encoder.encode(events)
    assert encoder.done
    return stream, json.loads(encoder.final())


def deltas(stream: bytes) -> list[dict[str, Any]]:
    return [one["choices"][0]["delta"] for one in chunks(stream) if one["choices"]]


def test_text() -> None:
    stream, whole = run([TextDelta("He"), TextDelta('llo "you"\n'), USAGE, Finish()])
    assert deltas(stream) == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "He"},
        {"content": 'llo "you"\n'},
        {},
    ]
    last = chunks(stream)[-1]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert all("usage" not in one for one in chunks(stream))
    assert whole["choices"][0]["message"]["content"] == 'Hello "you"\n'
    assert whole["usage"]["completion_tokens_details"] == {"reasoning_tokens": 1}


def test_usage_is_null_on_every_chunk_but_the_last_when_asked_for() -> None:
    stream, _ = run([TextDelta("a"), Usage(1, 1), USAGE, Finish()], include_usage=True)
    found = chunks(stream)
    assert [one["usage"] for one in found[:-1]] == [None] * (len(found) - 1)
    assert found[-1]["choices"] == []
    assert found[-1]["usage"]["total_tokens"] == 13


def test_no_usage_is_made_up() -> None:
    stream, whole = run([TextDelta("a"), Finish()], include_usage=True)
    assert all(one["choices"] for one in chunks(stream))
    assert "usage" not in whole


def test_reasoning_goes_under_the_field_that_was_chosen() -> None:
    events: list[Event] = [ReasoningDelta("hm"), ReasoningDelta("m", summary=True), TextDelta("a"), Finish()]
    assert deltas(run(events)[0])[1:3] == [{"reasoning_content": "hm"}, {"reasoning_content": "m"}]
    stream, whole = run(events, reasoning_field="reasoning")
    assert deltas(stream)[1] == {"reasoning": "hm"}
    assert whole["choices"][0]["message"]["reasoning"] == "hmm"


def test_structured_reasoning_goes_back_as_it_came() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x", "index": 0}]
    stream, whole = run(
        [
            ReasoningState({"field": "reasoning_details"}),
            ReasoningState({"field": "reasoning_details", "details": details}),
            TextDelta("a"),
            Finish(),
        ]
    )
    assert deltas(stream)[1:3] == [{"reasoning_details": details}, {"content": "a"}]
    assert whole["choices"][0]["message"]["reasoning_details"] == details


def test_calls_are_numbered_in_the_order_they_began() -> None:
    stream, whole = run(
        [
            ToolCallStart(7, "call_a", "f"),
            ToolCallStart(3, "call_b", "g"),
            ToolCallDelta(3, '{"b"'),
            ToolCallDelta(7, "{}"),
            ToolCallDelta(3, ":1}"),
            Finish(),
        ]
    )
    assert [one.get("tool_calls") for one in deltas(stream)[1:-1]] == [
        [{"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": ""}}],
        [{"index": 1, "id": "call_b", "type": "function", "function": {"name": "g", "arguments": ""}}],
        [{"index": 1, "function": {"arguments": '{"b"'}}],
        [{"index": 0, "function": {"arguments": "{}"}}],
        [{"index": 1, "function": {"arguments": ":1}"}}],
    ]
    assert chunks(stream)[-1]["choices"][0]["finish_reason"] == "tool_calls"
    message = whole["choices"][0]["message"]
    assert message["content"] is None
    assert [one["function"]["arguments"] for one in message["tool_calls"]] == ["{}", '{"b":1}']


def test_a_call_without_arguments_gets_the_empty_object() -> None:
    stream, whole = run([ToolCallStart(0, "call_a", "f"), Finish()])
    assert accumulate(stream).choices[0].message.tool_calls[0].function.arguments == "{}"
    assert whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_a_call_that_was_cut_short_is_not_completed() -> None:
    stream, whole = run([ToolCallStart(0, "call_a", "f"), Finish("length")])
    assert accumulate(stream).choices[0].message.tool_calls[0].function.arguments == ""
    assert whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == ""
    assert whole["choices"][0]["finish_reason"] == "length"


def test_a_freeform_call_is_a_custom_one() -> None:
    stream, whole = run([ToolCallStart(0, "call_a", "patch", freeform=True), ToolCallDelta(0, "***"), Finish()])
    assert deltas(stream)[1:3] == [
        {"tool_calls": [{"index": 0, "id": "call_a", "type": "custom", "custom": {"name": "patch", "input": ""}}]},
        {"tool_calls": [{"index": 0, "custom": {"input": "***"}}]},
    ]
    assert whole["choices"][0]["message"]["tool_calls"] == [
        {"id": "call_a", "type": "custom", "custom": {"name": "patch", "input": "***"}}
    ]
    ChatCompletion.model_validate(whole, strict=True)


LONG = "a_name_that_is_far_too_long_for_an_upstream_" + "x" * 40


def renamed(*forms: ToolForm) -> tuple[ToolMap, list[str]]:
    """Returns the map of tools, and what each is called upstream."""
    tools = ToolMap()
    return tools, [tools.add(form) for form in forms]


def test_tools_are_called_what_the_client_calls_them() -> None:
    tools, (patch, long, dotted) = renamed(
        ToolForm("custom", "apply patch"), ToolForm("function", LONG), ToolForm("function", "a.b")
    )
    assert {patch, long, dotted}.isdisjoint({"apply patch", LONG, "a.b"})
    encoder = make()
    encoder.use(tools, None)
    events: list[Event] = [
        ToolCallStart(0, "call_a", patch),
        *(ToolCallDelta(0, piece) for piece in ('{"inp', 'ut": "*** B', "egin\\", 'n\\u00e9"', "}")),
        ToolCallStart(1, "call_b", long),
        ToolCallDelta(1, '{"a":1}'),
        ToolCallStart(2, "call_c", dotted),
        ToolCallStart(3, "call_d", "undeclared"),
        ToolCallDelta(3, "{}"),
        Finish(),
    ]
    stream = encoder.begin() + b"".join(encoder.encode([event]) for event in events)
    whole = json.loads(encoder.final())["choices"][0]["message"]["tool_calls"]
    assert whole == [
        {"id": "call_a", "type": "custom", "custom": {"name": "apply patch", "input": "*** Begin\n\u00e9"}},
        {"id": "call_b", "type": "function", "function": {"name": LONG, "arguments": '{"a":1}'}},
        {"id": "call_c", "type": "function", "function": {"name": "a.b", "arguments": "{}"}},
        {"id": "call_d", "type": "function", "function": {"name": "undeclared", "arguments": "{}"}},
    ]
    pieces = [one for delta in deltas(stream) for one in delta.get("tool_calls", ()) if one["index"] == 0]
    assert pieces[0] == {"index": 0, "id": "call_a", "type": "custom", "custom": {"name": "apply patch", "input": ""}}
    assert [one["custom"]["input"] for one in pieces[1:]] == ["*** B", "egin", "\n\u00e9"]
    names = [one["function"]["name"] for delta in deltas(stream) for one in delta.get("tool_calls", ()) if "id" in one
             and "function" in one]  # fmt: skip
    assert names == [LONG, "a.b", "undeclared"]


@pytest.mark.parametrize("arguments", ['{"text": "raw"}', '"raw"', "raw"])
def test_input_in_arguments_of_another_form_comes_at_the_end(arguments) -> None:
    tools, (name,) = renamed(ToolForm("custom", "patch"))
    encoder = make()
    encoder.use(tools, None)
    stream = encoder.encode([ToolCallStart(0, "call_a", name), ToolCallDelta(0, arguments), Finish()])
    assert "".join(one["tool_calls"][0]["custom"]["input"] for one in deltas(stream)[:-1]) == "raw"
    assert json.loads(encoder.final())["choices"][0]["message"]["tool_calls"][0]["custom"]["input"] == "raw"


def test_a_call_that_is_not_allowed_is_not_shown() -> None:
    tools, (name,) = renamed(ToolForm("function", "f"))
    tools.allow_only(())
    encoder = make()
    encoder.use(tools, None)
    stream = encoder.encode([TextDelta("a"), ToolCallStart(0, "call_a", name), ToolCallDelta(0, "{}"), Finish()])
    assert deltas(stream) == [{"content": "a"}, {}]
    assert chunks(stream)[-1]["choices"][0]["finish_reason"] == "stop"


def test_dropped_reasoning_is_nowhere_but_where_it_is_sealed() -> None:
    text = {"type": "reasoning.text", "text": "secret", "signature": "s"}
    sealed = {"type": "reasoning.encrypted", "data": "e"}
    events = [
        ReasoningDelta("secret"),
        ReasoningState({"field": "reasoning_details", "details": [text, sealed]}),
        ReasoningState({"field": "thinking_blocks", "details": [{"type": "thinking", "thinking": "secret"}]}),
        TextDelta("a"),
        Finish(),
    ]
    stream, whole = run(events, show_reasoning=False)
    assert b"secret" not in stream
    assert deltas(stream)[1:] == [{"reasoning_details": [sealed]}, {"content": "a"}, {}]
    message = whole["choices"][0]["message"]
    assert (message["reasoning_details"], "reasoning_content" in message) == ([sealed], False)
    shown, _ = run(events)
    assert shown.count(b"secret") == 3


def test_pieces_of_a_call_that_a_filter_withheld_are_dropped() -> None:
    stream, whole = run([ToolCallDelta(0, "{}"), TextDelta("a"), Finish()])
    assert deltas(stream)[1:] == [{"content": "a"}, {}]
    assert whole["choices"][0]["finish_reason"] == "stop"


def test_annotations_come_in_one_list_in_front_of_the_end() -> None:
    stream, whole = run([TextDelta("a"), Annotation(CITATION), TextDelta("b"), Annotation(CITATION), Finish()])
    found = deltas(stream)
    assert [list(one) for one in found[1:]] == [["content"], ["content"], ["annotations"], []]
    assert [one["url_citation"]["title"] for one in found[3]["annotations"]] == ["A", "A"]
    assert whole["choices"][0]["message"]["annotations"] == found[3]["annotations"]
    assert len(accumulate(stream).choices[0].message.annotations) == 2


def test_logprobs_travel_with_their_piece() -> None:
    entry = {"token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": []}
    stream, whole = run([TextDelta("a", [entry]), TextDelta("b"), TextDelta("a", [entry]), Finish()])
    assert [one["choices"][0]["logprobs"] for one in chunks(stream)[1:4]] == [
        {"content": [entry], "refusal": None},
        None,
        {"content": [entry], "refusal": None},
    ]
    assert whole["choices"][0]["logprobs"] == {"content": [entry, entry], "refusal": None}
    assert len(accumulate(stream).choices[0].logprobs.content) == 2


def test_what_chat_completions_have_no_word_for_is_dropped() -> None:
    search = OutputItem({"id": "ws_1", "type": "web_search_call", "status": "completed"})
    assert run([search, TextDelta("a"), search, Finish()]) == run([TextDelta("a"), Finish()])


def test_images_are_given_as_other_gateways_give_them() -> None:
    image = OutputItem(
        {"type": "image_generation_call", "status": "completed", "result": "aW1n", "output_format": "png"}
    )
    stream, whole = run([TextDelta("Here:"), image, TextDelta("and"), image, Finish()])
    shown = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aW1n"}, "index": index} for index in (0, 1)
    ]
    assert [delta["images"] for delta in deltas(stream) if "images" in delta] == [shown[:1], shown[1:]]
    assert whole["choices"][0]["message"]["images"] == shown
    assert whole["choices"][0]["message"]["content"] == "Here:and"


def test_messages_become_paragraphs() -> None:
    cited = Annotation({**CITATION, "start_index": 3, "end_index": 5})
    events: list[Event] = [
        MessageStart("commentary"),
        TextDelta("Hm."),
        MessageStart(),
        TextDelta("Yes"),
        cited,
        Finish(),
    ]
    stream, whole = run(events)
    assert [delta.get("content") for delta in deltas(stream)][1:4] == ["Hm.", "\n\n", "Yes"]
    message = whole["choices"][0]["message"]
    assert message["content"] == "Hm.\n\nYes"
    citation = message["annotations"][0]["url_citation"]
    assert message["content"][citation["start_index"] : citation["end_index"]] == "Ye"


def test_all_that_was_said_is_counted() -> None:
    encoder = make()
    encoder.use(None, None)
    encoder.encode(
        [ReasoningDelta("hm"), TextDelta("abc"), Refusal("no"), ToolCallStart(0, "c", "f"), ToolCallDelta(0, "{}")]
    )
    assert encoder.output_chars() == 10


def test_refusal() -> None:
    stream, whole = run([Refusal("I "), Refusal("cannot."), Finish()])
    assert accumulate(stream).choices[0].message.refusal == "I cannot."
    message = whole["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, "I cannot.")


@pytest.mark.parametrize(
    ("reason", "outcome"), [("stop", "completed"), ("length", "incomplete"), ("content_filter", "incomplete")]
)
def test_how_it_ended(reason, outcome) -> None:
    encoder = make()
    stream = encoder.encode([TextDelta("a"), Finish(reason, "priority")])
    assert encoder.outcome == outcome
    assert chunks(stream)[-1]["choices"][0]["finish_reason"] == reason
    assert chunks(stream)[-1]["service_tier"] == "priority"
    assert json.loads(encoder.final())["service_tier"] == "priority"


def test_a_failure_is_an_error_event_and_nothing_else() -> None:
    encoder = make()
    stream = encoder.encode([TextDelta("a"), UpstreamFailed(UpstreamCut("Gone.")), TextDelta("b"), Finish()])
    assert json.loads(payloads(stream)[-1]) == {
        "error": {"message": "Gone.", "type": "server_error", "param": None, "code": "server_error"}
    }
    assert encoder.outcome == "failed"
    assert encoder.fail(InternalError("Again.")) == b""
    assert encoder.encode([TextDelta("c")]) == b""
    assert json.loads(encoder.final())["error"]["message"] == "Gone."


def test_a_failure_from_outside() -> None:
    encoder = make()
    encoder.encode([TextDelta("a")])
    assert json.loads(payloads(encoder.fail(InternalError("Bug.")))[0])["error"]["message"] == "Bug."
    assert (encoder.done, encoder.outcome) == (True, "failed")


def test_a_failure_behind_the_end_changes_nothing() -> None:
    encoder = make()
    encoder.encode([TextDelta("a"), Finish()])
    assert encoder.fail(UpstreamCut("Late.")) == b""
    assert encoder.outcome == "completed"


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Returns the events of one answer, calls interleaved."""
    events: list[Event] = []
    calls = 0
    for kind in draw(st.lists(st.sampled_from("trfcdalu"), max_size=20)):
        if kind == "t":
            events.append(TextDelta(draw(texts)))
        elif kind == "r":
            events.append(ReasoningDelta(draw(texts)))
        elif kind == "f":
            events.append(Refusal(draw(texts)))
        elif kind == "c":
            events.append(ToolCallStart(calls, f"call_{calls}", draw(texts)))
            calls += 1
        elif kind == "d" and calls:
            events.append(ToolCallDelta(draw(st.integers(0, calls - 1)), draw(texts)))
        elif kind == "a":
            events.append(Annotation(CITATION))
        elif kind == "l":
            events.append(TextDelta("x", [{"token": "x", "bytes": [120], "logprob": 0.0, "top_logprobs": []}]))
        elif kind == "u":
            events.append(Usage(draw(st.integers(0, 9)), 2, total_tokens=11))
    return [*events, Finish(draw(st.sampled_from(["stop", "length", "content_filter"])))]


def meaning(completion: dict[str, Any]) -> dict[str, Any]:
    """Returns what a completion says, without what only the form decides.

    `reasoning_details` are left out: the SDK's accumulator joins the strings of entries with the same index, the names
    of formats too.
    """
    choice = completion["choices"][0]
    message = {
        key: value
        for key, value in choice["message"].items()
        if value not in (None, "", []) and key not in ("parsed", "reasoning_details")
    }
    for call in message.get("tool_calls", ()):
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    logprobs = (choice.get("logprobs") or {}).get("content") or []
    return {
        "id": completion["id"],
        "created": completion["created"],
        "message": message,
        "finish": choice["finish_reason"],
        "usage": completion.get("usage"),
        "logprobs": [one["token"] for one in logprobs],
    }


@settings(max_examples=40, deadline=None)
@given(events=answers(), cuts=st.lists(st.integers(0, 20), max_size=3))
def test_streamed_and_whole_say_the_same_however_the_events_are_batched(events, cuts) -> None:
    encoder = make(include_usage=True)
    stream = encoder.begin()
    places = [0, *sorted(min(cut, len(events)) for cut in cuts), len(events)]
    for start, end in pairwise(places):
        stream += encoder.encode(events[start:end])
    whole = json.loads(encoder.final())
    ChatCompletion.model_validate(whole, strict=True)
    assert meaning(accumulate(stream).to_dict()) == meaning(whole)
    assert stream == run(events, include_usage=True)[0]


@pytest.mark.parametrize("row", recordings("openai-chat-completions-stream"), ids=lambda row: row["path"])
def test_recorded_answers_come_out_as_the_sdk_wants_them(row) -> None:
    parser, decoder = SseParser(), ChatDecoder()
    events = decoder.feed(parser.feed(recording(row["path"])))
    if not decoder.done:
        events += decoder.feed(parser.finish())
    if not decoder.done:
        events += decoder.finish()
    encoder = make(include_usage=True)
    stream = encoder.begin() + encoder.encode(events)
    assert encoder.done
    whole = json.loads(encoder.final())
    if encoder.outcome == "failed":
        assert json.loads(payloads(stream)[-1]) == whole
        return
    ChatCompletion.model_validate(whole, strict=True)
    assert meaning(accumulate(stream).to_dict()) == meaning(whole)
