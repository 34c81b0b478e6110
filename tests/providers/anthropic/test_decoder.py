from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import UpstreamCut, UpstreamGarbled, UpstreamStreamError
from proxy.events import (
    Event,
    Finish,
    OutputItem,
    Refusal,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UpstreamFailed,
    Usage,
)
from tests.support.bad_streams import budget
from tests.support.grammar import Profile, check_stream
from tests.support.machines import Setup
from tests.support.messages import (
    answer,
    closed,
    decode,
    decoder,
    delta,
    end,
    event,
    opened,
    said,
    start,
    text,
    thinking,
    tool,
    translate,
    translate_whole,
    whole,
)
from tests.support.sdk_types import check_event

LOOSE = Profile(hosted=True, exact_fields=False)
HELLO = start() + text(0, "Hello") + end()


def failure(events: list[Event]) -> Any:
    assert isinstance(events[-1], UpstreamFailed)
    return events[-1].error


def texts(events: list[Event]) -> str:
    return "".join(one.text for one in events if isinstance(one, TextDelta))


def test_an_answer() -> None:
    first, said_so, last, finish = decode(HELLO)
    assert (said_so, finish) == (TextDelta("Hello"), Finish())
    assert isinstance(first, Usage)
    assert isinstance(last, Usage)
    assert [(one.input_tokens, one.output_tokens, one.total_tokens) for one in (first, last)] == [
        (10, 1, 11),
        (10, 5, 15),
    ]


def test_names_of_events_may_be_missing() -> None:
    bare = b"\n".join(line for line in HELLO.split(b"\n") if not line.startswith(b"event:"))
    assert decode(bare) == decode(HELLO)


def test_pings_comments_and_what_nobody_knows_are_ignored() -> None:
    noise = event("ping") + b": alive\n\n" + event("later_than_this") + delta(0, "unknown_delta", more=1)
    parts = [start(), noise, opened(0, type="text", text=""), noise, said(0, "Hello"), noise, closed(0), noise, end()]
    assert decode(*parts) == decode(HELLO)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "stop"),
        ("a_new_one", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("refusal", "content_filter"),
    ],
)
def test_why_it_stopped(reason: str, finish: Any) -> None:
    assert decode(start(), text(0, "a"), end(reason))[-1] == Finish(finish)
    assert whole(answer({"type": "text", "text": "a"}, reason=reason))[-1] == Finish(finish)


@pytest.mark.parametrize(
    ("tier", "shown"), [("standard", "default"), ("priority", "priority"), ("batch", None), (5, None)]
)
def test_the_tier_that_was_used(tier: Any, shown: str | None) -> None:
    finish = decode(start(input_tokens=1, service_tier=tier), text(0, "a"), end())[-1]
    assert finish == Finish(service_tier=shown)


def test_a_refusal_says_why() -> None:
    events = decode(start(), end("refusal", stop_details={"type": "refusal", "explanation": "No."}))
    assert events[-2:] == [Refusal("No."), Finish("content_filter")]
    assert decode(start(), end("refusal"))[-1] == Finish("content_filter")


def test_a_body_that_ends_too_early_was_cut() -> None:
    for parts in ([], [start()], [start(), text(0, "a")], [start(), opened(0, type="text", text="a")]):
        assert isinstance(failure(decode(*parts)), UpstreamCut)


def test_a_body_that_ends_behind_the_reason_is_whole() -> None:
    finish = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2})
    assert decode(start(), text(0, "a"), finish)[-1] == Finish()


def test_an_end_without_a_reason() -> None:
    assert decode(start(), text(0, "a"), event("message_stop"))[-1] == Finish()
    assert isinstance(failure(decode(start(), event("message_stop"))), UpstreamGarbled)


def test_nothing_follows_the_end() -> None:
    machine = decoder()
    machine.feed([(b"", one) for one in payloads(HELLO)])
    assert machine.done
    assert machine.feed([(b"", one) for one in payloads(HELLO)]) == []
    assert machine.finish() == []


def payloads(raw: bytes) -> list[bytes]:
    return [line[6:] for line in raw.split(b"\n") if line.startswith(b"data: ")]


@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        ("overloaded_error", "Overloaded", ("overloaded", 503)),
        ("rate_limit_error", "slow down", ("rate_limit_exceeded", 429)),
        ("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", ("context_length_exceeded", 400)),
        ("api_error", "Internal server error", ("server_error", 502)),
        ("timeout_error", "late", ("timeout", 504)),
        ("authentication_error", "invalid x-api-key", ("server_error", 502)),
        ("new_error", "?", ("server_error", 502)),
    ],
)
def test_errors_in_the_stream(kind: str, message: str, expected: tuple[str, int]) -> None:
    error = failure(decode(start(), text(0, "a"), event("error", error={"type": kind, "message": message})))
    assert isinstance(error, UpstreamStreamError)
    assert (error.code, error.status) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b'event: error\ndata: {"error":{"type":"overloaded_error","message":"busy"}}\n\n',
        b'data: {"error":{"type":"overloaded_error","message":"busy"}}\n\n',
        b'error: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n',
        b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}',
    ],
)
def test_errors_in_other_forms(raw: bytes) -> None:
    error = failure(decode(start(), raw))
    assert (error.message, error.code) == ("busy", "overloaded")


def test_an_error_behind_the_reason_changes_nothing() -> None:
    finish = event("message_delta", delta={"stop_reason": "end_turn"})
    error = event("error", error={"type": "api_error", "message": "x"})
    assert decode(start(), text(0, "a"), finish, error)[-1] == Finish()


def test_words_instead_of_an_error() -> None:
    assert failure(decode(b"event: error\ndata: upstream timed out\n\n")).message == "upstream timed out"


def test_one_broken_payload_is_skipped_and_three_are_too_many() -> None:
    broken = b'data: {"type":"content_block_delta","ind\n\n'
    assert texts(decode(start(), said(0, "a"), broken, said(0, "b"), broken, broken, said(0, "c"), end())) == "abc"
    machine = decoder()
    events = machine.feed([(b"", b"{")] * 3)
    assert isinstance(failure(events), UpstreamGarbled)
    assert machine.malformed == 3


def test_a_plain_body_under_a_stream_is_taken() -> None:
    assert decode(answer({"type": "text", "text": "a"})) == whole(answer({"type": "text", "text": "a"}))
    assert isinstance(failure(decode(b"<html>bad gateway</html>")), UpstreamGarbled)


@pytest.mark.parametrize("body", [b"", b"   ", b"[]", b"{}", b'{"a":1}', b"{", b"null", b"<html>"])
def test_bodies_that_are_no_answer(body: bytes) -> None:
    failure(whole(body))


def test_an_answer_that_is_not_streamed_says_the_same() -> None:
    stream = [start(), thinking(0, "hm"), text(1, "Let me"), tool(2, "t1", "f", '{"a":1}'), tool(3, "t2", "g"),
              end("tool_use")]  # fmt: skip
    body = answer(
        {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"},
        {"type": "text", "text": "Let me"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        reason="tool_use",
    )
    setup = Setup(seal=lambda state, text: json.dumps(state["details"]))
    streamed = check_stream(translate(b"".join(stream), setup=setup)).response
    made = translate_whole(body, setup)
    made["output"][2]["arguments"] = streamed["output"][2]["arguments"] = json.dumps(
        json.loads(made["output"][2]["arguments"])
    )
    assert made == streamed
    assert whole(b"".join(stream)) == decode(*stream)


def test_a_call_that_was_cut_by_the_limit() -> None:
    final = check_stream(translate(start() + tool(0, "t", "f", '{"a":') + end("max_tokens"))).response
    assert (final["status"], final["output"][0]["status"]) == ("incomplete", "incomplete")
    assert final["output"][0]["arguments"] == '{"a":'


def test_a_call_that_was_cut_before_its_arguments() -> None:
    final = check_stream(translate(start() + tool(0, "t", "f") + end("max_tokens"))).response
    assert (final["output"][0]["status"], final["output"][0]["arguments"]) == ("incomplete", "")


def test_sources_and_answers_by_tool_are_passed_on() -> None:
    events = decode(start(), tool(0, "t", "json_tool_call", '{"a":1}'), end("tool_use"), answers_by_tool=True)
    assert texts(events) == '{"a":1}'
    assert not any(isinstance(one, ToolCallStart | ToolCallDelta) for one in events)


def test_pieces_of_text_are_known_when_they_come_one_by_one() -> None:
    machine = decoder()
    machine.feed([(b"", one) for one in payloads(start() + opened(0, type="text", text=""))])
    head = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    read = head + b'"delta":{"type":"text_delta","text":"%b"}%b}\n\n'
    assert machine.text_of(read % (b"a", b"")) == ""
    machine.feed([(b"content_block_delta", payloads(read % (b"a", b""))[0])])
    machine.learn(read % (b"a", b""), "a")
    assert machine.text_of(read % (b"b", b"   ")) == "b"
    machine.feed([])
    assert machine.text_of(read % (b"c", b"")) == ""
    machine.feed([(b"", one) for one in payloads(closed(0))])
    machine.learn(read % (b"a", b""), "a")
    assert machine.text_of(read % (b"c", b"")) == ""


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text", "id"]), inner, max_size=2)
    ),
    max_leaves=4,
)
KINDS = st.sampled_from(
    ["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "web_search_tool_result", "mcp_tool_use",
     "mcp_tool_result", "compaction", "?"]
)  # fmt: skip
FIELDS = {
    "text": st.text(max_size=4), "thinking": st.text(max_size=4), "signature": st.text(max_size=3),
    "data": st.text(max_size=3), "id": st.sampled_from(["a", "b", ""]),
    "name": st.sampled_from(["f", "web_search", ""]),
    "tool_use_id": st.sampled_from(["a", "b"]), "input": st.sampled_from([{}, {"a": 1}]), "content": VALUES,
    "citations": st.just([{"url": "https://a"}]),
}  # fmt: skip
DELTAS = {
    "text": st.text(max_size=4), "thinking": st.text(max_size=4), "signature": st.text(max_size=3),
    "partial_json": st.sampled_from(["", "{", "}", '{"a":1}']), "citation": st.just({"url": "https://a"}),
    "type": st.sampled_from(["text_delta", "thinking_delta", "input_json_delta", "?"]),
}  # fmt: skip
INDEX = st.integers(0, 3)
SLOPPY = st.dictionaries(
    st.sampled_from(["index", "delta", "content_block", "message", "usage", "error"]), VALUES, max_size=2
)
EVENTS = st.one_of(
    st.builds(lambda i, t, b: opened(i, **{**b, "type": t}), INDEX, KINDS, st.fixed_dictionaries({}, optional=FIELDS)),
    st.builds(
        lambda i, d: event("content_block_delta", index=i, delta=d), INDEX, st.fixed_dictionaries({}, optional=DELTAS)
    ),
    st.builds(closed, INDEX),
    st.just(event("ping")),
    st.builds(start),
    st.builds(lambda u: event("message_delta", delta={}, usage=u), st.dictionaries(st.just("output_tokens"), VALUES)),
    st.builds(
        lambda k, f: event(k, **f),
        st.sampled_from(["content_block_start", "content_block_delta", "message_start", "message_delta", "message"]),
        SLOPPY,
    ),
    st.binary(max_size=12),
    st.sampled_from([b"data: {\n\n", b"data: [DONE]\n\n", b"event: error\ndata: no\n\n"]),
    st.just(rb'data: {"type":"content_block_delta","delta":{"text":"\ud800"}}' + b"\n\n"),
)  # fmt: skip
ENDS = st.sampled_from([b"", end(), end("max_tokens"), end("refusal"), end(None), event("message_stop"),
                        event("error", error={"type": "api_error", "message": "x"})])  # fmt: skip


@budget(150)
@given(parts=st.lists(EVENTS, max_size=10), last=ENDS, seed=st.integers(0, 3))
def test_whatever_comes_the_client_gets_one_legal_stream(parts: list[bytes], last: bytes, seed: int) -> None:
    raw = start() + b"".join(parts) + last
    setup = Setup(seal=lambda state, text: "sealed" if state.get("details") else None)
    produced = translate(raw, setup=setup)
    checked = check_stream(produced, profile=LOOSE)
    for one in checked.events:
        check_event(one)
    dice = random.Random(seed)
    cuts = sorted(dice.sample(range(1, len(raw)), min(6, len(raw) - 1)))
    assert translate(raw, cuts, setup) == produced


@budget(60)
@given(
    told=st.lists(
        st.tuples(st.sampled_from(["text", "thinking", "call"]), st.lists(st.text(min_size=1), min_size=1, max_size=3)),
        max_size=5,
    )
)
def test_a_well_formed_answer_arrives_unchanged(told: list[tuple[str, list[str]]]) -> None:
    parts = [start()]
    calls: list[tuple[str, str]] = []
    for index, (kind, pieces) in enumerate(told):
        if kind == "text":
            parts.append(text(index, *pieces))
        elif kind == "thinking":
            parts.append(thinking(index, *pieces))
        else:
            arguments = json.dumps({"said": "".join(pieces)})
            parts.append(tool(index, f"id_{index}", "f", arguments[:5], arguments[5:]))
            calls.append(("f", arguments))
    checked = check_stream(translate(b"".join([*parts, end()])))
    assert checked.text == "".join("".join(pieces) for kind, pieces in told if kind == "text")
    assert checked.reasoning == "".join("".join(pieces) for kind, pieces in told if kind == "thinking")
    assert checked.calls == calls
    assert checked.response["status"] == "completed"


def test_items_of_hosted_tools_are_events() -> None:
    search = opened(0, type="server_tool_use", id="s", name="web_search", input={"query": "a"}) + closed(0)
    found = opened(1, type="web_search_tool_result", tool_use_id="s", content=[]) + closed(1)
    events = decode(start(), search, found, text(2, "b"), end())
    assert [type(one) for one in events] == [Usage, OutputItem, TextDelta, Usage, Finish]
