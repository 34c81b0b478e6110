"""What tools did that Anthropic runs itself, as output items of the Responses API.

A call and its result are two blocks there and one item here, which is shown when the result has come. Kinds of tools
that the API has no item for are left out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...api.raw import Raw, given
from .wire import UNREADABLE, Block

CALLS = frozenset(("server_tool_use", "mcp_tool_use"))
RESULTS = frozenset(("web_search_tool_result", "web_fetch_tool_result", "mcp_tool_result"))


class _Input(msgspec.Struct):
    query: str | None = None
    url: str | None = None


class _Found(msgspec.Struct):
    type: str = ""
    url: str | None = None
    text: str | None = None


_decode_input = msgspec.json.Decoder(_Input).decode
_decode_found = msgspec.json.Decoder(list[_Found] | _Found | str).decode

_Said = list[_Found]


class HostedCall:
    """A call of such a tool: its block as it began, and its arguments so far."""

    __slots__ = ("_block", "pieces")

    def __init__(self, block: Block) -> None:
        self._block = block
        self.pieces: list[str] = []

    @property
    def id(self) -> str:
        """What its result names it by."""
        return self._block.id or ""

    def item(self, result: Block | None, *, sources: bool) -> dict[str, Any] | None:
        """Returns the item, None where there is none for it. Without a result the answer ended before it came.

        `sources` are the addresses that a search has found, where the client asked for them.
        """
        arguments = "".join(self.pieces)
        if not arguments:
            arguments = bytes(self._block.input).decode("utf-8", "replace") if given(self._block.input) else "{}"
        said = _read(result.content) if result is not None else []
        failed = result is not None and (result.is_error is True or any(one.type.endswith("_error") for one in said))
        status = "incomplete" if result is None else "failed" if failed else "completed"
        if self._block.type == "mcp_tool_use":
            return self._mcp(arguments, said, status)
        action = self._action(arguments, said if sources else None)
        return None if action is None else {"type": "web_search_call", "status": status, "action": action}

    def _action(self, arguments: str, said: _Said | None) -> dict[str, Any] | None:
        try:
            asked = _decode_input(arguments)
        except UNREADABLE:
            asked = _Input()
        if self._block.name == "web_fetch":
            return {"type": "open_page", "url": asked.url}
        if self._block.name != "web_search":
            return None
        query = asked.query or ""
        action: dict[str, Any] = {"type": "search", "query": query, "queries": [query] if query else []}
        if said is not None:
            action["sources"] = [{"type": "url", "url": one.url} for one in said if one.url]
        return action

    def _mcp(self, arguments: str, said: _Said, status: str) -> dict[str, Any]:
        text = "".join(one.text or "" for one in said)
        return {
            "type": "mcp_call",
            "status": status,
            "server_label": self._block.server_name or "",
            "name": self._block.name or "",
            "arguments": arguments,
            "output": text if status == "completed" else None,
            "error": text if status == "failed" else None,
        }


def _read(content: Raw) -> _Said:
    """Returns what a result holds: a list, one object, a text, or nothing that can be read."""
    if not given(content):
        return []
    try:
        found = _decode_found(content)
    except UNREADABLE:
        return []
    if isinstance(found, str):
        return [_Found(text=found)]
    return found if isinstance(found, list) else [found]
