"""Calls of tools and what came of them, as blocks of Converse."""

from __future__ import annotations

from ...api.responses.items import Call, Output, ToolOutput
from ...api.responses.tool_map import ToolMap
from ..anthropic.calls import tool_result as messages_result
from ..anthropic.calls import tool_use as messages_call
from ..anthropic.calls import upstream_call_id
from ..chat.call_ids import upstream_call_id as call_id_in_form
from .content import CACHE_POINT, Block, Content

_NOTHING = "(no output)"
_NOT_IN_RESULTS = ("audio",)


class Calls:
    """Turns calls and results of one request into blocks. `nine`: ids are of nine letters, as Mistral's models want."""

    def __init__(self, tools: ToolMap, content: Content, *, nine: bool) -> None:
        self._tools = tools
        self._content = content
        self._nine = nine

    def use(self, call: Call) -> Block:
        """Returns the block of a call. Its arguments are the client's own JSON."""
        assert call.call_id is not None
        block = messages_call(call, self._tools)
        return {"toolUse": {"toolUseId": self._id(call.call_id), "name": block["name"], "input": block["input"]}}

    def result(self, output: Output, path: str, call_id: str) -> list[Block]:
        """Returns the block of what came of a call, and a breakpoint of the cache behind it where there is one.

        Raises BadRequest for what the upstream cannot be shown.
        """
        failed = False
        if isinstance(output, ToolOutput):
            content = self._content.blocks(output.output, path, "output")
        else:
            block = messages_result(output, path, call_id, self._tools, cite=False)
            content = [{"text": one["text"]} for one in block.get("content", ())]
            failed = block.get("is_error", False)
        marks = [one for one in content if CACHE_POINT in one]
        shown = [one for one in content if CACHE_POINT not in one and not any(kind in one for kind in _NOT_IN_RESULTS)]
        result: Block = {"toolUseId": self._id(call_id), "content": shown or [{"text": _NOTHING}]}
        if failed:
            result["status"] = "error"
        sounds = [one for one in content if any(kind in one for kind in _NOT_IN_RESULTS)]
        return [{"toolResult": result}, *sounds, *marks[:1]]

    def _id(self, call_id: str) -> str:
        """Returns the id for the upstream; the same id always gives the same."""
        return call_id_in_form(call_id, "nine") if self._nine else upstream_call_id(call_id)
