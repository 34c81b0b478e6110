"""The conversation of a Responses request as `system` and `messages` of the Messages API.

A turn of the model is one message: its thinking, its text, its calls. All results of its calls stand at the beginning
of the user's message behind it. Messages of one role become one. The first is the user's, and so is the last where the
model cannot go on from words of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from ...api import invalid
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...api.responses.turns import ModelTurn, SystemTurn, Turn, UserTurn
from ...sealing import Sealing
from .calls import tool_result, tool_use
from .content import Block, blocks, system_blocks, text_blocks
from .sealing import opened

Message = dict[str, Any]

_INDEX = re.compile(r"input\[(\d+)\]")
_GO_ON = "Continue."
_LOST = "input: reasoning"
_THOUGHTS = ("thinking", "redacted_thinking")


class Conversation(msgspec.Struct):
    """What was said so far."""

    system: list[Block]
    messages: list[Message]

    @property
    def lost(self) -> bool:
        """Whether the model waits for what its calls give back, and did not begin that work with its thinking."""
        place = len(self.messages) - 1
        if not _gives_back(self.messages[place]):
            return False
        while place >= 3 and _only_gives_back(self.messages[place - 2]):
            place -= 2
        return self.messages[place - 1]["content"][0]["type"] not in _THOUGHTS


def _gives_back(message: Message) -> bool:
    return bool(message["content"][0]["type"] == "tool_result")


def _only_gives_back(message: Message) -> bool:
    return all(block["type"] == "tool_result" for block in message["content"])


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes of it: instructions between messages, a beginning of its own answer.

    `thoughts`: give it its thinking back. `cite`: ask for citations of documents.
    """

    system_anywhere: bool = False
    prefill: bool = False
    thoughts: bool = True
    cite: bool = False


def conversation(
    request: ResponsesRequest, style: Style, tools: ToolMap, ignore: Callable[[str], None], sealing: Sealing
) -> Conversation:
    """Returns the conversation; raises BadRequest. `ignore` is told of history that no message can hold.

    `sealing` opens the thinking that is given back.
    """
    turns, dropped = request.turns()
    for what in dropped:
        ignore(what)
    writer = _Writer(style, tools, ignore, sealing)
    writer.instructions(request.value("instructions"))
    for group in _answers(turns):
        writer.take(group)
    return writer.end()


def _answers(turns: list[Turn]) -> list[list[Turn]]:
    """Returns the turns in groups: turns of the model that came in one answer, each other turn alone.

    Thinking between two calls begins a turn, but what the first call gave back came only behind the second.
    """
    groups: list[list[Turn]] = []
    for turn in turns:
        before = groups[-1][-1] if groups else None
        if isinstance(turn, ModelTurn) and isinstance(before, ModelTurn) and _together(before, turn):
            groups[-1].append(turn)
        else:
            groups.append([turn])
    return groups


def _together(before: ModelTurn, turn: ModelTurn) -> bool:
    if not before.calls:
        return True
    if not turn.calls:
        return False
    answered = min(_place(called.output_path) for called in before.calls)
    return _place(turn.calls[0].path) < answered


def _place(path: str) -> int:
    match = _INDEX.match(path)
    return int(match[1]) if match is not None else 0


def _go_on() -> Message:
    return {"role": "user", "content": text_blocks(_GO_ON)}


class _Writer:
    """The messages so far."""

    def __init__(self, style: Style, tools: ToolMap, ignore: Callable[[str], None], sealing: Sealing) -> None:
        self._style = style
        self._tools = tools
        self._ignore = ignore
        self._sealing = sealing
        self._system: list[Block] = []
        self._messages: list[Message] = []

    def instructions(self, text: str | None) -> None:
        """Takes the request's instructions."""
        self._system += text_blocks(text or "")

    def take(self, group: list[Turn]) -> None:
        """Adds one turn of the user or of those who instruct, or all turns of one answer."""
        first = group[0]
        if isinstance(first, SystemTurn):
            made = system_blocks(first.content, first.path)
            if self._messages and self._style.system_anywhere:
                self._add("system", made)
            else:
                self._system += made
        elif isinstance(first, UserTurn):
            self._add("user", blocks(first.content, first.path, cite=self._style.cite))
        else:
            answer = [turn for turn in group if isinstance(turn, ModelTurn)]
            self._add("assistant", [block for turn in answer for block in self._said(turn)])
            self._add("user", [block for turn in answer for block in self._results(turn)])

    def end(self) -> Conversation:
        """Returns it all, beginning and ending as it must; raises BadRequest when there is nothing to read."""
        messages = self._messages
        if not messages and not self._system:
            raise invalid.invalid("input", "The input holds nothing that a model could read.", "invalid_value")
        if not messages or messages[0]["role"] != "user":
            messages.insert(0, _go_on())
        last = messages[-1]
        if last["role"] == "system" or (last["role"] == "assistant" and not self._goes_on_from(last)):
            messages.append(_go_on())
        return Conversation(self._system, messages)

    def _goes_on_from(self, last: Message) -> bool:
        """Tells whether the model can go on from its last words; they must not end in white space."""
        block = last["content"][-1]
        if not self._style.prefill or block["type"] != "text":
            return False
        block["text"] = block["text"].rstrip()
        return True

    def _add(self, role: str, made: list[Block]) -> None:
        if not made:
            return
        if self._messages and self._messages[-1]["role"] == role:
            self._messages[-1]["content"] += made
        else:
            self._messages.append({"role": role, "content": made})

    def _said(self, turn: ModelTurn) -> list[Block]:
        """Returns what the model thought, said and called, in that order."""
        made = self._thoughts(turn)
        made += text_blocks(turn.text) + text_blocks(turn.refusal)
        return made + [tool_use(called.call, self._tools) for called in turn.calls]

    def _thoughts(self, turn: ModelTurn) -> list[Block]:
        """Returns the thinking that Claude itself has signed. A turn that only thought is none."""
        if not (turn.text or turn.refusal or turn.calls):
            return []
        made: list[Block] = []
        for thought in turn.thoughts:
            sealed = thought.encrypted_content
            found = opened(sealed, self._sealing) if sealed and self._style.thoughts else []
            if not found:
                self._ignore(_LOST)
            made += found
        return made

    def _results(self, turn: ModelTurn) -> list[Block]:
        made: list[Block] = []
        for called in turn.calls:
            output, call_id = called.output, called.call.call_id
            assert output is not None, "seen to when the turns were assembled"
            assert call_id is not None, "calls without an id are in no turn"
            made.append(tool_result(output, called.output_path, call_id, self._tools, cite=self._style.cite))
        return made
