"""Tools and the choice among them, flat."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.errors import BadRequest
from proxy.providers.responses.chat_tools import choice_of, old_choice, tools_of, web_search

NOTHING = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("tool", "flat"),
    [
        (
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": False},
        ),
        (
            {"type": "function", "function": {"name": "f", "strict": True}},
            {"type": "function", "name": "f", "parameters": NOTHING, "strict": True},
        ),
        (
            {"type": "function", "name": "f"},
            {"type": "function", "name": "f", "parameters": NOTHING, "strict": False},
        ),
        (
            {"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"syntax": "lark"}}}},
            {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark"}},
        ),
        (
            {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}},
            {"type": "custom", "name": "c", "format": {"type": "text"}},
        ),
        ({"type": "web_search"}, {"type": "web_search"}),
    ],
)
def test_tools(tool: dict[str, Any], flat: dict[str, Any]) -> None:
    assert tools_of([tool], "tools") == [flat]


def test_functions_of_the_first_form() -> None:
    made = tools_of([{"name": "f", "parameters": {"type": "object"}}], "functions")
    assert made == [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}]
    assert tools_of(None, "functions") == []


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ({}, "tools"),
        (["x"], "tools[0]"),
        ([{"type": "function"}], "tools[0].function"),
        ([{"type": "function", "function": {"description": "x"}}], "tools[0].function.name"),
        ([{"type": "custom", "custom": {"description": "x"}}], "tools[0].custom.name"),
    ],
)
def test_what_is_no_tool(tools: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        tools_of(tools, "tools")
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("choice", "flat"),
    [
        ("required", "required"),
        ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
        ({"type": "custom", "custom": {"name": "c"}}, {"type": "custom", "name": "c"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        ),
        ({"type": "web_search"}, {"type": "web_search"}),
    ],
)
def test_choices(choice: Any, flat: Any) -> None:
    assert choice_of(choice) == flat


def test_a_choice_is_a_word_or_an_object() -> None:
    with pytest.raises(BadRequest):
        choice_of(7)


def test_choices_of_the_first_form() -> None:
    assert old_choice("none") == "none"
    assert old_choice({"name": "f"}) == {"type": "function", "name": "f"}


def test_searching_the_web() -> None:
    place = {"type": "approximate", "approximate": {"city": "Oslo"}}
    assert web_search({"search_context_size": "low", "user_location": place}) == {
        "type": "web_search",
        "search_context_size": "low",
        "user_location": {"type": "approximate", "city": "Oslo"},
    }
    assert web_search({}) == {"type": "web_search"}
