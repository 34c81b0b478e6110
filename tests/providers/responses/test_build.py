"""A Responses request on its way to an upstream that speaks the Responses API."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from proxy.api.responses.request import ResponsesRequest
from proxy.providers.responses.build import build_body
from proxy.providers.responses.profile import ResponsesProfile
from proxy.sealing import Sealing

SEALING = Sealing(["k" * 32])
REASONING = ResponsesProfile(ask_encrypted=True, pads=True)
PLAIN = ResponsesProfile()


def body(profile: ResponsesProfile = PLAIN, **fields: Any) -> dict[str, Any]:
    request = ResponsesRequest.parse(msgspec.json.encode({"model": "m", "input": "hi", **fields}))
    built: dict[str, Any] = json.loads(build_body(request, "up-1", profile, SEALING, [].append))
    return built


def test_a_request_is_its_own_json_with_another_model() -> None:
    fields = {
        "instructions": "Be brief.",
        "temperature": 0.50,
        "metadata": {"a": "b"},
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "tools": [{"type": "web_search"}, {"type": "function", "name": "f", "parameters": {"type": "object"}}],
        "tool_choice": {"type": "function", "name": "f"},
        "vendor_field": [1],
        "max_output_tokens": 5,
        "service_tier": "flex",
        "truncation": "auto",
    }
    assert body(**fields) == {"model": "up-1", "input": "hi", "store": False, **fields}


def test_json_that_nobody_has_to_change_is_not_written_anew() -> None:
    raw = b'{"model":"m","input":[ {"role":"user", "content":"\\u0068i"} ],"metadata":{ "a":1.50 }}'
    request = ResponsesRequest.parse(raw)
    built = build_body(request, "up-1", PLAIN, SEALING, [].append)
    assert b'[ {"role":"user", "content":"\\u0068i"} ]' in built
    assert b'{ "a":1.50 }' in built


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("background", True),
        ("background_options", {}),
        ("stream_options", None),
        ("generate", False),
        ("stream_id", "a"),
        ("type", "response.create"),
    ],
)
def test_what_is_penstocks_does_not_go_up(name: str, value: Any) -> None:
    assert name not in body(**{name: value})


@pytest.mark.parametrize(("asked", "keeps", "sent"), [
    (None, False, False), (True, False, False), (False, False, False),
    (None, True, True), (True, True, True), (False, True, False),
])  # fmt: skip
def test_whether_the_upstream_keeps_it(asked: bool | None, keeps: bool, sent: bool) -> None:
    assert body(ResponsesProfile(keeps=keeps), store=asked)["store"] is sent


def test_reasoning_is_asked_for_in_the_form_that_survives() -> None:
    assert body(REASONING)["include"] == ["reasoning.encrypted_content"]
    assert "include" not in body(PLAIN)
    both = ["web_search_call.results", "reasoning.encrypted_content"]
    assert body(REASONING, include=both[:1])["include"] == both
    assert body(REASONING, include=both[1:])["include"] == both[1:]
    assert "include" not in body(ResponsesProfile(ask_encrypted=True, keeps=True))


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_other_names_of_the_limit(name: str) -> None:
    built = body(**{name: 7})
    assert (built["max_output_tokens"], name in built) == (7, False)


@pytest.mark.parametrize(
    ("profile", "options", "sent"),
    [
        (REASONING, None, {"include_obfuscation": False}),
        (REASONING, {"include_obfuscation": True}, {"include_obfuscation": True}),
        (PLAIN, None, None),
        (PLAIN, {"include_obfuscation": False}, {"include_obfuscation": False}),
    ],
)
def test_padding(profile: ResponsesProfile, options: Any, sent: Any) -> None:
    assert body(profile, stream=True, stream_options=options).get("stream_options") == sent
    assert "stream_options" not in body(profile)


def test_nested_tools_become_flat() -> None:
    function = {"name": "f", "parameters": {"type": "object"}}
    built = body(
        tools=[{"type": "function", "function": function}, {"type": "custom", "custom": {"name": "c"}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
    )
    assert built["tools"] == [{"type": "function", **function}, {"type": "custom", "name": "c"}]
    assert built["tool_choice"] == {"type": "function", "name": "f"}


def test_items_lose_ids_that_mean_nothing_upstream() -> None:
    message = {"type": "message", "role": "user", "content": "hi"}
    assert body(input=[{**message, "id": "msg_1"}, message])["input"] == [message, message]
