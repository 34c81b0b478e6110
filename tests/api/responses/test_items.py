import json

import pytest

from proxy.api.raw import Raw
from proxy.api.responses import items
from proxy.api.responses.items import decode_item
from proxy.errors import BadRequest


def decode(item):
    return decode_item(Raw(json.dumps(item).encode()), "input[2]")


def refused(item):
    with pytest.raises(BadRequest) as caught:
        decode(item)
    return caught.value


LONG = "word " * 1000


@pytest.mark.parametrize("text", ["hi", LONG])
def test_of_a_type_that_comes_twice_the_last_one_counts(text: str) -> None:
    said = f'"role":"user","content":{json.dumps(text)},"call_id":"c","output":"x","id":"msg_1"'
    for first, last, kind in (
        ("message", "function_call_output", items.ToolOutput),
        ("function_call_output", "message", items.Message),
        ("function_call", "message", items.Message),
        ("unheard_of", "message", items.Message),
    ):
        item = decode_item(Raw(f'{{"type":"{first}",{said},"type":"{last}"}}'.encode()), "input[0]")
        assert type(item) is kind
        assert (item.type, item.id) == (last, "msg_1")


def test_a_long_item_is_refused_like_a_short_one() -> None:
    for text in ("hi", LONG):
        error = refused({"type": "function_call_output", "output": text})
        assert (error.param, error.code) == ("input[2].call_id", "missing_required_parameter")
        assert refused({"type": "message", "role": "user", "content": text, "id": 5}).param == "input[2].id"


GOOD = [
    ({"type": "message", "role": "user", "content": "hi"}, items.Message),
    ({"role": "user", "content": "hi"}, items.Message),
    ({"role": "assistant", "content": [{"type": "output_text", "text": "a"}], "phase": "final_answer"}, items.Message),
    ({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "namespace": None}, items.FunctionCall),
    ({"type": "function_call_output", "call_id": "c", "output": "x"}, items.ToolOutput),
    (
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}]},
        items.ToolOutput,
    ),
    ({"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"}, items.CustomToolCall),
    ({"type": "custom_tool_call_output", "call_id": "c", "output": "x"}, items.CustomToolOutput),
    ({"type": "tool_search_call", "call_id": "c", "arguments": {"query": "x"}}, items.ToolSearchCall),
    ({"type": "tool_search_call", "execution": "server", "call_id": None, "arguments": {}}, items.ToolSearchCall),
    ({"type": "tool_search_output", "call_id": "c", "tools": []}, items.ToolSearchOutput),
    ({"type": "local_shell_call", "call_id": "c", "action": {"type": "exec", "command": ["ls"]}}, items.LocalShellCall),
    ({"type": "local_shell_call_output", "id": "c", "output": "x"}, items.LocalShellOutput),
    ({"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}}, items.ShellCall),
    ({"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "x", "stderr": ""}]}, items.ShellOutput),
    ({"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file"}}, items.ApplyPatchCall),
    ({"type": "apply_patch_call_output", "call_id": "c", "status": "completed"}, items.ApplyPatchOutput),
    ({"type": "reasoning", "id": "rs", "summary": [], "content": None, "encrypted_content": "x"}, items.Reasoning),
    ({"type": "reasoning", "summary": [{"type": "summary_text", "text": "x"}]}, items.Reasoning),
    ({"type": "additional_tools", "role": "developer", "tools": []}, items.AdditionalTools),
    ({"type": "configuration_update", "reasoning": {"effort": "low"}}, items.ConfigurationUpdate),
    ({"type": "item_reference", "id": "msg_1"}, items.ItemReference),
    ({"id": "msg_1"}, items.ItemReference),
    ({"type": "compaction", "encrypted_content": "x"}, items.Compaction),
    ({"type": "compaction_trigger"}, items.CompactionTrigger),
    ({"type": "web_search_call", "id": "ws_1"}, items.Unmodelled),
    ({"type": "image_generation_call", "id": "ig_1", "result": "x"}, items.GeneratedImage),
    ({"type": "mcp_call", "id": "mcp_1", "arguments": "{}"}, items.Unmodelled),
    ({"type": "acme:thing", "anything": [1]}, items.Unmodelled),
]


@pytest.mark.parametrize(
    ("item", "kind"), GOOD, ids=[str(item.get("type")) + str(n) for n, (item, _) in enumerate(GOOD)]
)
def test_every_kind_of_item_is_read(item, kind):
    assert type(decode(item)) is kind


BAD = [
    ({"type": "nonsense"}, "invalid_value", "input[2].type"),
    ({"type": "mcp_approval_response"}, "unsupported_value", "input[2].type"),
    ({"type": "program"}, "unsupported_value", "input[2].type"),
    ({}, "missing_required_parameter", "input[2].type"),
    ({"type": None, "content": "x"}, "missing_required_parameter", "input[2].type"),
    ({"type": 5}, "invalid_type", "input[2].type"),
    ("text", "invalid_type", "input[2]"),
    ({"role": "user"}, "missing_required_parameter", "input[2].content"),
    ({"role": "user", "content": None}, "missing_required_parameter", "input[2].content"),
    ({"role": "user", "content": 5}, "invalid_type", "input[2].content"),
    ({"role": "tool", "content": "x"}, "invalid_value", "input[2].role"),
    ({"type": "message", "content": "x"}, "missing_required_parameter", "input[2].role"),
    ({"role": "user", "content": [{"text": "x"}]}, "missing_required_parameter", "input[2].content[0].type"),
    ({"role": "user", "content": [{"type": "nope"}]}, "invalid_value", "input[2].content[0].type"),
    (
        {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": 1}]},
        "invalid_type",
        "input[2].content[1].text",
    ),
    ({"type": "function_call", "name": "f", "arguments": "{}"}, "missing_required_parameter", "input[2].call_id"),
    ({"type": "function_call", "call_id": "c", "arguments": "{}"}, "missing_required_parameter", "input[2].name"),
    ({"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}, "invalid_type", "input[2].arguments"),
    ({"type": "function_call_output", "call_id": "c"}, "missing_required_parameter", "input[2].output"),
    (
        {"type": "function_call_output", "call_id": "c" * 65, "output": ""},
        "string_above_max_length",
        "input[2].call_id",
    ),
    ({"type": "function_call_output", "call_id": "", "output": ""}, "string_below_min_length", "input[2].call_id"),
    ({"type": "item_reference"}, "missing_required_parameter", "input[2].id"),
]


@pytest.mark.parametrize(("item", "code", "param"), BAD, ids=[str(n) for n in range(len(BAD))])
def test_what_is_wrong_is_named_where_it_stands(item, code, param):
    error = refused(item)
    assert (error.status, error.code, error.param) == (400, code, param)


def test_an_unknown_type_names_the_known_ones():
    assert "'function_call_output'" in refused({"type": "function_result"}).message
