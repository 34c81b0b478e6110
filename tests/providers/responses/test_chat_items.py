"""Messages as items."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.errors import BadRequest
from proxy.providers.responses.chat_items import ChatItems


def items(*messages: Any) -> list[dict[str, Any]]:
    made = ChatItems()
    for index, message in enumerate(messages):
        made.take(message, f"messages[{index}]")
    return made.items


def call(id: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_messages_keep_their_places() -> None:
    said = [("system", "a"), ("user", "b"), ("developer", "c"), ("user", "d")]
    assert items(*({"role": role, "content": text} for role, text in said)) == [
        {"type": "message", "role": role, "content": text} for role, text in said
    ]


def test_parts_of_the_user() -> None:
    parts = [
        {"type": "text", "text": "look", "prompt_cache_breakpoint": {"type": "x"}},
        {"type": "image_url", "image_url": {"url": "https://a.example/i.png", "detail": "low"}},
        {"type": "image_url", "image_url": "data:x"},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:x"}},
    ]
    assert items({"role": "user", "content": parts})[0]["content"] == [
        {"type": "input_text", "text": "look", "prompt_cache_breakpoint": {"type": "x"}},
        {"type": "input_image", "image_url": "https://a.example/i.png", "detail": "low"},
        {"type": "input_image", "image_url": "data:x"},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:x"},
    ]


def test_what_the_model_said_and_called() -> None:
    details = [{"type": "reasoning.encrypted", "data": "gAAA", "format": "openai-responses-v1"}]
    message = {
        "role": "assistant",
        "content": "Let me see.",
        "refusal": "But not that.",
        "reasoning_content": "hm",
        "reasoning_details": details,
        "tool_calls": [call("c1"), {"id": "c2", "type": "custom", "custom": {"name": "run", "input": "ls"}}],
    }
    outputs = [{"role": "tool", "tool_call_id": id, "content": "7"} for id in ("c1", "c2")]
    assert items(message, *outputs) == [
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "Let me see.", "annotations": []},
                {"type": "refusal", "refusal": "But not that."},
            ],
        },
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "run", "input": "ls"},
        {"type": "function_call_output", "call_id": "c1", "output": "7"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "7"},
    ]


@pytest.mark.parametrize("content", [None, "", []])
def test_a_message_of_calls_alone(content: Any) -> None:
    made = items({"role": "assistant", "content": content, "tool_calls": [call("c1", arguments="")]})
    assert made == [{"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}]


def test_outputs_of_parts_and_of_nothing() -> None:
    made = items(
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "7"}]},
        {"role": "tool", "tool_call_id": "c2", "content": None},
    )
    assert [item["output"] for item in made] == [[{"type": "input_text", "text": "7"}], ""]


def test_calls_of_the_first_form() -> None:
    called = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}}
    made = items(
        called,
        {"role": "function", "name": "f", "content": "1"},
        called,
        {"role": "function", "name": "f", "content": "2"},
    )
    assert [item["type"] for item in made] == ["function_call", "function_call_output"] * 2
    assert made[0]["call_id"] == made[1]["call_id"] != made[2]["call_id"] == made[3]["call_id"]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("x", "messages[0]"),
        ({"role": "narrator", "content": "x"}, "messages[0].role"),
        ({"role": "user"}, "messages[0].content"),
        ({"role": "user", "content": 7}, "messages[0].content"),
        ({"role": "user", "content": [{"type": "video"}]}, "messages[0].content[0].type"),
        ({"role": "user", "content": ["x"]}, "messages[0].content[0].type"),
        ({"role": "user", "content": [{"type": "image_url"}]}, "messages[0].content[0].image_url.url"),
        ({"role": "assistant", "content": [{"type": "audio"}]}, "messages[0].content[0].type"),
        ({"role": "assistant", "tool_calls": ["x"]}, "messages[0].tool_calls[0]"),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, "messages[0].tool_calls[0].function"),
        ({"role": "assistant", "tool_calls": [{"function": {}}]}, "messages[0].tool_calls[0].id"),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
        ({"role": "tool", "content": "x", "tool_call_id": 7}, "messages[0].tool_call_id"),
        ({"role": "function", "name": "f", "content": "x"}, "messages[0].name"),
    ],
)
def test_what_is_no_message(message: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        items(message)
    assert caught.value.param == param
