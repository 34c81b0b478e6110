"""Turns become messages that alternate, whatever they are made of."""

from __future__ import annotations

import pytest

from proxy.api.responses.items import Call, Output
from proxy.api.responses.turns import SystemTurn, Turn, UserTurn
from proxy.errors import BadRequest
from proxy.providers.anthropic.alternation import Alternation, Block, began_without, groups
from tests.support.asked import assistant, call, output, request, user


class Words(Alternation):
    """Writes every block as a few words."""

    def texts(self, text: str) -> list[Block]:
        return [{"say": text}] if text else []

    def instruct(self, turn: SystemTurn) -> None:
        self.system.append({"say": turn.content})

    def asked(self, turn: UserTurn) -> list[Block]:
        return [{"ask": turn.content}]

    def thought(self, sealed: str) -> list[Block]:
        return [{"think": sealed}] if sealed.startswith("own") else []

    def called(self, call: Call) -> Block:
        return {"call": call.call_id}

    def result(self, output: Output, path: str, call_id: str) -> list[Block]:
        return [{"result": call_id}]


def written(*items: object, thoughts: bool = True) -> tuple[list[tuple[str, list[Block]]], list[str]]:
    """Returns role and content of each message, and what was named as lost."""
    lost: list[str] = []
    words = Words(lost.append, thoughts=thoughts)
    turns: list[Turn] = request(input=list(items)).turns()[0]
    for group in groups(turns, lambda before, turn: turn.continues):
        words.take(group)
    words.end()
    return [(message["role"], message["content"]) for message in words.messages], lost


def thought(sealed: str) -> dict[str, object]:
    """Returns an item with sealed thinking."""
    return {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed}


def test_one_answer_is_one_message_and_its_results_are_the_next() -> None:
    messages, lost = written(
        user("go"), thought("own 1"), assistant("so"), call("a"), thought("own 2"), call("b"), output("a"),
        output("b"), user("on"),
    )  # fmt: skip
    assert messages == [
        ("user", [{"ask": "go"}]),
        ("assistant", [{"think": "own 1"}, {"say": "so"}, {"call": "a"}, {"think": "own 2"}, {"call": "b"}]),
        ("user", [{"result": "a"}, {"result": "b"}, {"ask": "on"}]),
    ]
    assert lost == []


def test_the_user_begins_and_ends() -> None:
    assert written(assistant("so"))[0] == [
        ("user", [{"say": "Continue."}]),
        ("assistant", [{"say": "so"}]),
        ("user", [{"say": "Continue."}]),
    ]
    with pytest.raises(BadRequest, match="nothing that a model could read"):
        written()


def test_thinking_of_others_is_left_behind() -> None:
    messages, lost = written(user("go"), thought("other"), assistant("so"))
    assert messages[1] == ("assistant", [{"say": "so"}])
    assert lost == ["input: reasoning"]
    assert written(thought("own"), assistant("so"), thoughts=False)[1] == ["input: reasoning"]
    assert written(user("go"), thought("own"))[0] == [("user", [{"ask": "go"}])]


@pytest.mark.parametrize(
    ("contents", "lost"),
    [
        (["ask", "think call", "result"], False),
        (["ask", "call", "result"], True),
        (["ask", "think call", "result", "call", "result"], False),
        (["ask", "call", "result", "think call", "result"], True),
        (["ask", "call", "result", "call", "result ask"], True),
        (["ask", "call", "result ask", "think call", "result"], False),
        (["ask", "call", "ask"], False),
    ],
)
def test_work_that_began_without_thinking(contents: list[str], lost: bool) -> None:
    messages = [{"content": [{one: ""} for one in content.split()]} for content in contents]
    found = began_without(
        messages,
        thinking=lambda block: "think" in block,
        result=lambda block: "result" in block,
        only_results=lambda block: "result" in block,
    )
    assert found is lost
