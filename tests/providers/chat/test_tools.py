import json

import pytest

from proxy.api.responses.request import ResponsesRequest
from proxy.api.responses.tool_map import ToolForm
from proxy.errors import BadRequest
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.openai.provider import PROFILE
from tests.support import strict_chat
from tests.support.asked import build, call, chat, function, output, request, user
from tests.support.captured import captured
from tests.support.fixtures import needs_shared

GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/s"}
CUSTOM = {"type": "custom", "name": "patch", "description": "Edits files.", "format": GRAMMAR}
SPACE = {
    "type": "namespace",
    "name": "ns",
    "description": "d",
    "tools": [function("add"), {"type": "custom", "name": "run"}],
}
NAMED = ("f", "g")
TWO = [function(name) for name in NAMED]


def names(built):
    return [tool[tool["type"]]["name"] for tool in built.body.get("tools", [])]


def test_a_function():
    schema = {"type": "object", "properties": {"a": {"$ref": "#/x"}}, "x": {"nested": [1, None]}}
    tool = {"type": "function", "name": "f", "description": "d", "parameters": schema, "strict": True}
    assert chat(tools=[tool]).body["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": schema, "strict": True}}
    ]


def test_what_was_not_given_is_not_sent():
    (tool,) = chat(tools=[{"type": "function", "name": "f", "description": None, "strict": None}]).body["tools"]
    assert tool["function"] == {"name": "f", "parameters": {"type": "object", "properties": {}}}


def test_a_custom_tool_becomes_a_function_with_one_string():
    built = chat(tools=[CUSTOM])
    function_form = built.body["tools"][0]["function"]
    assert function_form["parameters"]["properties"] == {"input": {"type": "string"}}
    assert function_form["parameters"]["required"] == ["input"]
    assert "Edits files." in function_form["description"]
    assert "start: /.+/s" in function_form["description"]
    assert built.tools.lookup("patch") == ToolForm("custom", "patch", None, "input")


def test_a_custom_tool_stays_one_where_there_are_custom_tools():
    built = chat(PROFILE, tools=[CUSTOM, {"type": "custom", "name": "any"}])
    nested = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /.+/s"}}
    assert built.body["tools"] == [
        {"type": "custom", "custom": {"name": "patch", "description": "Edits files.", "format": nested}},
        {"type": "custom", "custom": {"name": "any"}},
    ]
    strict_chat.check(built.body, keys=strict_chat.OPENAI)


def test_a_namespace_is_flattened_and_restored():
    built = chat(tools=[SPACE, function("add")])
    assert names(built) == ["ns__add", "ns__run", "add"]
    assert built.tools.lookup("ns__add") == ToolForm("function", "add", "ns")
    assert built.tools.lookup("ns__run").kind == "custom"
    assert built.tools.lookup("add") == ToolForm("function", "add")


def test_names_that_are_illegal_upstream_are_made_legal_in_tools_and_calls_alike():
    items = [user("q"), call("c1", "weather.get"), output("c1")]
    built = chat(tools=[function("weather.get")], input=items)
    strict_chat.check(built.body)
    (name,) = names(built)
    assert built.messages[1]["tool_calls"][0]["function"]["name"] == name
    assert built.tools.lookup(name).name == "weather.get"


@pytest.mark.parametrize("kind", ["local_shell", "shell", "apply_patch"])
def test_what_the_client_runs_itself_is_a_function(kind):
    built = chat(tools=[{"type": kind}])
    assert names(built) == [kind]
    assert built.tools.lookup(kind).kind == kind
    assert built.ignored == []


def test_tools_of_the_input_can_be_called():
    items = [
        {"type": "additional_tools", "role": "developer", "tools": [SPACE]},
        user("q"),
        {"type": "tool_search_call", "call_id": "c1", "execution": "client", "arguments": {}},
        {"type": "tool_search_output", "call_id": "c1", "tools": [function("found"), function("add")]},
    ]
    built = chat(input=items)
    assert names(built) == ["ns__add", "ns__run", "found", "add"]


def test_hosted_tools_are_dropped_and_named_once():
    built = chat(tools=[{"type": "web_search"}, function("f"), {"type": "mcp", "server_label": "x"}])
    assert names(built) == ["f"]
    assert built.ignored == ["tools[0]: web_search", "tools[2]: mcp"]


def test_hosted_tools_are_refused_when_told_so():
    with pytest.raises(BadRequest) as caught:
        build(request(tools=[function("f"), {"type": "web_search"}]), unsupported_tools="refuse")
    assert (caught.value.code, caught.value.param) == ("unsupported_value", "tools[1].type")


def test_what_a_header_cannot_hold_is_not_named_as_it_is():
    built = chat(tools=[{"type": "evil\r\nx-injected: 1" + "y" * 500}])
    (named,) = built.ignored
    assert named.isprintable()
    assert named.isascii()
    assert len(named) <= 80


def test_without_tools_nothing_is_said_of_them():
    built = chat(tools=[], tool_choice="auto", parallel_tool_calls=True)
    assert {"tools", "tool_choice", "parallel_tool_calls"}.isdisjoint(built.body)
    only_hosted = chat(tools=[{"type": "web_search"}], tool_choice="required", parallel_tool_calls=False)
    assert {"tools", "tool_choice", "parallel_tool_calls"}.isdisjoint(only_hosted.body)
    assert only_hosted.ignored == ["tools[0]: web_search", "tool_choice"]


@pytest.mark.parametrize("given", [True, False])
def test_parallel_calls_are_said_only_when_given(given):
    assert chat(tools=TWO, parallel_tool_calls=given).body["parallel_tool_calls"] is given
    assert "parallel_tool_calls" not in chat(tools=TWO).body


@pytest.mark.parametrize("word", ["auto", "none", "required"])
def test_words_of_choice(word):
    built = chat(tools=TWO, tool_choice=word)
    assert built.body["tool_choice"] == word
    assert names(built) == ["f", "g"]


def test_required_has_another_word_at_some():
    assert chat(ChatProfile(required_tool="any"), tools=TWO, tool_choice="required").body["tool_choice"] == "any"


def test_one_tool_is_chosen_by_its_upstream_name():
    forced = {"type": "function", "function": {"name": "ns__add"}}
    assert chat(tools=[SPACE], tool_choice={"type": "function", "name": "add"}).body["tool_choice"] == forced


def test_a_custom_tool_is_chosen_in_the_form_it_was_declared_in():
    choice = {"type": "custom", "name": "patch"}
    emulated = chat(tools=[CUSTOM], tool_choice=choice).body["tool_choice"]
    assert emulated == {"type": "function", "function": {"name": "patch"}}
    native = chat(PROFILE, tools=[CUSTOM], tool_choice=choice).body["tool_choice"]
    assert native == {"type": "custom", "custom": {"name": "patch"}}


@pytest.mark.parametrize("mode", ["auto", "none", "required"])
def test_allowed_tools_are_the_only_ones_where_there_is_no_list(mode):
    choice = {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": "g"}]}
    built = chat(tools=TWO, tool_choice=choice)
    assert names(built) == ["g"]
    assert built.body["tool_choice"] == mode


def test_allowed_tools_are_a_list_where_there_is_one():
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
    built = chat(PROFILE, tools=TWO, tool_choice=choice)
    assert names(built) == ["f", "g"]
    assert built.body["tool_choice"] == {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]},
    }
    strict_chat.check(built.body, keys=strict_chat.OPENAI)


@pytest.mark.parametrize("profile", [None, PROFILE])
def test_calls_outside_the_allowed_tools_are_known_on_the_way_back(profile):
    choice = {"type": "allowed_tools", "tools": [{"type": "function", "name": "g"}]}
    allowed = chat(*filter(None, [profile]), tools=TWO, tool_choice=choice).tools
    assert [name for name in ("f", "g") if allowed.allows(name)] == ["g"]
    forced = chat(*filter(None, [profile]), tools=TWO, tool_choice={"type": "function", "name": "g"}).tools
    assert forced.allows("f")


def test_a_hosted_tool_that_was_chosen_is_named():
    built = chat(tools=[function("f"), {"type": "web_search"}], tool_choice={"type": "web_search"})
    assert "tool_choice" not in built.body
    assert sorted(built.ignored) == ["tool_choice", "tools[1]: web_search"]


CODEX = {
    "codex/unknown-model#1": {"exec_command": ("function", "exec_command", None)},
    "codex/mcp-tools#1": {"mcp__demo__add": ("function", "add", "mcp__demo")},
    "codex/tool-run#2": {
        "apply_patch": ("custom", "apply_patch", None),
        "tool_search": ("tool_search", "tool_search", None),
    },
    "codex/mcp-tool-search#2": {
        "mcp__demo__add": ("function", "add", "mcp__demo"),
        "tool_search": ("tool_search", "tool_search", None),
    },
    "codex/responses-lite#1": {
        "functions__exec": ("custom", "exec", "functions"),
        "functions__wait": ("function", "wait", "functions"),
    },
}


@needs_shared
@pytest.mark.parametrize("name", CODEX)
def test_codex_in_its_three_manners_gets_back_what_it_declared(name):
    body = captured(name)
    built = build(ResponsesRequest.parse(json.dumps(body).encode()))
    strict_chat.check(built.body)
    for upstream, (kind, bare, namespace) in CODEX[name].items():
        assert upstream in names(built)
        form = built.tools.lookup(upstream)
        assert (form.kind, form.name, form.namespace) == (kind, bare, namespace)
    called = [made["function"]["name"] for one in built.messages for made in one.get("tool_calls", [])]
    assert called
    assert set(called) <= set(names(built))


@needs_shared
def test_every_tool_that_codex_declares_is_there_with_its_schema():
    body = captured("codex/responses-lite#1")
    built = build(ResponsesRequest.parse(json.dumps(body).encode()))
    declared = [
        (f"{space['name']}__{tool['name']}", tool)
        for item in body["input"]
        if item["type"] == "additional_tools"
        for space in item["tools"]
        for tool in space["tools"]
    ]
    sent = {tool["function"]["name"]: tool["function"] for tool in built.body["tools"]}
    assert sorted(sent) == sorted(name for name, _ in declared)
    for name, tool in declared:
        if tool["type"] == "function":
            assert sent[name]["parameters"] == tool["parameters"]
            assert sent[name]["description"] == tool["description"]
        else:
            assert tool["format"]["definition"] in sent[name]["description"]
