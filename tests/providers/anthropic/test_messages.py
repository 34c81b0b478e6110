from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.errors import BadRequest
from proxy.providers.anthropic.profile import MessagesProfile
from tests.support.asked import SEALING, assistant, call, output, request, user
from tests.support.asked import build as chat_build
from tests.support.bedrock_asked import NOVA
from tests.support.bedrock_asked import build as converse_build
from tests.support.messages_asked import (
    ALWAYS,
    BUDGET,
    NEW,
    OLD,
    build,
    messages,
    said,
    sealed,
    thought,
)

REDACTED = {"type": "redacted_thinking", "data": "xyz"}


def kinds(built: Any) -> list[tuple[str, list[str]]]:
    return [(message["role"], [block["type"] for block in message["content"]]) for message in built.messages]


def test_a_string() -> None:
    built = build(request(input="hi", instructions="Be brief."))
    assert built.messages == [said("user", "hi")]
    assert built.body["system"] == [{"type": "text", "text": "Be brief."}]


def test_those_who_instruct_stand_before_all_others() -> None:
    items = [{"role": "developer", "content": "a"}, {"role": "system", "content": "b"}, user("c")]
    built = messages(*items, instructions="z", model=OLD)
    assert [block["text"] for block in built.body["system"]] == ["z", "a", "b"]
    assert built.messages == [said("user", "c")]


def test_instructions_in_the_middle_stay_there_where_that_is_possible() -> None:
    items = [user("a"), assistant("b"), {"role": "developer", "content": "now"}, user("c")]
    assert messages(*items).messages == [
        said("user", "a"),
        said("assistant", "b"),
        said("system", "now"),
        said("user", "c"),
    ]
    old = messages(*items, model=BUDGET)
    assert old.body["system"] == [{"type": "text", "text": "now"}]
    assert old.messages == [said("user", "a"), said("assistant", "b"), said("user", "c")]
    last = messages(user("a"), {"role": "system", "content": "b"})
    assert last.messages[-1] == said("user", "Continue.")


def test_messages_of_one_role_become_one() -> None:
    items = [user("a"), user("b"), assistant("c"), assistant("d"), user("e")]
    assert messages(*items).messages == [said("user", "a", "b"), said("assistant", "c", "d"), said("user", "e")]


def test_refusals_are_text() -> None:
    refusal = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    assert messages(user("a"), refusal, user("b")).messages[1] == said("assistant", "No.")


def test_messages_that_say_nothing_are_left_out() -> None:
    assert messages(user("a"), assistant(""), user(" "), user("b")).messages == [said("user", "a", "b")]


def test_the_first_message_is_the_users() -> None:
    assert messages(assistant("a"), user("b")).messages[0] == said("user", "Continue.")
    assert build(request(input=[{"role": "system", "content": "Only this."}])).messages == [said("user", "Continue.")]


def test_the_model_goes_on_from_its_own_words_where_it_can() -> None:
    assert messages(user("a"), assistant("b \n"), model=BUDGET).messages[-1] == said("assistant", "b")
    assert messages(user("a"), assistant("b "), model=NEW).messages[-1] == said("user", "Continue.")


def test_nothing_to_read() -> None:
    with pytest.raises(BadRequest) as caught:
        messages(user(" "))
    assert caught.value.param == "input"


def test_parallel_calls_are_one_turn_with_all_results_in_one_message_and_before_any_text() -> None:
    built = messages(user("go"), assistant("Let me"), call("a"), call("b"), output("b"), user("and?"), output("a"))
    assert kinds(built) == [
        ("user", ["text"]),
        ("assistant", ["text", "tool_use", "tool_use"]),
        ("user", ["tool_result", "tool_result", "text"]),
    ]
    assert [block.get("tool_use_id") for block in built.messages[2]["content"]] == ["a", "b", None]


def test_calls_one_after_another_are_turns_of_their_own() -> None:
    built = messages(user("go"), call("a"), output("a"), call("b"), output("b"))
    assert kinds(built)[1:] == [
        ("assistant", ["tool_use"]),
        ("user", ["tool_result"]),
        ("assistant", ["tool_use"]),
        ("user", ["tool_result"]),
    ]


def test_thinking_stands_before_what_it_led_to() -> None:
    item = sealed(thought("a"), REDACTED)
    built = messages(user("go"), item, assistant("so"), call("a"), output("a"))
    assert built.messages[1]["content"][:2] == [thought("a"), REDACTED]
    assert kinds(built)[1] == ("assistant", ["thinking", "redacted_thinking", "text", "tool_use"])
    assert built.ignored == []


def test_thinking_between_calls_of_one_answer_stands_between_them() -> None:
    items = [sealed(thought("1")), call("a"), sealed(thought("2")), call("b"), output("a"), output("b")]
    assert kinds(messages(user("go"), *items))[1:] == [
        ("assistant", ["thinking", "tool_use", "thinking", "tool_use"]),
        ("user", ["tool_result", "tool_result"]),
    ]


def test_thinking_between_answers_stands_in_its_own() -> None:
    items = [sealed(thought("1")), call("a"), output("a"), sealed(thought("2")), call("b"), output("b")]
    assert kinds(messages(user("go"), *items))[1:] == [
        ("assistant", ["thinking", "tool_use"]),
        ("user", ["tool_result"]),
        ("assistant", ["thinking", "tool_use"]),
        ("user", ["tool_result"]),
    ]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}]},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAA"},
        {
            "type": "reasoning",
            "summary": [],
            "encrypted_content": SEALING.seal(b'{"p":"chat","m":"","b":[]}', "reasoning"),
        },
    ],
)
def test_thinking_that_is_not_claudes_is_left_out_and_named(item: dict[str, Any]) -> None:
    built = messages(user("a"), item, assistant("b"), user("c"))
    assert kinds(built)[1] == ("assistant", ["text"])
    assert built.ignored == ["input: reasoning"]


def test_thinking_that_led_to_nothing_is_left_out() -> None:
    assert messages(user("a"), sealed(thought()), user("b")).messages == [said("user", "a", "b")]


def test_thinking_is_left_out_when_it_was_refused() -> None:
    built = build(request(input=[user("a"), sealed(thought()), call("x"), output("x")]), thoughts=False)
    assert kinds(built)[1] == ("assistant", ["tool_use"])
    assert built.ignored == ["input: reasoning"]


def test_history_that_no_message_can_hold_is_named() -> None:
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    built = messages(user("a"), search, assistant("b"), user("c"))
    assert built.ignored == ["input[1]: web_search_call"]


@pytest.mark.parametrize(
    ("items", "thinks"),
    [
        ([user("a")], True),
        ([user("a"), call("x"), output("x")], False),
        ([user("a"), sealed(thought()), call("x"), output("x")], True),
        ([user("a"), sealed(thought()), call("x"), output("x"), call("y"), output("y")], True),
        ([user("a"), call("x"), output("x"), sealed(thought()), call("y"), output("y")], False),
        ([user("a"), call("x"), output("x"), user("b")], False),
        ([user("a"), call("x"), output("x"), assistant("done"), user("b")], True),
        ([user("a"), call("x"), output("x"), assistant("done"), user("b"), sealed(thought()), call("y"), output("y")],
         True),
    ],
)  # fmt: skip
def test_work_that_did_not_begin_with_thinking_goes_on_without(items: list[Any], thinks: bool) -> None:
    built = messages(*items, model=BUDGET, reasoning={"effort": "high"})
    assert ("thinking" in built.body) == thinks
    assert built.ignored == ([] if thinks else ["reasoning.effort"])
    assert messages(*items, model=ALWAYS, reasoning={"effort": "high"}).body["thinking"]["type"] == "adaptive"


def test_the_same_history_is_the_same_bytes() -> None:
    items = [user("go"), sealed(thought("a"), REDACTED), call("x", "f", '{"b":1,"a":2}'), output("x", "r")]
    first = messages(*items)
    again = messages(*items, assistant("done"), user("more"))
    assert again.raw.count(first.raw.partition(b'"messages":[')[2][:-3]) == 1
    assert messages(*items).raw == first.raw


# --- what Claude's own tools did


SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "cats"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": "u"}]}
SHOWN = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "cats"}}
SEARCHES = [{"type": "web_search"}]


def test_a_search_stands_where_it_stood() -> None:
    items = [
        sealed(thought("1")), assistant("I look."), SHOWN, sealed(SEARCH, FOUND), assistant("Cats."), call("a"),
        output("a"),
    ]  # fmt: skip
    built = messages(user("go"), *items, tools=SEARCHES)
    assert built.messages[1]["content"][2:4] == [SEARCH, FOUND]
    assert kinds(built)[1:] == [
        ("assistant", ["thinking", "text", "server_tool_use", "web_search_tool_result", "text", "tool_use"]),
        ("user", ["tool_result"]),
    ]
    assert built.ignored == []


def test_a_search_stays_away_where_nothing_can_be_searched_now() -> None:
    built = messages(user("go"), SHOWN, sealed(SEARCH, FOUND, thought("2")), assistant("Cats."), user("on"))
    assert kinds(built)[1] == ("assistant", ["thinking", "text"])
    assert built.ignored == ["input[1]: web_search_call"]


def test_tools_of_other_servers_stand_where_they_stood() -> None:
    asked = {"type": "mcp_tool_use", "id": "m1", "name": "ask", "server_name": "wiki", "input": {}}
    told = {
        "type": "mcp_tool_result",
        "tool_use_id": "m1",
        "is_error": False,
        "content": [{"type": "text", "text": "x"}],
    }
    made = request(input=[user("go"), sealed(asked, told), assistant("so"), user("on")])
    with_server = MessagesProfile(extra_body={"mcp_servers": [{"type": "url", "name": "wiki", "url": "https://w"}]})
    assert build(made, profile=with_server).messages[1]["content"][:2] == [asked, told]
    assert kinds(build(made))[1] == ("assistant", ["text"])


def test_a_search_goes_to_nobody_else() -> None:
    item = sealed(SEARCH, FOUND)
    made = request(input=[user("go"), item, assistant("Cats."), user("on")], tools=SEARCHES)
    for others in (
        converse_build(made).body,
        converse_build(made, model=NOVA).body,
        chat_build(made).body,
    ):
        assert "cats" not in json.dumps(others)
