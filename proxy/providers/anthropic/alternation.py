"""A conversation in which the user and the model take turns, one message each, as Claude's API and Converse want it.

A turn of the model is one message: its thinking, its text, its calls. All results of its calls stand at the beginning
of the user's message behind it. Messages of one role become one, and the first is the user's. What a message is made
of is the API's own business: it says so by a class of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from ...api import invalid
from ...api.responses.items import Call, Output
from ...api.responses.turns import ModelTurn, SystemTurn, Turn, UserTurn
from ..chat.sealing import LOST

Block = dict[str, Any]
Message = dict[str, Any]
IsBlock = Callable[[Block], bool]

_GO_ON = "Continue."


def groups(turns: list[Turn], together: Callable[[ModelTurn, ModelTurn], bool]) -> list[list[Turn]]:
    """Returns the turns in groups: turns of the model that came in one answer, each other turn alone."""
    found: list[list[Turn]] = []
    for turn in turns:
        before = found[-1][-1] if found else None
        if isinstance(turn, ModelTurn) and isinstance(before, ModelTurn) and together(before, turn):
            found[-1].append(turn)
        else:
            found.append([turn])
    return found


def began_without(messages: Sequence[Message], *, thinking: IsBlock, result: IsBlock, only_results: IsBlock) -> bool:
    """Tells whether the model waits for what its calls give back, and did not begin that work with its thinking.

    `only_results` tells of a block that may stand in a message which says nothing else.
    """
    place = len(messages) - 1
    if not result(messages[place]["content"][0]):
        return False
    while place >= 3 and all(only_results(block) for block in messages[place - 2]["content"]):
        place -= 2
    return not thinking(messages[place - 1]["content"][0])


class Alternation(ABC):
    """The messages so far, and the instructions in front of them.

    `ignore` is told of thinking that cannot be given back; `thoughts`: whether the model is given its thinking at all.
    """

    def __init__(self, ignore: Callable[[str], None], *, thoughts: bool) -> None:
        self.system: list[Block] = []
        self.messages: list[Message] = []
        self._ignore = ignore
        self._with_thoughts = thoughts

    @abstractmethod
    def texts(self, text: str) -> list[Block]:
        """Returns the block of a text, none for a blank one."""

    @abstractmethod
    def instruct(self, turn: SystemTurn) -> None:
        """Adds what those said who instruct the model."""

    @abstractmethod
    def asked(self, turn: UserTurn) -> list[Block]:
        """Returns what the user said; raises BadRequest for what this upstream cannot be shown."""

    @abstractmethod
    def thought(self, sealed: str) -> list[Block]:
        """Returns the thinking in `encrypted_content`; none where it is somebody else's."""

    @abstractmethod
    def called(self, call: Call) -> Block:
        """Returns a call."""

    @abstractmethod
    def result(self, output: Output, path: str, call_id: str) -> list[Block]:
        """Returns what came of a call; raises BadRequest for what this upstream cannot be shown."""

    def take(self, group: list[Turn]) -> None:
        """Adds one turn of the user or of those who instruct, or all turns of one answer."""
        first = group[0]
        if isinstance(first, SystemTurn):
            self.instruct(first)
        elif isinstance(first, UserTurn):
            self.add("user", self.asked(first))
        else:
            answer = [turn for turn in group if isinstance(turn, ModelTurn)]
            self.add("assistant", [block for turn in answer for block in self._said(turn)])
            self.add("user", [block for turn in answer for block in self._results(turn)])

    def add(self, role: str, made: list[Block]) -> None:
        """Adds blocks to the message of that role at the end, or as one; nothing where there are none."""
        if not made:
            return
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"] += made
        else:
            self.messages.append({"role": role, "content": made})

    def end(self) -> None:
        """Makes the first message the user's, and the last where `may_end_with` says so.

        Raises BadRequest when there is nothing to read.
        """
        if not self.messages and not self.system:
            raise invalid.invalid("input", "The input holds nothing that a model could read.", "invalid_value")
        if not self.messages or self.messages[0]["role"] != "user":
            self.messages.insert(0, self._go_on())
        if not self.may_end_with(self.messages[-1]):
            self.messages.append(self._go_on())

    def may_end_with(self, last: Message) -> bool:
        """Tells whether a message can be the last; that of the user always can."""
        return bool(last["role"] == "user")

    def _go_on(self) -> Message:
        return {"role": "user", "content": self.texts(_GO_ON)}

    def _said(self, turn: ModelTurn) -> list[Block]:
        """Returns what the model thought, said and called, in that order."""
        made = self._thoughts(turn)
        made += self.texts(turn.text) + self.texts(turn.refusal)
        return made + [self.called(one.call) for one in turn.calls]

    def _thoughts(self, turn: ModelTurn) -> list[Block]:
        """Returns the thinking that is the model's own. A turn that only thought is none."""
        if not (turn.text or turn.refusal or turn.calls):
            return []
        made: list[Block] = []
        for thought in turn.thoughts:
            sealed = thought.encrypted_content
            found = self.thought(sealed) if sealed and self._with_thoughts else []
            if not found:
                self._ignore(LOST)
            made += found
        return made

    def _results(self, turn: ModelTurn) -> list[Block]:
        made: list[Block] = []
        for called in turn.calls:
            output, call_id = called.output, called.call.call_id
            assert output is not None, "seen to when the turns were assembled"
            assert call_id is not None, "calls without an id are in no turn"
            made += self.result(output, called.output_path, call_id)
        return made
