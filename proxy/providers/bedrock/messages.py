"""The conversation of a Responses request as `system` and `messages` of Converse.

A turn of the model is one message: its thinking, its text, its calls. All results of its calls stand at the beginning
of the user's message behind it. Messages of one role become one; the first and the last are the user's. All
instructions stand in `system`, wherever they were given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...api import invalid
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...api.responses.turns import ModelTurn, SystemTurn, Turn, UserTurn
from ...sealing import Sealing
from .calls import Calls
from .content import Block, Content, system_blocks, text_blocks
from .sealing import opened, reasoning_block

Message = dict[str, Any]

_GO_ON = "Continue."
_BESIDE_DOCUMENTS = "(The document is attached.)"
_LOST = "input: reasoning"


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
        return "reasoningContent" not in self.messages[place - 1]["content"][0]

    def called(self) -> list[str]:
        """Returns the names of the tools that were called, each once."""
        blocks = [block for message in self.messages for block in message["content"]]
        return list(dict.fromkeys(block["toolUse"]["name"] for block in blocks if "toolUse" in block))


def _gives_back(message: Message) -> bool:
    return "toolResult" in message["content"][0]


def _only_gives_back(message: Message) -> bool:
    return all("toolResult" in block or "cachePoint" in block for block in message["content"])


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How it is written for a model.

    `thoughts`: give it its thinking back. `cite`: ask for citations of documents. `cache`: say where the client wants
    a breakpoint of the cache. `nine`: ids of calls are of nine letters.
    """

    model: str
    thoughts: bool = True
    cite: bool = False
    cache: bool = False
    nine: bool = False


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
    writer.system += text_blocks(request.value("instructions") or "")
    for group in _groups(turns):
        writer.take(group)
    return writer.end()


def _groups(turns: list[Turn]) -> list[list[Turn]]:
    """Returns the turns in groups: turns of the model that go on from each other, each other turn alone."""
    groups: list[list[Turn]] = []
    for turn in turns:
        if isinstance(turn, ModelTurn) and turn.continues and groups and isinstance(groups[-1][-1], ModelTurn):
            groups[-1].append(turn)
        else:
            groups.append([turn])
    return groups


class _Writer:
    """The messages so far."""

    def __init__(self, style: Style, tools: ToolMap, ignore: Callable[[str], None], sealing: Sealing) -> None:
        self._style = style
        self._ignore = ignore
        self._sealing = sealing
        self._content = Content(cite=style.cite, cache=style.cache)
        self._calls = Calls(tools, self._content, nine=style.nine)
        self._messages: list[Message] = []
        self.system: list[Block] = []

    def take(self, group: list[Turn]) -> None:
        """Adds one turn of the user or of those who instruct, or all turns of one answer."""
        first = group[0]
        if isinstance(first, SystemTurn):
            self.system += system_blocks(first.content, first.path, cache=self._style.cache)
        elif isinstance(first, UserTurn):
            self._add("user", self._content.blocks(first.content, first.path))
        else:
            answer = [turn for turn in group if isinstance(turn, ModelTurn)]
            self._add("assistant", [block for turn in answer for block in self._said(turn)])
            self._add("user", [block for turn in answer for block in self._results(turn)])

    def end(self) -> Conversation:
        """Returns it all, beginning and ending as it must; raises BadRequest when there is nothing to read."""
        messages = self._messages
        if not messages and not self.system:
            raise invalid.invalid("input", "The input holds nothing that a model could read.", "invalid_value")
        if not messages or messages[0]["role"] != "user":
            messages.insert(0, {"role": "user", "content": text_blocks(_GO_ON)})
        if messages[-1]["role"] != "user":
            messages.append({"role": "user", "content": text_blocks(_GO_ON)})
        for message in messages:
            _say_beside_documents(message["content"])
        return Conversation(self.system, messages)

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
        return made + [self._calls.use(called.call) for called in turn.calls]

    def _thoughts(self, turn: ModelTurn) -> list[Block]:
        """Returns the thinking that the model's maker has signed. A turn that only thought is none."""
        if not (turn.text or turn.refusal or turn.calls):
            return []
        made: list[Block] = []
        for thought in turn.thoughts:
            sealed = thought.encrypted_content
            found = opened(sealed, self._style.model, self._sealing) if sealed and self._style.thoughts else []
            if not found:
                self._ignore(_LOST)
            made += [reasoning_block(block) for block in found]
        return made

    def _results(self, turn: ModelTurn) -> list[Block]:
        made: list[Block] = []
        for called in turn.calls:
            output, call_id = called.output, called.call.call_id
            assert output is not None, "seen to when the turns were assembled"
            assert call_id is not None, "calls without an id are in no turn"
            made += self._calls.result(output, called.output_path, call_id)
        return made


def _say_beside_documents(content: list[Block]) -> None:
    """Adds a text where a document stands without any: Converse wants one in its message."""
    if any("document" in block for block in content) and not any("text" in block for block in content):
        content += text_blocks(_BESIDE_DOCUMENTS)
