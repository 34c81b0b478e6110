"""A server of the Responses API that takes nothing but what it should, as OpenAI does for a caller that keeps all.

Written from the wire reference and the SDK's types, not from the code under test.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from openai.types.responses.response_create_params import ResponseCreateParams
from pydantic import TypeAdapter

from tests.support.strict_chat import consume

KEYS = frozenset(
    (
        "model", "input", "instructions", "stream", "stream_options", "store", "include", "tools", "tool_choice",
        "parallel_tool_calls", "max_tool_calls", "max_output_tokens", "temperature", "top_p", "top_logprobs",
        "reasoning", "text", "truncation", "metadata", "service_tier", "prompt_cache_key", "prompt_cache_retention",
        "safety_identifier", "user",
    )
)  # fmt: skip
_ANSWERS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}


@cache
def _params() -> TypeAdapter[Any]:
    return TypeAdapter(ResponseCreateParams)


def check(body: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the body; raises AssertionError or pydantic's ValidationError for what would be refused."""
    request = dict(body)
    unknown = set(request) - KEYS
    assert not unknown, f"Unknown parameter: {sorted(unknown)}"
    assert all(value is not None for value in request.values()), "null parameters"
    assert request["model"]
    assert request.get("store") is False, "the caller keeps responses itself"
    assert request.get("max_output_tokens", 16) >= 16, "max_output_tokens: below 16"
    assert "tool_choice" not in request or request.get("tools"), "tool_choice without tools"
    if not isinstance(request["input"], str):
        _check_items(request["input"])
        request["input"] = [_completed(item) for item in request["input"]]
    consume(_params().validate_python(request))
    return dict(body)


def _completed(item: dict[str, Any]) -> dict[str, Any]:
    """Returns an item with what the types demand and the API does not: ids of reasoning, the detail of pictures."""
    if item.get("type") == "reasoning":
        return {"id": "rs_0", **item}
    content = item.get("content")
    if not isinstance(content, list):
        return item
    return {**item, "content": [{"detail": "auto", **one} if "image" in one["type"] else one for one in content]}


def _check_items(items: list[dict[str, Any]]) -> None:
    """Checks that every call has its output and every thought something behind it, and that nothing needs a store."""
    assert items, "input is empty"
    kinds = [item.get("type", "message") for item in items]
    assert "item_reference" not in kinds, "nothing is kept that could be referred to"
    for call, output in _ANSWERS.items():
        called = [item["call_id"] for item, kind in zip(items, kinds, strict=True) if kind == call]
        given = [item["call_id"] for item, kind in zip(items, kinds, strict=True) if kind == output]
        assert len(called) == len(set(called)), "two calls of one id"
        assert sorted(called) == sorted(given), f"No tool output found for function call: {called} and {given}"
    assert kinds[-1] != "reasoning", "a reasoning item without its following item"
    for item, kind in zip(items, kinds, strict=True):
        assert kind != "reasoning" or item.get("encrypted_content"), "a reasoning item that is not kept"
