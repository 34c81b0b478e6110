"""A chat server that takes nothing but what it should: checks requests by the rules strict servers enforce.

Written from the chat completions reference and from what servers answer 400 to, not from the code under test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from openai.types.chat.completion_create_params import CompletionCreateParams
from pydantic import TypeAdapter

COMMON = frozenset(
    (
        "model",
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "max_tokens",
        "logprobs",
        "top_logprobs",
        "response_format",
        "reasoning_effort",
        "stream",
        "stream_options",
        "user",
        "stop",
        "seed",
        "logit_bias",
    )
)
"""What nearly every server takes."""

OPENAI = (COMMON - {"max_tokens"}) | {
    "max_completion_tokens",
    "verbosity",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
}
"""What OpenAI's own takes."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PARTS = {
    "text": ("text", str),
    "image_url": ("image_url", dict),
    "input_audio": ("input_audio", dict),
    "file": ("file", dict),
}
_params: TypeAdapter[Any] = TypeAdapter(CompletionCreateParams)


def check(body: bytes | Mapping[str, Any], *, keys: Iterable[str] = COMMON, alternate: bool = False) -> dict[str, Any]:
    """Returns the decoded body; raises AssertionError for the first thing that a strict server would refuse."""
    request: dict[str, Any] = json.loads(body) if isinstance(body, bytes) else dict(body)
    unknown = set(request) - set(keys)
    assert not unknown, f"unknown parameters: {sorted(unknown)}"
    assert all(value is not None for value in request.values()), "null parameters"
    assert isinstance(request["model"], str)
    assert request["model"]
    names = _check_tools(request)
    _check_choice(request, names)
    assert "stream_options" not in request or request.get("stream") is True
    assert "top_logprobs" not in request or request.get("logprobs") is True
    _check_messages(request["messages"])
    if alternate:
        _check_alternation(request["messages"])
    if "response_format" in request:
        _check_format(request["response_format"])
    consume(_params.validate_python(request))
    return request


def consume(value: Any) -> None:
    """Walks through what the SDK's types took, for they check lists only when those are read."""
    if isinstance(value, Mapping):
        for one in value.values():
            consume(one)
    elif isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        for one in value:
            consume(one)


def _check_tools(request: dict[str, Any]) -> set[str]:
    names: list[str] = []
    for tool in request.get("tools", []):
        assert set(tool) == {"type", tool["type"]}
        assert tool["type"] in ("function", "custom")
        inner = tool[tool["type"]]
        names.append(inner["name"])
        assert _NAME.fullmatch(inner["name"]), inner["name"]
        assert isinstance(inner.get("description", ""), str)
        if tool["type"] == "function":
            assert set(inner) <= {"name", "description", "parameters", "strict"}
            assert inner["parameters"]["type"] == "object"
            assert isinstance(inner.get("strict", True), bool)
        else:
            assert set(inner) <= {"name", "description", "format"}
    if "tools" in request:
        assert names, "an empty list of tools"
    assert len(names) == len(set(names)), "two tools of one name"
    return set(names)


def _check_choice(request: dict[str, Any], names: set[str]) -> None:
    if not names:
        assert "tool_choice" not in request
        assert "parallel_tool_calls" not in request
        return
    choice = request.get("tool_choice", "auto")
    if isinstance(choice, str):
        assert choice in ("auto", "none", "required", "any")
    elif choice["type"] == "allowed_tools":
        assert choice["allowed_tools"]["mode"] in ("auto", "required")
        assert {one[one["type"]]["name"] for one in choice["allowed_tools"]["tools"]} <= names
    else:
        assert choice[choice["type"]]["name"] in names


def _check_messages(messages: list[dict[str, Any]]) -> None:
    assert messages, "no messages"
    waiting: list[str] = []
    for index, message in enumerate(messages):
        role = message["role"]
        where = f"messages[{index}]"
        if role == "tool":
            assert waiting, f"{where}: nothing was called"
            assert message["tool_call_id"] == waiting.pop(0), f"{where}: outputs stand in another order than calls"
            _check_content(message["content"], where, {"text"})
            assert set(message) == {"role", "tool_call_id", "content"}
            continue
        assert not waiting, f"{where}: calls without outputs: {waiting}"
        if role == "assistant":
            waiting = _check_assistant(message, where)
            continue
        assert role in ("system", "developer", "user"), role
        assert set(message) == {"role", "content"}
        _check_content(message["content"], where, {"text"} if role != "user" else set(_PARTS))
    assert not waiting, f"calls without outputs at the end: {waiting}"


def _check_assistant(message: dict[str, Any], where: str) -> list[str]:
    allowed = {"role", "content", "refusal", "tool_calls", "reasoning_content", "reasoning", "reasoning_details"}
    assert set(message) <= allowed
    content = message["content"]
    assert content is None or isinstance(content, str), f"{where}: content is {type(content)}"
    calls = message.get("tool_calls")
    if calls is None:
        assert content or message.get("refusal"), f"{where}: an empty message"
        return []
    assert calls, f"{where}: an empty list of calls"
    for call in calls:
        assert 1 <= len(call["id"]) <= 64
        inner = call[call["type"]]
        assert set(call) == {"id", "type", call["type"]}
        assert _NAME.fullmatch(inner["name"])
        if call["type"] == "function":
            assert isinstance(json.loads(inner["arguments"]), dict), f"{where}: arguments are no object"
        else:
            assert isinstance(inner["input"], str)
    ids = [call["id"] for call in calls]
    assert len(ids) == len(set(ids)), f"{where}: two calls of one id"
    return ids


def _check_content(content: Any, where: str, kinds: set[str]) -> None:
    if isinstance(content, str):
        return
    assert isinstance(content, list), f"{where}: content is {type(content)}"
    assert content, f"{where}: an empty list of parts"
    for part in content:
        assert part["type"] in kinds, f"{where}: a part of type {part['type']}"
        field, kind = _PARTS[part["type"]]
        assert isinstance(part[field], kind)
        assert set(part) <= {"type", field, "prompt_cache_breakpoint"}


def _check_alternation(messages: list[dict[str, Any]]) -> None:
    roles = [message["role"] for message in messages]
    for first, second in pairwise(roles):
        assert first != second or first not in ("user", "assistant"), f"two messages of {first} in a row"


def _check_format(form: dict[str, Any]) -> None:
    assert form["type"] in ("json_object", "json_schema", "text")
    if form["type"] == "json_schema":
        schema = form["json_schema"]
        assert set(form) == {"type", "json_schema"}
        assert set(schema) <= {"name", "description", "schema", "strict"}
        assert isinstance(schema["name"], str)
        assert isinstance(schema["schema"], dict)
