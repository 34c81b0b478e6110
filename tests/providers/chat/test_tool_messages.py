import json

import pytest

from proxy.providers.chat.profile import ChatProfile
from proxy.providers.openai.provider import PROFILE
from tests.support.asked import assistant, call, chat, function, output, refusal, user

IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
SENT_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
PLAIN = ChatProfile()


def messages(*items, profile=PLAIN, **fields):
    return chat(profile, input=[user("q"), *items], **fields).messages[1:]


def text(value):
    return {"type": "input_text", "text": value}


def pair(called, gave, **fields):
    """The one call and the content of what came of it."""
    assistant_message, tool_message = messages(called, gave, **fields)
    (made,) = assistant_message["tool_calls"]
    assert tool_message["tool_call_id"] == made["id"]
    return made, tool_message["content"]


def test_a_function_call():
    made, content = pair(call("c1", "f", '{"a": 1}'), output("c1", "15C"))
    assert made == {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    assert content == "15C"


def test_empty_arguments_are_an_empty_object():
    assert pair(call("c1", "f", ""), output("c1"))[0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize("broken", ['{"a": 1', "nonsense", "[1]", '"text"', "[" * 2000])
def test_arguments_that_are_no_object_are_wrapped(broken):
    made, _ = pair(call("c1", "f", broken), output("c1"))
    assert json.loads(made["function"]["arguments"]) == {"malformed_arguments": broken}
    made, _ = pair(call("c1", "f", broken), output("c1"), profile=PROFILE)
    assert made["function"]["arguments"] == broken


def test_a_namespaced_call_has_the_name_of_its_tool():
    space = {"type": "namespace", "name": "mcp__demo", "tools": [function("add")]}
    for tools in ([space], []):
        made, _ = pair(call("c1", "add", namespace="mcp__demo"), output("c1"), tools=tools)
        assert made["function"]["name"] == "mcp__demo__add"


def test_a_custom_call_becomes_a_function_call():
    called = {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": '*** "Begin"\nä'}
    gave = {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"}
    made, content = pair(called, gave)
    assert made["type"] == "function"
    assert made["function"]["name"] == "patch"
    assert json.loads(made["function"]["arguments"]) == {"input": '*** "Begin"\nä'}
    assert content == "ok"


def test_a_custom_call_stays_one_where_there_are_custom_tools():
    called = {"type": "custom_tool_call", "call_id": "c1", "name": "exec", "input": "x", "namespace": "functions"}
    gave = {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"}
    made, _ = pair(called, gave, profile=PROFILE)
    assert made == {"id": "c1", "type": "custom", "custom": {"name": "functions__exec", "input": "x"}}


def test_a_search_for_tools_tells_what_can_be_called_now():
    found = [
        {"type": "namespace", "name": "mcp__demo", "tools": [function("add", description="Adds.")]},
        {"type": "web_search"},
    ]
    called = {"type": "tool_search_call", "call_id": "c1", "execution": "client", "arguments": {"query": "add"}}
    gave = {"type": "tool_search_output", "call_id": "c1", "tools": found}
    made, content = pair(called, gave)
    assert made["function"]["name"] == "tool_search"
    assert json.loads(made["function"]["arguments"]) == {"query": "add"}
    assert json.loads(content) == {"tools": [{"name": "mcp__demo__add", "description": "Adds."}]}


SHELLS = [
    (
        {"type": "local_shell_call", "call_id": "c1", "action": {"type": "exec", "command": ["ls"], "env": {}}},
        {"type": "local_shell_call_output", "call_id": "c1", "output": '{"stdout":"a"}'},
        "local_shell",
        {"type": "exec", "command": ["ls"], "env": {}},
        '{"stdout":"a"}',
    ),
    (
        {"type": "shell_call", "call_id": "c1", "action": {"commands": ["ls"], "timeout_ms": None}},
        {
            "type": "shell_call_output",
            "call_id": "c1",
            "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
        },
        "shell",
        {"commands": ["ls"], "timeout_ms": None},
        '[{"stdout":"a","stderr":"","outcome":{"type":"exit","exit_code":0}}]',
    ),
    (
        {"type": "apply_patch_call", "call_id": "c1", "operation": {"type": "delete_file", "path": "a"}},
        {"type": "apply_patch_call_output", "call_id": "c1", "status": "failed", "output": "no such file"},
        "apply_patch",
        {"type": "delete_file", "path": "a"},
        '{"status":"failed","output":"no such file"}',
    ),
]


@pytest.mark.parametrize(("called", "gave", "name", "arguments", "content"), SHELLS, ids=[row[2] for row in SHELLS])
def test_what_the_client_runs_itself(called, gave, name, arguments, content):
    made, told = pair(called, gave)
    assert made["function"]["name"] == name
    assert json.loads(made["function"]["arguments"]) == arguments
    assert told == content


def test_texts_of_an_output_are_one_string():
    assert pair(call("c1"), output("c1", [text("15C")]))[1] == "15C"
    assert pair(call("c1"), output("c1", [text("Output:"), text("sum-5")]))[1] == "Output:\nsum-5"


def test_texts_of_an_output_are_parts_where_parts_are_taken():
    assert pair(call("c1"), output("c1", [text("a"), text("b")]), profile=PROFILE)[1] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
    ]
    assert pair(call("c1"), output("c1", [text("a")]), profile=PROFILE)[1] == "a"


@pytest.mark.parametrize("nothing", ["", []])
def test_an_empty_output(nothing):
    assert pair(call("c1"), output("c1", nothing))[1] == ""
    assert pair(call("c1"), output("c1", nothing), profile=ChatProfile(empty_tool_output="(empty)"))[1] == "(empty)"


def test_images_of_outputs_follow_the_last_output_of_the_turn():
    made = messages(
        call("a"), call("b"), output("b", [IMAGE]), output("a", [text("see"), IMAGE, IMAGE]), assistant("nice")
    )
    assert [message["role"] for message in made] == ["assistant", "tool", "tool", "user", "assistant"]
    assert made[1]["content"] == "see\n[image 1 attached below]\n[image 2 attached below]"
    assert made[2]["content"] == "[image 3 attached below]"
    assert made[3]["content"] == [SENT_IMAGE] * 3


def test_what_an_output_cannot_hold_is_refused_where_it_stands():
    error = refusal(input=[user("q"), call("a"), output("a", [{"type": "nope"}])])
    assert error.param == "input[2].output[0].type"


def test_ids_are_mapped_the_same_for_call_and_output():
    made, _ = pair(
        call("call_with_a_long_id"), output("call_with_a_long_id"), profile=ChatProfile(tool_call_ids="nine")
    )
    assert len(made["id"]) == 9
