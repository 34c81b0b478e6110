from __future__ import annotations

from typing import Any

import pytest

from proxy.errors import BadRequest
from proxy.providers.anthropic.profile import MessagesProfile
from proxy.providers.provider import TranslateOptions
from tests.support.asked import call, function, output, request
from tests.support.messages_asked import ALWAYS, BUDGET, NEW, OLD, Built, build

USER = {"role": "user", "content": "hi"}


def made(*tools: dict[str, Any], model: str = NEW, **fields: Any) -> Built:
    return build(request(tools=list(tools), **fields), model)


def test_a_function() -> None:
    tool = function("get", description="Gets.", parameters={"type": "object", "properties": {"a": {"minimum": 1}}})
    assert made(tool).body["tools"] == [
        {
            "name": "get",
            "description": "Gets.",
            "input_schema": {"type": "object", "properties": {"a": {"minimum": 1}}},
        }
    ]
    assert "tool_choice" not in made(tool).body


@pytest.mark.parametrize("parameters", [None, {}, {"properties": {}}, {"type": "object", "properties": {}}])
def test_parameters_are_an_object(parameters: Any) -> None:
    schema = made({"type": "function", "name": "f", "parameters": parameters}).body["tools"][0]["input_schema"]
    assert schema["type"] == "object"


def test_schemas_are_the_clients_own_json() -> None:
    raw = (
        b'{"model":"m","input":"a","tools":[{"type":"function","name":"f","parameters":{"type":"object",  "x":1.50}}]}'
    )
    built = build(request().parse(raw))
    assert b'"input_schema":{"type":"object",  "x":1.50}' in built.raw


def test_strict_tools_are_held_to_their_schema_where_that_is_possible() -> None:
    tool = function("f", strict=True, parameters={"type": "object", "properties": {"a": {"oneOf": [{"minimum": 1}]}}})
    sent = made(tool, model=BUDGET).body["tools"][0]
    assert sent["strict"] is True
    assert sent["input_schema"]["additionalProperties"] is False
    assert "anyOf" in sent["input_schema"]["properties"]["a"]
    assert "strict" not in made(tool, model=OLD).body["tools"][0]
    assert "strict" not in build(request(tools=[tool]), NEW, MessagesProfile(strict_tools=False)).body["tools"][0]
    assert "strict" not in build(request(tools=[tool]), NEW, strict=False).body["tools"][0]


def test_too_many_strict_tools_are_none() -> None:
    built = made(*(function(f"f{n}", strict=True) for n in range(21)))
    assert not any("strict" in tool for tool in built.body["tools"])
    assert built.ignored == ["tools.strict"]


def test_freeform_tools_and_namespaces() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
    built = made(
        {"type": "custom", "name": "patch", "description": "Patches.", "format": grammar},
        {"type": "namespace", "name": "ns", "tools": [function("f")]},
    )
    patch, inner = built.body["tools"]
    assert patch["input_schema"] == {
        "type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]
    }  # fmt: skip
    assert "start: /.+/" in patch["description"]
    assert inner["name"] == "ns__f"
    assert built.tools.lookup("ns__f").namespace == "ns"
    assert built.tools.lookup("patch").kind == "custom"


def test_names_that_are_not_legal_have_a_way_back() -> None:
    built = made(function("get.weather now"))
    name = built.body["tools"][0]["name"]
    assert name == "get_weather_now"
    assert built.tools.lookup(name).name == "get.weather now"


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "name": "g"}, {"type": "tool", "name": "g"}),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}, {"type": "auto"}),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]}, {"type": "any"}),
    ],
)
def test_the_choice(choice: Any, sent: dict[str, Any]) -> None:
    built = made(function("f"), function("g"), tool_choice=choice)
    assert built.body["tool_choice"] == sent
    names = [tool["name"] for tool in built.body["tools"]]
    assert names == (["f"] if "allowed" in str(choice) else ["f", "g"])
    assert built.ignored == []


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "function", "name": "f"}, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
        ("none", {"type": "none"}),
    ],
)
def test_one_call_at_a_time(choice: Any, sent: dict[str, Any]) -> None:
    assert made(function("f"), tool_choice=choice, parallel_tool_calls=False).body["tool_choice"] == sent
    assert "tool_choice" not in made(function("f"), parallel_tool_calls=True).body


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "f"}])
def test_a_model_that_cannot_be_made_to_call(choice: Any) -> None:
    with pytest.raises(BadRequest, match="cannot be made to call") as caught:
        made(function("f"), model=ALWAYS, tool_choice=choice)
    assert (caught.value.param, caught.value.code) == ("tool_choice", "unsupported_value")


def test_a_choice_counts_more_than_thinking() -> None:
    built = made(function("f"), tool_choice="required", reasoning={"effort": "high"})
    assert built.body["tool_choice"] == {"type": "any"}
    assert built.body["thinking"] == {"type": "disabled"}
    assert built.ignored == ["reasoning.effort"]


def test_without_tools_there_is_no_choice() -> None:
    assert "tool_choice" not in made(tool_choice="none").body
    assert "tool_choice" not in made(tool_choice="auto", parallel_tool_calls=False).body


def test_tools_of_the_history_are_declared_when_no_others_are() -> None:
    built = build(request(input=[USER, call("a", "f"), output("a"), call("b", "f"), output("b")]))
    assert built.body["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert built.body["tool_choice"] == {"type": "none"}


SEARCH = {"type": "web_search", "filters": {"allowed_domains": ["a.com"]}, "search_context_size": "low",
          "user_location": {"type": "approximate", "country": "FR", "city": None}}  # fmt: skip


def test_the_upstream_searches_the_web_itself() -> None:
    built = made(SEARCH, function("f"))
    assert built.body["tools"][1] == {
        "type": "web_search_20250305",
        "name": "web_search",
        "allowed_domains": ["a.com"],
        "user_location": {"type": "approximate", "country": "FR"},
    }
    assert built.ignored == []
    assert made({"type": "web_search_preview"}).body["tools"][0]["name"] == "web_search"
    forced = made(SEARCH, tool_choice={"type": "web_search"}, reasoning={"effort": "low"})
    assert forced.body["tool_choice"] == {"type": "tool", "name": "web_search"}


def test_it_does_not_where_it_may_not_or_the_client_does() -> None:
    quiet = build(request(tools=[SEARCH], tool_choice={"type": "web_search"}), NEW, MessagesProfile(web_search=False))
    assert "tools" not in quiet.body
    assert quiet.ignored == ["tools[0]: web_search", "tool_choice"]
    own = made(function("web_search"), SEARCH)
    assert [tool["name"] for tool in own.body["tools"]] == ["web_search"]
    assert own.ignored == ["tools[1]: web_search"]


def test_other_hosted_tools_are_left_out_or_refused() -> None:
    hosted = [{"type": "file_search", "vector_store_ids": ["v"]}, {"type": "code_interpreter"}]
    assert made(*hosted).ignored == ["tools[0]: file_search", "tools[1]: code_interpreter"]
    with pytest.raises(BadRequest) as caught:
        build(request(tools=hosted), options=TranslateOptions(unsupported_tools="refuse"))
    assert caught.value.param == "tools[0].type"


@pytest.mark.parametrize("search", [{"filters": 5}, {"user_location": "here"}, {"filters": {"allowed_domains": [5]}}])
def test_a_search_that_cannot_be_read(search: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        made({"type": "web_search", **search})
    assert str(caught.value.param).startswith("tools[0]")
