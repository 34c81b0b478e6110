from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from proxy.api.chat.request import ChatRequest
from proxy.errors import BadRequest
from proxy.providers.anthropic.build import Target, build_body
from proxy.providers.anthropic.chat_request import responses_request
from proxy.providers.anthropic.profile import MessagesProfile
from proxy.providers.anthropic.traits import traits_of
from proxy.providers.provider import TranslateOptions
from tests.support.asked import SEALING
from tests.support.messages_asked import FIRST_ADAPTIVE, PNG, said, thought
from tests.support.strict_messages import check

USER = {"role": "user", "content": "hi"}


def made(*messages: dict[str, Any], **fields: Any) -> tuple[dict[str, Any], list[str]]:
    """Returns what is sent for a chat request, after the strict server has taken it; and what had no effect."""
    asked = ChatRequest.parse(json.dumps({"model": "m", "messages": list(messages) or [USER], **fields}).encode())
    asked.validate()
    ignored: list[str] = []
    options = TranslateOptions()
    request = responses_request(asked, FIRST_ADAPTIVE, options, ignored.append)
    target = Target(model=FIRST_ADAPTIVE, traits=traits_of(FIRST_ADAPTIVE), profile=MessagesProfile())
    built = build_body(request, target, options, ignored.append, SEALING)
    return check(msgspec.json.encode(built.body)), ignored


def call(id: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_a_question() -> None:
    body, ignored = made({"role": "system", "content": "Be."}, USER)
    assert body == {
        "model": FIRST_ADAPTIVE,
        "max_tokens": 32000,
        "system": [{"type": "text", "text": "Be."}],
        "messages": [said("user", "hi")],
    }
    assert ignored == []


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 6}, {"max_tokens": 6}),
        ({"stop": ["a"]}, {"stop_sequences": ["a"]}),
        ({"stop": "b"}, {"stop_sequences": ["b"]}),
        ({"top_k": 4}, {"top_k": 4}),
        ({"temperature": 0.2}, {"temperature": 0.2}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"frequency_penalty": 0}, {}),
        ({"n": 1, "logprobs": False}, {}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
            {
                "output_config": {
                    "format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}
                }
            },
        ),
        (
            {"reasoning_effort": "low"},
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "low"}},
        ),
    ],
)
def test_fields(fields: dict[str, Any], sent: dict[str, Any]) -> None:
    body, ignored = made(**fields)
    assert body == {**made()[0], **sent}
    assert ignored == []


def test_what_has_no_effect_is_named() -> None:
    assert made(seed=1, logit_bias={"1": 2}, presence_penalty=0.5)[1] == ["seed", "logit_bias", "presence_penalty"]


def test_what_would_change_the_answer_is_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        made(n=2)
    assert caught.value.param == "n"


def test_a_talk_with_tools_and_an_image() -> None:
    image = {
        "role": "user",
        "content": [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": PNG}}],
    }
    body, _ = made(
        image,
        {"role": "assistant", "content": None, "tool_calls": [call("a"), call("b")]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
    )
    assert [[block["type"] for block in message["content"]] for message in body["messages"]] == [
        ["text", "image"],
        ["tool_use", "tool_use"],
        ["tool_result", "tool_result"],
    ]
    assert body["tool_choice"] == {"type": "tool", "name": "f"}


def test_thinking_that_the_client_gives_back() -> None:
    blocks = [thought("a"), {"type": "redacted_thinking", "data": "x"}]
    body, ignored = made(
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call("a")], "thinking_blocks": [*blocks, {"type": "?"}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    )
    assert body["messages"][1]["content"][:2] == blocks
    assert ignored == []


@pytest.mark.parametrize("blocks", [None, 5, [], [5], [{"type": "thinking", "thinking": "a"}]])
def test_thinking_that_nobody_signed_is_left_out(blocks: Any) -> None:
    body, _ = made(USER, {"role": "assistant", "content": "b", "thinking_blocks": blocks}, USER)
    assert body["messages"][1] == said("assistant", "b")


def test_the_request_itself_stays_as_it_was() -> None:
    asked = ChatRequest.parse(json.dumps({"model": "m", "messages": [USER], "stop": "a"}).encode())
    before = dict(asked.fields)
    responses_request(asked, "x", TranslateOptions(), lambda _: None)
    assert asked.fields == before
