"""What an echo model finds in a conversation."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.providers.echo.conversation import (
    Tool,
    ToolResult,
    declared_tools,
    message_text,
    must_call,
    read_conversation,
)
from proxy.providers.echo.directives import DirectiveError


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def call(name: str, id: str = "c1", text: str | None = None) -> dict[str, Any]:
    function = {"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}
    return {"role": "assistant", "content": text, "tool_calls": [function]}


def result(text: str, id: str = "c1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": text}


SCRIPT = user("Go. [[step call f]] [[step call g]] [[step say done]]")
DONE = {"role": "assistant", "content": "done"}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (user("a"), "a"),
        (
            user(
                [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "b"}]
            ),
            "a\nb",
        ),
        (user(None), ""),
        (user([1, {"text": 2}]), ""),
        ({"role": "user"}, ""),
    ],
)
def test_the_text_of_a_message(message, text) -> None:
    assert message_text(message) == text


def test_the_last_user_text_is_answered() -> None:
    found = read_conversation([user("a"), {"role": "assistant", "content": "b"}, user("c d")])
    assert (found.text, found.step, found.results) == ("c d", None, [])
    assert found.prompt_tokens == 4


def test_a_user_message_without_text_does_not_hide_the_one_before() -> None:
    assert read_conversation([user("a"), user([{"type": "image_url", "image_url": {}}])]).text == "a"


def test_nobody_has_spoken() -> None:
    assert read_conversation([{"role": "system", "content": "Be kind."}, 7]).text == ""


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ([], "f"),
        ([call("f"), result("1")], "g"),
        ([{"role": "assistant", "content": "Hm."}, call("f"), result("1")], "g"),
        ([call("f"), result("1"), user("Keep on."), call("g", "c2"), result("2", "c2")], "done"),
        (
            [call("f"), result("1"), call("g"), result("2"), {"role": "assistant", "content": "done"}, user("more")],
            None,
        ),
    ],
)
def test_a_step_a_turn(rest, said) -> None:
    step = read_conversation([{"role": "system", "content": "s"}, SCRIPT, *rest]).step
    assert said == (None if step is None else step.say or step.calls[0].name)


def test_turns_in_front_of_the_script_do_not_count() -> None:
    step = read_conversation([user("a"), call("f"), result("1"), {"role": "assistant", "content": "b"}, SCRIPT]).step
    assert step is not None
    assert step.calls[0].name == "f"


def test_the_last_message_with_directives_holds() -> None:
    found = read_conversation([user("[[say a]]"), {"role": "assistant", "content": "a"}, user("[[say b]]")])
    assert found.step is not None
    assert found.step.say == "b"


def test_used_up_directives_leave_their_settings() -> None:
    found = read_conversation(
        [user("hi [[say a]] [[tokens_per_s=7]]"), {"role": "assistant", "content": "a"}, user("b")]
    )
    assert (found.text, found.step, found.directives.tokens_per_s) == ("b", None, 7)


def test_directives_in_other_roles_are_text() -> None:
    messages = [{"role": "system", "content": "[[say x]]"}, user("a"), call("f"), result("[[say y]] [[error abc]]")]
    assert read_conversation(messages).step is None


def test_a_directive_without_sense_is_told() -> None:
    with pytest.raises(DirectiveError):
        read_conversation([user("[[error abc]]")])


def test_results_are_those_at_the_end_with_the_names_of_their_tools() -> None:
    messages = [
        user("a"),
        call("f", "c1"),
        result("old", "c1"),
        {"role": "assistant", "tool_calls": [call("f", "c2")["tool_calls"][0], call("g", "c3")["tool_calls"][0]]},
        result("1", "c2"),
        result("2", "c3"),
        result("3", "unknown"),
        user([{"type": "image_url", "image_url": {}}]),
    ]
    assert read_conversation(messages).results == [ToolResult("f", "1"), ToolResult("g", "2"), ToolResult("", "3")]


def test_results_that_a_user_message_follows_are_over() -> None:
    assert read_conversation([user("a"), call("f"), result("1"), user("b")]).results == []


F = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
G = {"type": "function", "function": {"name": "ns__g"}}
C = {"type": "custom", "custom": {"name": "c"}}


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (None, ["f", "ns__g", "c"]),
        ("auto", ["f", "ns__g", "c"]),
        ("required", ["f", "ns__g", "c"]),
        ("none", []),
        ({"type": "function", "function": {"name": "f"}}, ["f"]),
        ({"type": "custom", "custom": {"name": "c"}}, ["c"]),
        ({"type": "function", "function": {"name": "unknown"}}, ["f", "ns__g", "c"]),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [F, C]}}, ["f", "c"]),
    ],
)
def test_tool_choice_leaves_some(choice, names) -> None:
    assert [tool.name for tool in declared_tools({"tools": [F, G, C], "tool_choice": choice})] == names


def test_tools() -> None:
    tools = declared_tools({"tools": [F, G, C, 3, {}, {"function": {"name": 3}}]})
    assert tools == [Tool("f", {"type": "object"}), Tool("ns__g"), Tool("c", custom=True)]
    assert [tool.bare for tool in tools] == ["f", "g", "c"]
    assert declared_tools({"tools": "x"}) == declared_tools({}) == []


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, False),
        ("auto", False),
        ("none", False),
        ("required", True),
        ({"type": "function", "function": {"name": "f"}}, True),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, False),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}, True),
    ],
)
def test_when_a_call_is_demanded(choice, expected) -> None:
    assert must_call({"tool_choice": choice}) is expected


def test_ids_that_are_no_strings_break_nothing() -> None:
    odd: Any = {}
    assert read_conversation([user("x"), call("f", odd), result("o", odd)]).results == [ToolResult("f", "o")]
