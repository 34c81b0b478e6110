"""The openai Node SDK and the AI SDK: the strictest readers of the event stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Node = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def openai_node(node: Node) -> dict[str, Any]:
    return node("openai_node.mjs")


@pytest.fixture(scope="module")
def ai_sdk(node: Node) -> dict[str, Any]:
    return node("ai_sdk.mjs")


def test_openai_node_reads_text(openai_node: dict[str, Any]) -> None:
    assert openai_node["text"]["final"]["output_text"] == "Hello, river."
    assert openai_node["text"]["final"]["status"] == "completed"
    assert openai_node["created"]["output_text"] == "Hello, river."


def test_openai_node_reads_reasoning_in_both_forms(openai_node: dict[str, Any]) -> None:
    summary, raw = openai_node["reasoning"], openai_node["rawReasoning"]
    assert "response.reasoning_summary_text.delta" in summary["kinds"]
    assert summary["final"]["output"][0]["summary"][0]["text"]
    assert "response.reasoning_text.delta" in raw["kinds"]
    assert raw["final"]["output"][0]["content"][0]["text"]


def test_openai_node_reads_calls(openai_node: dict[str, Any]) -> None:
    names = sorted(item["name"] for item in openai_node["tools"]["final"]["output"])
    assert names == ["get_time", "get_weather"]
    assert openai_node["custom"]["final"]["output"][0]["type"] == "custom_tool_call"
    assert openai_node["custom"]["final"]["output"][0]["input"] == "line one"


def test_openai_node_reads_endings(openai_node: dict[str, Any]) -> None:
    assert openai_node["length"]["final"]["status"] == "incomplete"
    assert openai_node["error"] == {"name": "RateLimitError", "status": 429, "code": "rate_limit_exceeded"}
    assert openai_node["failed"]["name"] == "APIError"


def test_ai_sdk_reads_text(ai_sdk: dict[str, Any]) -> None:
    assert ai_sdk["plain"]["text"] == "Hello, river."
    assert ai_sdk["plain"]["finish"] == "stop"
    assert ai_sdk["plain"]["usage"]["totalTokens"] > 0


def test_ai_sdk_runs_tools_over_steps(ai_sdk: dict[str, Any]) -> None:
    assert ai_sdk["tools"]["text"] == "It rains."
    assert ai_sdk["tools"]["steps"] == 2
    assert "tool-result" in ai_sdk["tools"]["parts"]
    assert "error" not in ai_sdk["tools"]["parts"]


def test_ai_sdk_refers_to_items_that_are_kept(ai_sdk: dict[str, Any]) -> None:
    assert ai_sdk["kept"] == {"text": "It rains there too.", "steps": 2}


def test_ai_sdk_reads_reasoning(ai_sdk: dict[str, Any]) -> None:
    assert "reasoning-delta" in ai_sdk["reasoning"]["kinds"]
    assert ai_sdk["reasoning"]["text"] == "Think of a river."


def test_ai_sdk_reads_endings(ai_sdk: dict[str, Any]) -> None:
    assert ai_sdk["length"] == "length"
    assert ai_sdk["error"]["status"] == 400
