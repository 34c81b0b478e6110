"""Calls and results as blocks."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.asked import call, function, output, user
from tests.support.bedrock_asked import SONNET, converse

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nrest").decode()
IMAGE = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}


def turn(*items: dict[str, Any], model: str = SONNET) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the blocks of the model's turn, and those of the user's behind it."""
    messages = converse(model, input=[user("hi"), *items], tools=[function("f")]).messages
    return messages[1]["content"], messages[2]["content"]


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        ('{"a":[1,2]}', {"a": [1, 2]}),
        ("{}", {}),
        ("", {}),
        ("  ", {}),
        ("{oops", {"_raw": "{oops"}),
        ("[1]", {"_raw": "[1]"}),
    ],
)
def test_arguments_are_an_object(arguments: str, made: Any) -> None:
    said, _ = turn(call("c1", "f", arguments), output("c1"))
    assert said == [{"toolUse": {"toolUseId": "c1", "name": "f", "input": made}}]


@pytest.mark.parametrize("id", ["call 1/ü", "x" * 64, "a.b:c"])
def test_ids_are_made_legal_and_stay_together(id: str) -> None:
    said, given = turn(call(id, "f"), output(id))
    assert said[0]["toolUse"]["toolUseId"] == given[0]["toolResult"]["toolUseId"]


def test_mistral_wants_nine_letters() -> None:
    said, given = turn(call("call_0123456789", "f"), output("call_0123456789"), model="mistral.mistral-large-2407-v1:0")
    assert len(said[0]["toolUse"]["toolUseId"]) == 9
    assert said[0]["toolUse"]["toolUseId"] == given[0]["toolResult"]["toolUseId"]


@pytest.mark.parametrize(
    ("said", "content"),
    [
        ("done", [{"text": "done"}]),
        ("", [{"text": "(no output)"}]),
        ([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}], [{"text": "a"}, {"text": "b"}]),
        ([IMAGE], [{"image": {"format": "png", "source": {"bytes": PNG}}}]),
    ],
)
def test_results(said: Any, content: Any) -> None:
    _, given = turn(call("c1", "f"), output("c1", said))
    assert given == [{"toolResult": {"toolUseId": "c1", "content": content}}]


def test_sounds_and_breakpoints_stand_behind_a_result() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    marked = {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}
    _, given = turn(call("c1", "f"), output("c1", [marked, sound]))
    assert [next(iter(block)) for block in given] == ["toolResult", "audio", "cachePoint"]


def test_a_patch_that_failed_is_an_error() -> None:
    operation = {"type": "delete_file", "path": "x"}
    _, given = turn(
        {"type": "apply_patch_call", "call_id": "c1", "operation": operation},
        {"type": "apply_patch_call_output", "call_id": "c1", "status": "failed", "output": "no such file"},
    )
    assert given[0]["toolResult"]["status"] == "error"


def test_freeform_calls_are_functions_of_one_text() -> None:
    said, _ = turn(
        {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
    )
    assert said[0]["toolUse"]["input"] == {"input": "*** Begin"}
