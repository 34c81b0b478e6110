"""Answers on the wire: chunks that the SDK's types accept, and a streamed form that equals the whole one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from proxy.events import Event, Finish, TextDelta, ToolCallDelta, UpstreamFailed, Usage
from proxy.providers.chat.decoder import ChatDecoder
from proxy.providers.echo.models import model_names
from proxy.providers.echo.performance import Performance, error_body
from proxy.providers.echo.script import decide
from proxy.sse.parser import SseParser
from tests.support.chat_streams import accumulate, chunks

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
        },
    }
    for name in ("search", "read")
]
GOOD = [one for one in model_names() if "error" not in one and one not in ("echo-cut", "echo-stall")]
CREATED = 1767225600


def play(text: str = "one two three four", model: str = "echo", **fields: Any) -> Performance:
    request = {"model": model, "messages": [{"role": "user", "content": text}], "tools": TOOLS, **fields}
    return Performance(decide(request), request, json.dumps(request).encode(), CREATED)


def stream(*args: Any, **fields: Any) -> bytes:
    return b"".join(play(*args, **fields).ticks())


def whole(*args: Any, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(play(*args, **fields).whole())
    return found


def events(data: bytes, *, ended: bool = True) -> list[Event]:
    """Returns what the chat decoder reads in a stream."""
    parser, decoder = SseParser(), ChatDecoder()
    found = decoder.feed(parser.feed(data))
    return found if decoder.done or not ended else found + decoder.feed(parser.finish()) + decoder.finish()


def same(streamed: Any, complete: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yields what must be equal in both forms."""
    one, other = streamed.choices[0], complete["choices"][0]
    yield streamed.id, complete["id"]
    yield streamed.created, complete["created"]
    yield one.finish_reason, other["finish_reason"]
    yield one.message.content or None, other["message"]["content"] or None
    yield one.message.refusal, other["message"]["refusal"]
    yield (one.message.model_extra or {}).get("reasoning_content"), other["message"].get("reasoning_content")
    calls = [(call.id, call.function.name, call.function.arguments) for call in one.message.tool_calls or ()]
    yield calls, [(c["id"], *c["function"].values()) for c in other["message"].get("tool_calls", ())]
    yield streamed.usage.to_dict(), complete["usage"]


@pytest.mark.parametrize("model", GOOD)
@pytest.mark.parametrize("fields", [{}, {"max_tokens": 2}, {"logprobs": True}, {"tool_choice": "required"}])
def test_streamed_and_whole_are_equal(model, fields) -> None:
    complete = whole(model=model, **fields)
    ChatCompletion.model_validate(complete, strict=True)
    snapshot = accumulate(stream(model=model, stream_options={"include_usage": True}, **fields))
    del complete["id"]
    complete["id"] = snapshot.id  # the id derives from the body, and the bodies differ
    for call, streamed in zip(
        complete["choices"][0]["message"].get("tool_calls", ()),
        snapshot.choices[0].message.tool_calls or (),
        strict=True,
    ):
        call["id"] = streamed.id
    for one, other in same(snapshot, complete):
        assert one == other


def test_the_same_body_gives_the_same_bytes() -> None:
    assert stream(model="echo-tools") == stream(model="echo-tools")
    assert stream("a") != stream("b")


def test_a_tick_a_token() -> None:
    ticks = list(play("one two three").ticks())
    assert [json.loads(tick[6:])["choices"][0]["delta"].get("content") for tick in ticks[:-1]] == [
        "",
        "one",
        " two",
        " three",
    ]
    assert b'"finish_reason":"stop"' in ticks[-1]
    assert ticks[-1].endswith(b"data: [DONE]\n\n")


def test_usage_only_for_those_who_ask() -> None:
    assert all("usage" not in one for one in chunks(stream()))
    assert all("usage" not in one for one in chunks(stream(stream_options={"include_usage": False})))
    assert all("usage" not in one for one in chunks(stream(stream_options="x")))
    last = chunks(stream("a b [[reasoning c d e]]", stream_options={"include_usage": True}))[-1]
    assert last["choices"] == []
    usage = last["usage"]
    assert (usage["completion_tokens"], usage["completion_tokens_details"]["reasoning_tokens"]) == (5, 3)
    assert usage["total_tokens"] == usage["prompt_tokens"] + 5


@pytest.mark.parametrize(
    ("text", "fields", "said", "reason"),
    [
        ("one two three", {"max_tokens": 2}, "one two", "length"),
        ("one two three", {"max_tokens": 3}, "one two three", "stop"),
        ("a [[reasoning one two three]]", {"max_tokens": 2}, "", "length"),
        ("one [[finish content_filter]]", {}, "one", "content_filter"),
        ("one two three four", {"model": "echo-length"}, "one two", "length"),
        ("one", {"model": "echo-length"}, "one", "length"),
    ],
)
def test_how_it_ends(text, fields, said, reason) -> None:
    found = accumulate(stream(text, **fields)).choices[0]
    assert (found.message.content, found.finish_reason) == (said, reason)


def test_a_call_can_be_cut_short() -> None:
    found = accumulate(stream('[[call search {"q":"a b c d"}]]', max_tokens=2)).choices[0]
    assert found.message.tool_calls[0].function.arguments == '{"q":"a b'
    assert found.finish_reason == "length"


def test_call_ids_are_unique_within_an_answer_and_over_turns() -> None:
    first = accumulate(stream(model="echo-tools-parallel")).choices[0].message.tool_calls
    second = accumulate(stream("other", model="echo-tools-parallel")).choices[0].message.tool_calls
    assert len({call.id for call in [*first, *second]}) == 4
    assert all(len(call.id) <= 64 for call in first)


def test_custom_calls_come_as_custom() -> None:
    tools = [{"type": "custom", "custom": {"name": "patch"}}]
    found = whole("[[call patch *** a]]", tools=tools)["choices"][0]["message"]["tool_calls"]
    assert found[0]["custom"] == {"name": "patch", "input": "*** a"}
    read = events(stream("[[call patch *** a]]", tools=tools))
    assert "".join(one.arguments for one in read if isinstance(one, ToolCallDelta)) == "*** a"


def test_the_service_tier_is_told_when_it_was_asked_for() -> None:
    assert whole(service_tier="auto")["service_tier"] == "default"
    assert "service_tier" not in whole()


class TestAccidents:
    """The three ways in which an answer can stop short."""

    @pytest.mark.parametrize(("text", "said"), [("a b c d", "a b"), ("a b c d [[stream_error 3]]", "a b c")])
    def test_error_object(self, text, said) -> None:
        *texts, last = events(stream(text, model="echo-stream-error"))
        assert "".join(one.text for one in texts if isinstance(one, TextDelta)) == said
        assert isinstance(last, UpstreamFailed)
        assert "broke off" in last.error.message

    def test_error_object_at_once(self) -> None:
        assert type(events(stream("[[stream_error 0]]"))[0]) is UpstreamFailed

    def test_error_object_behind_everything(self) -> None:
        *texts, last = events(stream("a b [[stream_error 99]]"))
        assert len(texts) == 2
        assert isinstance(last, UpstreamFailed)

    @pytest.mark.parametrize("text", ["a b c d", "a b c d [[cut 4]]", "a b c d [[cut 99]]", "a [[cut 0]]"])
    def test_cut_in_the_middle_of_an_event(self, text) -> None:
        data = stream(text, model="echo-cut")
        assert not data.endswith(b"\n\n")
        assert b"[DONE]" not in data
        assert not any(isinstance(one, (Finish, UpstreamFailed)) for one in events(data, ended=False))
        assert isinstance(events(data)[-1], UpstreamFailed)

    def test_stall_at_the_end_of_an_event(self) -> None:
        data = stream("a b c d", model="echo-stall")
        assert data.endswith(b"\n\n")
        assert [one.text for one in events(data, ended=False) if isinstance(one, TextDelta)] == ["a", " b"]
        assert b'finish_reason":"' not in data

    def test_the_error_object_of_an_answer_in_one_piece(self) -> None:
        found = whole(model="echo-stream-error")
        assert set(found["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("text", "status", "type", "code", "retry"),
    [
        ("[[error 400]]", 400, "invalid_request_error", None, None),
        ("[[error 400 context_length_exceeded]]", 400, "invalid_request_error", "context_length_exceeded", None),
        ("[[error 401]]", 401, "invalid_request_error", "invalid_api_key", None),
        ("[[error 418]]", 418, "invalid_request_error", None, None),
        ("[[error 429]]", 429, "rate_limit_error", "rate_limit_exceeded", "1"),
        ("[[error 429 insufficient_quota]]", 429, "insufficient_quota", "insufficient_quota", None),
        ("[[error 500]]", 500, "server_error", None, None),
        ("[[error 503]]", 503, "server_error", "overloaded", "1"),
        ("[[error 599]]", 599, "server_error", None, None),
    ],
)
def test_http_errors(text, status, type, code, retry) -> None:
    answer = play(text).answer
    headers, body = error_body(answer)
    error = json.loads(body)["error"]
    assert answer.status == status
    assert (error["type"], error["code"]) == (type, code)
    assert headers.get("retry-after") == retry
    assert headers["content-type"] == "application/json"


def test_an_unknown_model_is_named() -> None:
    error = json.loads(error_body(play(model="gpt-4o").answer)[1])["error"]
    assert error == {
        "message": "The model 'gpt-4o' does not exist or you do not have access to it.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


def test_how_long_an_answer_takes() -> None:
    assert play("a b c d [[tokens_per_s=2]] [[first_token_s=1]]").seconds == 3
    assert play("a b c d [[tokens_per_s=2]]", max_tokens=2).seconds == 1
    assert play("a b c d").seconds == 0


def test_long_answers_are_made_as_they_are_sent() -> None:
    ticks = play("word [[repeat=200000]]").ticks()
    first = [next(ticks) for _ in range(3)]
    assert len(b"".join(first)) < 2000


def test_the_decoder_counts_what_was_counted() -> None:
    read = events(stream("a b c", stream_options={"include_usage": True}))
    usage = next(one for one in read if isinstance(one, Usage))
    assert (usage.input_tokens, usage.output_tokens) == (3, 3)
