"""The conversation of a Responses request as `system` and `messages` of Converse.

The first and the last message are the user's. All instructions stand in `system`, wherever they were given.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ...api.responses.items import Call, Output
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...api.responses.turns import ModelTurn, SystemTurn, UserTurn
from ...sealing import Sealing
from ..anthropic.alternation import Alternation, Block, Message, began_without, groups
from .calls import Calls
from .content import Content, system_blocks, text_blocks
from .sealing import opened, reasoning_block

_BESIDE_DOCUMENTS = "(The document is attached.)"


class Conversation(msgspec.Struct):
    """What was said so far."""

    system: list[Block]
    messages: list[Message]

    @property
    def lost(self) -> bool:
        """Whether the model waits for what its calls give back, and did not begin that work with its thinking."""
        return began_without(self.messages, thinking=_is_thought, result=_is_result, only_results=_is_beside_results)

    def called(self) -> list[str]:
        """Returns the names of the tools that were called, each once."""
        blocks = [block for message in self.messages for block in message["content"]]
        return list(dict.fromkeys(block["toolUse"]["name"] for block in blocks if "toolUse" in block))


def _is_thought(block: Block) -> bool:
    return "reasoningContent" in block


def _is_result(block: Block) -> bool:
    return "toolResult" in block


def _is_beside_results(block: Block) -> bool:
    return "toolResult" in block or "cachePoint" in block


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
    for group in groups(turns, _goes_on):
        writer.take(group)
    writer.end()
    for message in writer.messages:
        _say_beside_documents(message["content"])
    return Conversation(writer.system, writer.messages)


def _goes_on(before: ModelTurn, turn: ModelTurn) -> bool:
    return turn.continues


class _Writer(Alternation):
    """The messages so far."""

    def __init__(self, style: Style, tools: ToolMap, ignore: Callable[[str], None], sealing: Sealing) -> None:
        super().__init__(ignore, thoughts=style.thoughts)
        self._style = style
        self._sealing = sealing
        self._content = Content(cite=style.cite, cache=style.cache)
        self._calls = Calls(tools, self._content, nine=style.nine)

    def texts(self, text: str) -> list[Block]:
        return text_blocks(text)

    def instruct(self, turn: SystemTurn) -> None:
        self.system += system_blocks(turn.content, turn.path, cache=self._style.cache)

    def asked(self, turn: UserTurn) -> list[Block]:
        return self._content.blocks(turn.content, turn.path)

    def thought(self, sealed: str) -> list[Block]:
        return [reasoning_block(block) for block in opened(sealed, self._style.model, self._sealing)]

    def called(self, call: Call) -> Block:
        return self._calls.use(call)

    def result(self, output: Output, path: str, call_id: str) -> list[Block]:
        return self._calls.result(output, path, call_id)


def _say_beside_documents(content: list[Block]) -> None:
    """Adds a text where a document stands without any: Converse wants one in its message."""
    if any("document" in block for block in content) and not any("text" in block for block in content):
        content += text_blocks(_BESIDE_DOCUMENTS)
