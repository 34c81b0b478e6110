from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.providers.anthropic.calls import upstream_call_id
from tests.support.asked import call, output
from tests.support.messages_asked import PNG, messages


def pair(*items: dict[str, Any], **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    built = messages({"role": "user", "content": "go"}, *items, **fields)
    return built.messages[1]["content"][0], built.messages[2]["content"][0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        ("  ", {}),
        ("{}", {}),
        ('{"a": [1, 2.50]}', {"a": [1, 2.5]}),
        ("[1]", {"_raw": "[1]"}),
        ('{"a": ', {"_raw": '{"a": '}),
        ("null", {"_raw": "null"}),
    ],
)
def test_arguments_are_an_object(arguments: str, expected: dict[str, Any]) -> None:
    use, _ = pair(call("call_1", "f", arguments), output("call_1"))
    assert use == {"type": "tool_use", "id": "call_1", "name": "f", "input": expected}


def test_arguments_are_sent_as_they_were_written() -> None:
    built = messages({"role": "user", "content": "go"}, call("a", "f", '{"b":1.50,  "a":"\\u00e9"}'), output("a"))
    assert b'"input":{"b":1.50,  "a":"\\u00e9"}' in built.raw


@pytest.mark.parametrize("id", ["toolu_01", "call-9_x"])
def test_good_ids_stay(id: str) -> None:
    assert upstream_call_id(id) == id


def test_other_ids_become_good_ones_always_the_same_and_apart() -> None:
    made = upstream_call_id("functions.get:0")
    assert made == upstream_call_id("functions.get:0")
    assert made.startswith("functions_get_0_")
    assert made != upstream_call_id("functions.get_0")
    assert len(upstream_call_id("é" * 64)) <= 64
    use, result = pair(call("functions.get:0"), output("functions.get:0"))
    assert use["id"] == result["tool_use_id"] == made


@pytest.mark.parametrize(
    ("given", "content"),
    [
        ("done", [{"type": "text", "text": "done"}]),
        ("", None),
        (" \n", None),
        ([], None),
        ([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
         [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        ([{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": PNG}],
         [{"type": "text", "text": "see"},
          {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]),
    ],
)  # fmt: skip
def test_what_a_tool_gave_back(given: Any, content: Any) -> None:
    _, result = pair(call("a"), output("a", given))
    expected = {"type": "tool_result", "tool_use_id": "a"}
    assert result == (expected if content is None else {**expected, "content": content})


def test_a_breakpoint_in_an_output_stands_on_its_block() -> None:
    marked = [{"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"type": "ephemeral"}}]
    _, result = pair(call("a"), output("a", marked))
    assert result["cache_control"] == {"type": "ephemeral"}
    assert result["content"] == [{"type": "text", "text": "a"}]


def test_freeform_tools_are_functions_of_one_string() -> None:
    tool = {"type": "custom", "name": "patch"}
    use, result = pair(
        {"type": "custom_tool_call", "call_id": "a", "name": "patch", "input": "*** \n"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "ok"},
        tools=[tool],
    )
    assert (use["name"], use["input"]) == ("patch", {"input": "*** \n"})
    assert result["content"] == [{"type": "text", "text": "ok"}]


def test_tools_of_openais_own() -> None:
    use, result = pair(
        {"type": "apply_patch_call", "call_id": "a", "operation": {"type": "delete_file", "path": "x"}},
        {"type": "apply_patch_call_output", "call_id": "a", "status": "failed", "output": "no such file"},
        tools=[{"type": "apply_patch"}],
    )
    assert (use["name"], use["input"]) == ("apply_patch", {"type": "delete_file", "path": "x"})
    assert result["is_error"] is True
    assert json.loads(result["content"][0]["text"]) == {"status": "failed", "output": "no such file"}
    use, result = pair(
        {"type": "shell_call", "call_id": "b", "action": {"commands": ["ls"]}},
        {"type": "shell_call_output", "call_id": "b", "output": [{"stdout": "a", "stderr": ""}]},
        tools=[{"type": "shell"}],
    )
    assert use["input"] == {"commands": ["ls"]}
    assert "is_error" not in result


def test_functions_of_a_namespace_have_flat_names() -> None:
    tools = [{"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "f"}]}]
    use, _ = pair(call("a", "f", namespace="ns"), output("a"), tools=tools)
    assert use["name"] == "ns__f"
