"""What OpenAI's own tools take, made from a function's arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.api.responses.call_shapes import shaped
from proxy.api.responses.grammar import CallKind


@pytest.mark.parametrize(
    ("kind", "arguments", "shape"),
    [
        ("shell_call", {"commands": ["ls", "pwd"]}, {"commands": ["ls", "pwd"]}),
        ("shell_call", {"commands": ["ls"], "timeout_ms": 5, "max_output_length": 9, "x": 1},
         {"commands": ["ls"], "timeout_ms": 5, "max_output_length": 9}),
        ("shell_call", {"commands": ["ls"], "timeout_ms": "5"}, {"commands": ["ls"]}),
        ("local_shell_call", {"command": ["ls"]}, {"type": "exec", "command": ["ls"], "env": {}}),
        ("local_shell_call", {"type": "exec", "command": ["ls"], "env": {"A": "b", "C": 1}, "working_directory": "/",
                              "user": "u", "timeout_ms": 5},
         {"type": "exec", "command": ["ls"], "env": {"A": "b"}, "working_directory": "/", "user": "u",
          "timeout_ms": 5}),
        ("apply_patch_call", {"type": "update_file", "path": "a", "diff": "+x"},
         {"type": "update_file", "path": "a", "diff": "+x"}),
        ("apply_patch_call", {"operation": {"type": "create_file", "path": "a", "diff": "+x"}},
         {"type": "create_file", "path": "a", "diff": "+x"}),
        ("apply_patch_call", {"type": "delete_file", "path": "a", "diff": ""}, {"type": "delete_file", "path": "a"}),
        ("tool_search_call", {"query": "q", "limit": 3}, {"query": "q", "limit": 3}),
    ],
)  # fmt: skip
def test_arguments_become_the_tools_value(kind: CallKind, arguments: Any, shape: Any) -> None:
    assert shaped(kind, json.dumps(arguments)) == shape


def test_a_search_may_have_no_arguments() -> None:
    assert shaped("tool_search_call", "") == {}


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("shell_call", ""),
        ("shell_call", "{}"),
        ("shell_call", '{"commands":[]}'),
        ("shell_call", '{"commands":"ls"}'),
        ("shell_call", '{"commands":["ls",1]}'),
        ("shell_call", '{"commands":["ls"'),
        ("local_shell_call", '{"command":"ls"}'),
        ("apply_patch_call", '{"command":["apply_patch"]}'),
        ("apply_patch_call", '{"type":"update_file","path":"a"}'),
        ("apply_patch_call", '{"type":"move_file","path":"a","diff":""}'),
        ("apply_patch_call", '{"type":"update_file","diff":"x"}'),
        ("tool_search_call", "[]"),
        ("tool_search_call", "5"),
        ("tool_search_call", '{"a":"\\ud83d"}'),
        ("tool_search_call", "[" * 100_000),
    ],
)
def test_other_arguments_are_none_of_the_tools(kind: CallKind, arguments: str) -> None:
    assert shaped(kind, arguments) is None
