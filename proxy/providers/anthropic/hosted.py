"""What tools did that Anthropic runs itself, as output items of the Responses API.

A call and its result are two blocks there and one item here, which is shown when the result has come. Kinds of tools
that the API has no item for are left out. The blocks themselves are what Claude wants back with the next turn.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...api.raw import Raw, given
from .wire import UNREADABLE, Block

CALLS = frozenset(("server_tool_use", "mcp_tool_use"))
_RESULT = "_tool_result"


class _Input(msgspec.Struct):
    query: str | None = None
    url: str | None = None


class _Found(msgspec.Struct):
    type: str = ""
    url: str | None = None
    text: str | None = None


_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_input = msgspec.json.Decoder(_Input).decode
_decode_found = msgspec.json.Decoder(list[_Found] | _Found | str).decode

_Said = list[_Found]


def is_result(kind: str) -> bool:
    """Tells whether blocks of a kind are results of such tools."""
    return kind.endswith(_RESULT)


def is_call(value: Any) -> bool:
    """Tells whether a value is the block of a call that can be given back."""
    if not isinstance(value, dict) or value.get("type") not in CALLS:
        return False
    return all(isinstance(value.get(name), str) for name in ("id", "name")) and isinstance(
        value.get("input"), dict | Raw
    )


def is_result_of(call: dict[str, Any], value: Any) -> bool:
    """Tells whether a value is the block of what came of a call, and can be given back."""
    if not isinstance(value, dict) or not isinstance(value.get("type"), str) or not is_result(value["type"]):
        return False
    content = value.get("content")
    sound = all(isinstance(one, dict) for one in content) if isinstance(content, list) else True
    return sound and value.get("tool_use_id") == call["id"]


class Offers(msgspec.Struct, frozen=True):
    """Tools that the upstream runs in this request: names of its own, and of the MCP servers that it may ask."""

    names: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()

    @classmethod
    def of(cls, tools: list[dict[str, Any]], servers: Any) -> Offers:
        """Returns what a request offers with those `tools` and `mcp_servers`."""
        named = [one.get("name") for one in servers if isinstance(one, dict)] if isinstance(servers, list) else []
        return cls(
            tuple(tool["name"] for tool in tools if "type" in tool),
            tuple(name for name in named if isinstance(name, str)),
        )

    def takes(self, call: dict[str, Any]) -> bool:
        """Tells whether a call of an earlier turn can be given back: the API wants its tool to be there.

        A tool may call itself by a longer name, such as `bash_code_execution`.
        """
        if call["type"] == "mcp_tool_use":
            return call.get("server_name") in self.servers
        name: str = call["name"]
        return name.endswith(self.names)


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
        arguments = self._arguments()
        said = _read(result.content) if result is not None else []
        failed = result is not None and (result.is_error is True or any(one.type.endswith("_error") for one in said))
        status = "incomplete" if result is None else "failed" if failed else "completed"
        if self._block.type == "mcp_tool_use":
            return self._mcp(arguments, said, status)
        action = self._action(arguments, said if sources else None)
        return None if action is None else {"type": "web_search_call", "status": status, "action": action}

    def given_back(self, result: Block) -> list[dict[str, Any]]:
        """Returns the call and its result as the upstream wants them back: as it has sent them."""
        block = self._block
        call: dict[str, Any] = {"type": block.type, "id": self.id, "name": block.name or ""}
        arguments = self._arguments()
        call["input"] = Raw(arguments.encode()) if _is_object(arguments) else {}
        if block.server_name is not None:
            call["server_name"] = block.server_name
        made: dict[str, Any] = {"type": result.type, "tool_use_id": self.id}
        if given(result.content):
            made["content"] = result.content
        if result.is_error is not None:
            made["is_error"] = result.is_error
        for one, sent in ((call, block), (made, result)):
            if given(sent.caller):
                one["caller"] = sent.caller
        return [call, made]

    def _arguments(self) -> str:
        arguments = "".join(self.pieces)
        if arguments:
            return arguments
        return bytes(self._block.input).decode("utf-8", "replace") if given(self._block.input) else "{}"

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


def _is_object(arguments: str) -> bool:
    try:
        _decode_object(arguments)
    except UNREADABLE:
        return False
    return True


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
