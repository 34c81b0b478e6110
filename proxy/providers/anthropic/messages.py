"""The conversation of a Responses request as `system` and `messages` of the Messages API.

The last message is the user's where the model cannot go on from words of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from ...api.responses.items import Call, Output
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...api.responses.turns import ModelTurn, SystemTurn, UserTurn
from ...sealing import Sealing
from .alternation import Alternation, Block, Message, began_without, groups
from .calls import tool_result, tool_use
from .content import blocks, system_blocks, text_blocks
from .hosted import CALLS, Offers
from .sealing import opened

_INDEX = re.compile(r"input\[(\d+)\]")
_THOUGHTS = ("thinking", "redacted_thinking")
_HOSTED = (": web_search_call", ": mcp_call")
"""How items are named that show what the upstream's own tools did: nothing is lost where the work itself is there."""


class Conversation(msgspec.Struct):
    """What was said so far."""

    system: list[Block]
    messages: list[Message]

    @property
    def lost(self) -> bool:
        """Whether the model waits for what its calls give back, and did not begin that work with its thinking."""
        return began_without(self.messages, thinking=_is_thought, result=_is_result, only_results=_is_result)


def _is_result(block: Block) -> bool:
    return bool(block["type"] == "tool_result")


def _is_thought(block: Block) -> bool:
    return block["type"] in _THOUGHTS


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes of it: instructions between messages, a beginning of its own answer.

    `thoughts`: give it its thinking back. `cite`: ask for citations of documents. `offers`: the tools that the
    upstream runs itself, whose work is given back too.
    """

    system_anywhere: bool = False
    prefill: bool = False
    thoughts: bool = True
    cite: bool = False
    offers: Offers = Offers()


def conversation(
    request: ResponsesRequest, style: Style, tools: ToolMap, ignore: Callable[[str], None], sealing: Sealing
) -> Conversation:
    """Returns the conversation; raises BadRequest. `ignore` is told of history that no message can hold.

    `sealing` opens the thinking that is given back.
    """
    turns, dropped = request.turns()
    writer = _Writer(style, tools, ignore, sealing)
    writer.system += text_blocks(request.value("instructions") or "")
    for group in groups(turns, _together):
        writer.take(group)
    writer.end()
    for what in dropped:
        if not (writer.gave_back and what.endswith(_HOSTED)):
            ignore(what)
    return Conversation(writer.system, writer.messages)


def _together(before: ModelTurn, turn: ModelTurn) -> bool:
    """Tells whether two turns came in one answer.

    Thinking between two calls begins a turn, but what the first call gave back came only behind the second.
    """
    if not before.calls:
        return True
    if not turn.calls:
        return False
    answered = min(_place(called.output_path) for called in before.calls)
    return _place(turn.calls[0].path) < answered


def _place(path: str) -> int:
    match = _INDEX.match(path)
    return int(match[1]) if match is not None else 0


class _Writer(Alternation):
    """The messages so far."""

    def __init__(self, style: Style, tools: ToolMap, ignore: Callable[[str], None], sealing: Sealing) -> None:
        super().__init__(ignore, thoughts=style.thoughts)
        self._style = style
        self._tools = tools
        self._sealing = sealing
        self.gave_back = False  # what the upstream's own tools did

    def texts(self, text: str) -> list[Block]:
        return text_blocks(text)

    def instruct(self, turn: SystemTurn) -> None:
        made = system_blocks(turn.content, turn.path)
        if self.messages and self._style.system_anywhere:
            self.add("system", made)
        else:
            self.system += made

    def asked(self, turn: UserTurn) -> list[Block]:
        return blocks(turn.content, turn.path, cite=self._style.cite)

    def thought(self, sealed: str) -> list[Block]:
        made: list[Block] = []
        takes = False
        for block in opened(sealed, self._sealing):
            if block["type"] in CALLS:
                takes = self._style.offers.takes(block)
                self.gave_back |= takes
            if takes or block["type"] in _THOUGHTS:
                made.append(block)
        return made

    def called(self, call: Call) -> Block:
        return tool_use(call, self._tools)

    def result(self, output: Output, path: str, call_id: str) -> list[Block]:
        return [tool_result(output, path, call_id, self._tools, cite=self._style.cite)]

    def may_end_with(self, last: Message) -> bool:
        """Tells also whether the model can go on from its last words; they must not end in white space."""
        if last["role"] != "assistant":
            return super().may_end_with(last)
        block = last["content"][-1]
        if not self._style.prefill or block["type"] != "text":
            return False
        block["text"] = block["text"].rstrip()
        return True
