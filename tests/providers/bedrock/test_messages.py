"""The conversation: who speaks when, and what becomes of thinking, calls and instructions."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.errors import BadRequest
from proxy.providers.bedrock.sealing import sealer
from tests.support.asked import SEALING, assistant, call, function, output, request, user
from tests.support.bedrock_asked import NOVA, OPUS, SONNET, Built, build, converse

THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
SHOWN = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}}
TOOLS = [function("f"), function("g")]


def thought(model: str = SONNET) -> dict[str, Any]:
    """Returns a reasoning item that a model has made."""
    sealed = sealer(model, SEALING)({"details": [THOUGHT]}, "Hm.")
    return {"type": "reasoning", "summary": [], "encrypted_content": sealed}


def talk(*items: dict[str, Any], model: str = SONNET, **fields: Any) -> Built:
    """Returns the request for those items."""
    return converse(model, input=list(items), tools=TOOLS, **fields)


def shape(built: Built) -> list[tuple[str, list[str]]]:
    """Returns who says what kinds of things."""
    return [(one["role"], [next(iter(block)) for block in one["content"]]) for one in built.messages]


def test_messages_of_one_role_are_one() -> None:
    built = talk(user("a"), user("b"), assistant("c"), assistant("d"), user("e"))
    assert shape(built) == [("user", ["text", "text"]), ("assistant", ["text", "text"]), ("user", ["text"])]


def test_the_first_and_the_last_are_the_users() -> None:
    built = talk(assistant("Hello!"))
    assert built.messages == [
        {"role": "user", "content": [{"text": "Continue."}]},
        {"role": "assistant", "content": [{"text": "Hello!"}]},
        {"role": "user", "content": [{"text": "Continue."}]},
    ]


def test_instructions_stand_together() -> None:
    later = {"role": "developer", "content": "Be brief."}
    built = talk(user("a"), later, user("b"), instructions="Be kind.")
    assert built.body["system"] == [{"text": "Be kind."}, {"text": "Be brief."}]
    assert shape(built) == [("user", ["text", "text"])]


def test_instructions_alone_are_enough() -> None:
    built = converse(input=[{"role": "system", "content": "Say hello."}])
    assert built.messages == [{"role": "user", "content": [{"text": "Continue."}]}]


def test_nothing_to_read_is_refused() -> None:
    with pytest.raises(BadRequest, match="nothing that a model could read"):
        build(request(input=[user(" ")]))


def test_calls_and_what_came_of_them() -> None:
    built = talk(user("a"), assistant("Let me see."), call("c1", "f"), call("c2", "g"), output("c2", "two"),
                 output("c1", "one"), user("b"))  # fmt: skip
    assert shape(built) == [
        ("user", ["text"]),
        ("assistant", ["text", "toolUse", "toolUse"]),
        ("user", ["toolResult", "toolResult", "text"]),
    ]
    results = [block["toolResult"] for block in built.messages[2]["content"][:2]]
    assert [(one["toolUseId"], one["content"]) for one in results] == [
        ("c1", [{"text": "one"}]),
        ("c2", [{"text": "two"}]),
    ]


def test_what_a_user_said_between_a_call_and_its_output_stands_behind() -> None:
    built = talk(user("a"), call("c1", "f"), user("b"), output("c1"))
    assert shape(built)[-1] == ("user", ["toolResult", "text"])


def test_thinking_stands_in_front_of_what_came_of_it() -> None:
    built = talk(user("a"), thought(), assistant("b"), call("c1", "f"), output("c1"))
    assert built.messages[1]["content"][0] == SHOWN
    assert shape(built)[1] == ("assistant", ["reasoningContent", "text", "toolUse"])
    assert built.ignored == []


def test_thinking_between_calls_stays_between_them() -> None:
    built = talk(user("a"), thought(), call("c1", "f"), thought(), call("c2", "g"), output("c1"), output("c2"))
    assert shape(built)[1:] == [
        ("assistant", ["reasoningContent", "toolUse", "reasoningContent", "toolUse"]),
        ("user", ["toolResult", "toolResult"]),
    ]


def test_a_loop_of_calls_keeps_its_thinking_and_goes_on_thinking() -> None:
    items = [user("a"), thought(), call("c1", "f"), output("c1"), call("c2", "g"), output("c2")]
    assert "thinking" in talk(*items, reasoning={"effort": "high"}).extra
    lost = [one for one in items if one.get("type") != "reasoning"]
    assert talk(*lost, reasoning={"effort": "high"}).extra == {}


def test_thinking_of_others_is_left_out_and_named() -> None:
    foreign = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAopaque"}
    for item in (thought(NOVA), foreign, {"type": "reasoning", "summary": []}):
        built = talk(user("a"), item, assistant("b"), user("c"))
        assert shape(built)[1] == ("assistant", ["text"])
        assert built.ignored == ["input: reasoning"]
    assert talk(user("a"), thought(OPUS), assistant("b"), user("c")).ignored == []


def test_thinking_that_was_refused_is_left_out() -> None:
    made = request(input=[user("a"), thought(), assistant("b"), user("c")])
    assert shape(build(made, thoughts=False))[1] == ("assistant", ["text"])


def test_a_turn_that_only_thought_is_none() -> None:
    assert shape(talk(user("a"), thought(), user("b"))) == [("user", ["text", "text"])]


def test_refusals_are_what_the_model_said() -> None:
    said = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    assert talk(user("a"), said, user("b")).messages[1]["content"] == [{"text": "No."}]
