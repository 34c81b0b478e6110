import json

import pytest

from proxy.api.raw import Raw
from proxy.api.responses.tool_choice import read_choice, runnable_choice
from proxy.api.responses.tools import declared
from proxy.errors import BadRequest

TOOLS = [
    {"type": "function", "name": "weather"},
    {"type": "custom", "name": "patch"},
    {
        "type": "namespace",
        "name": "ns",
        "tools": [{"type": "function", "name": "add"}, {"type": "function", "name": "weather"}],
    },
    {"type": "web_search"},
    {"type": "local_shell"},
]


def read(choice, tools=TOOLS):
    found = declared([Raw(json.dumps(tool).encode()) for tool in tools], "tools")
    return read_choice(Raw(json.dumps(choice).encode()), found)


def refused(choice, tools=TOOLS):
    with pytest.raises(BadRequest) as caught:
        read(choice, tools)
    return caught.value


@pytest.mark.parametrize("mode", ["auto", "none", "required"])
def test_words(mode):
    choice = read(mode)
    assert (choice.mode, choice.only, choice.forced) == (mode, None, False)


@pytest.mark.parametrize(
    ("choice", "namespace", "name"),
    [
        ({"type": "function", "name": "weather"}, None, "weather"),
        ({"type": "function", "function": {"name": "weather"}}, None, "weather"),
        ({"type": "function", "name": "weather", "namespace": "ns"}, "ns", "weather"),
        ({"type": "function", "name": "add"}, "ns", "add"),
        ({"type": "custom", "name": "patch"}, None, "patch"),
        ({"type": "local_shell"}, None, "local_shell"),
    ],
)
def test_one_tool(choice, namespace, name):
    found = read(choice)
    assert found.forced
    assert found.mode == "required"
    assert found.only is not None
    assert [(tool.namespace, tool.name) for tool in found.only] == [(namespace, name)]


def test_allowed_tools():
    entries = [{"type": "function", "name": "weather"}, {"type": "namespace", "name": "ns"}, {"type": "web_search"}]
    choice = read({"type": "allowed_tools", "mode": "required", "tools": entries})
    assert (choice.mode, choice.forced) == ("required", False)
    assert choice.only is not None
    assert [(tool.namespace, tool.name) for tool in choice.only] == [
        (None, "weather"),
        ("ns", "add"),
        ("ns", "weather"),
    ]
    assert read({"type": "allowed_tools", "tools": entries}).mode == "auto"


def test_a_hosted_tool_is_asked_for_by_its_type():
    assert read({"type": "web_search"}).hosted == "web_search"


@pytest.mark.parametrize(
    ("choice", "code", "param"),
    [
        ("sometimes", "invalid_value", "tool_choice"),
        (5, "invalid_type", "tool_choice"),
        ({}, "missing_required_parameter", "tool_choice.type"),
        ({"type": "function"}, "missing_required_parameter", "tool_choice.name"),
        ({"type": "function", "name": "nope"}, "invalid_value", "tool_choice"),
        ({"type": "function", "name": "weather", "namespace": "other"}, "invalid_value", "tool_choice"),
        ({"type": "file_search"}, "invalid_value", "tool_choice"),
        ({"type": "allowed_tools", "mode": "auto"}, "missing_required_parameter", "tool_choice.tools"),
        (
            {"type": "allowed_tools", "mode": "maybe", "tools": [{"type": "web_search"}]},
            "invalid_value",
            "tool_choice.mode",
        ),
        ({"type": "allowed_tools", "tools": [{"type": "function", "name": "nope"}]}, "invalid_value", "tool_choice"),
        (
            {"type": "allowed_tools", "tools": [{"type": "web_search"}] * 129},
            "array_above_max_length",
            "tool_choice.tools",
        ),
    ],
)
def test_what_is_wrong(choice, code, param):
    error = refused(choice)
    assert (error.code, error.param) == (code, param)


def test_a_call_cannot_be_required_where_nothing_can_be_called():
    assert refused("required", []).param == "tool_choice"
    assert read("auto", []).mode == "auto"
    assert read("none", []).mode == "none"


def test_a_tool_that_is_not_there_is_named():
    assert refused({"type": "function", "name": "nope"}).message == "Tool choice 'nope' not found in 'tools' parameter."


def test_what_nothing_here_can_run_is_named():
    tools, named = declared([Raw(json.dumps(tool).encode()) for tool in TOOLS], "tools"), []
    assert runnable_choice(None, tools, named.append) is None
    assert runnable_choice(Raw(b"null"), tools, named.append) is None
    assert runnable_choice(Raw(b'"none"'), tools, named.append).mode == "none"
    assert named == []
    assert runnable_choice(Raw(b'{"type":"web_search"}'), tools, named.append) is None
    assert named == ["tool_choice"]
