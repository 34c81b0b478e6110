"""The items of `input`, as clients send them, each kind a struct of the fields that are read.

What a struct does not name (`status`, `phase`, ids of items) says nothing to a model. Null means absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain, count
from typing import Any, Literal

import msgspec

from .. import invalid
from ..raw import ABSENT, Raw
from .parts import InputPart, PlainPart, ThoughtPart

ROLES = ("user", "assistant", "system", "developer")
_MAX_CALL_ID = 64


class Item(msgspec.Struct):
    """Base of all items of the input. `type` and `id` are as they came: a message may say neither."""

    type: str | None = None
    id: str | msgspec.UnsetType | None = msgspec.UNSET


class Message(Item, kw_only=True):
    """Something said by the user, the model, or those who instruct it."""

    role: str
    content: str | list[InputPart]


class PlainMessage(Message, kw_only=True):
    """A message of text and nothing else, which is right as it is."""

    type: Literal["message"] | None = None
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[PlainPart]  # type: ignore[assignment]  # some of those: nobody adds to it


class FunctionCall(Item, kw_only=True):
    """The model called a function; `arguments` is JSON text."""

    call_id: str
    name: str
    arguments: str
    namespace: str | None = None


class CustomToolCall(Item, kw_only=True):
    """The model called a freeform tool with raw text."""

    call_id: str
    name: str
    input: str
    namespace: str | None = None


class ToolSearchCall(Item, kw_only=True):
    """The model looked for tools; without `call_id` when the server that made it searched itself."""

    call_id: str | None = None
    arguments: Raw = ABSENT


class LocalShellCall(Item, kw_only=True):
    """The model wanted one command run (`action` is `{"type": "exec", "command": [...], ...}`)."""

    call_id: str
    action: dict[str, Any]


class ShellCall(Item, kw_only=True):
    """The model wanted commands run (`action` is `{"commands": [...], ...}`)."""

    call_id: str
    action: dict[str, Any]


class ApplyPatchCall(Item, kw_only=True):
    """The model wanted a file changed (`operation` is `{"type", "path", "diff"}`)."""

    call_id: str
    operation: dict[str, Any]


Call = FunctionCall | CustomToolCall | ToolSearchCall | LocalShellCall | ShellCall | ApplyPatchCall
"""Items in which the model calls something that the client runs."""


class ToolOutput(Item, kw_only=True):
    """What a function gave back."""

    call_id: str
    output: str | list[InputPart]


class CustomToolOutput(ToolOutput, kw_only=True):
    """What a freeform tool gave back."""


class ToolSearchOutput(Item, kw_only=True):
    """The tools that a search found; they can be called from here on."""

    tools: list[Raw]
    call_id: str | None = None


class LocalShellOutput(Item, kw_only=True):
    """What a command printed; older clients name the call in `id`."""

    output: str
    call_id: str | None = None
    id: str | None = None


class ShellPrint(msgspec.Struct):
    """What one command printed, and how it ended (`{"type": "exit", "exit_code": 0}` or `{"type": "timeout"}`)."""

    stdout: str = ""
    stderr: str = ""
    outcome: dict[str, Any] | None = None


class ShellOutput(Item, kw_only=True):
    """What commands printed."""

    call_id: str
    output: list[ShellPrint]


class ApplyPatchOutput(Item, kw_only=True):
    """How a patch went: `status` is `completed` or `failed`."""

    call_id: str
    status: str | None = None
    output: str | None = None


Output = ToolOutput | ToolSearchOutput | LocalShellOutput | ShellOutput | ApplyPatchOutput
"""Items that answer a call."""


class Reasoning(Item, kw_only=True):
    """What the model thought. `encrypted_content` is state that only its maker can read."""

    summary: list[ThoughtPart] | None = None
    content: list[ThoughtPart] | None = None
    encrypted_content: str | None = None


class AdditionalTools(Item, kw_only=True):
    """Tools that can be called from here on, besides those of the request."""

    tools: list[Raw]


class ConfigurationUpdate(Item, kw_only=True):
    """New settings from here on; the last one counts."""

    reasoning: Raw = ABSENT
    text: Raw = ABSENT


class ItemReference(Item, kw_only=True):
    """An item that the server should know by its id."""

    id: str


class Compaction(Item, kw_only=True):
    """A sealed summary of older items."""

    encrypted_content: str


class CompactionTrigger(Item):
    """Asks for a compaction instead of an answer."""


class Unmodelled(Item, kw_only=True):
    """History that says nothing to a model of another maker: hosted tools (`web_search_call`), vendors' own kinds."""

    type: str


class GeneratedImage(Unmodelled, kw_only=True):
    """An image that a model has made (`result`, base64); models that make images can go on from it."""

    result: str | None = None
    output_format: str | None = None


_BY_TYPE: Mapping[str, type[Item]] = {
    "message": Message,
    "function_call": FunctionCall,
    "function_call_output": ToolOutput,
    "custom_tool_call": CustomToolCall,
    "custom_tool_call_output": CustomToolOutput,
    "tool_search_call": ToolSearchCall,
    "tool_search_output": ToolSearchOutput,
    "local_shell_call": LocalShellCall,
    "local_shell_call_output": LocalShellOutput,
    "shell_call": ShellCall,
    "shell_call_output": ShellOutput,
    "apply_patch_call": ApplyPatchCall,
    "apply_patch_call_output": ApplyPatchOutput,
    "reasoning": Reasoning,
    "additional_tools": AdditionalTools,
    "configuration_update": ConfigurationUpdate,
    "item_reference": ItemReference,
    "image_generation_call": GeneratedImage,
    "compaction": Compaction,
    "compaction_summary": Compaction,
    "compaction_trigger": CompactionTrigger,
}
_HOSTED = frozenset(
    (
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "computer_call",
        "computer_call_output",
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_call",
    )
)
_REFUSED = {
    "mcp_approval_response": "an approval needs a server that runs MCP tools",
    "program": "programs are run by OpenAI alone",
    "program_output": "programs are run by OpenAI alone",
}


class _Kind(msgspec.Struct):
    type: str | None = None
    role: str | None = None
    id: str | msgspec.UnsetType | None = msgspec.UNSET


_decode_kind = msgspec.json.Decoder(_Kind).decode
_decoders = {kind: msgspec.json.Decoder(kind).decode for kind in set(_BY_TYPE.values())}
_LONG = 2048
"""From so many bytes on, reading an item twice, first for its type, costs more than looking at how it begins."""
_type_in_front = re.compile(rb'\{\s*"type"\s*:\s*"([a-z_]+)"').match


_PATHS = tuple(f"input[{index}]" for index in range(256))

_decode_plain = msgspec.json.Decoder(str | list[PlainMessage]).decode


def item_paths() -> Iterator[str]:
    """Yields where the items of an input stand, one after the other; those of the first are written once."""
    return chain(_PATHS, map("input[{}]".format, count(len(_PATHS))))


def plain_messages(raw: Raw) -> str | list[PlainMessage] | None:
    """Returns an input that is a string, or messages of text; None for every other, be it right or wrong.

    Most are that, and are read in one step; it gives what `decode_item` gives of each.
    """
    try:
        found: str | list[PlainMessage] = _decode_plain(raw)
    except invalid.UNREADABLE:
        return None
    return found


def user_message(text: str) -> Message:
    """Returns the message that an input stands for which is a string."""
    return PlainMessage(type="message", role="user", content=text)


def decode_item(raw: Raw, path: str) -> Item:
    """Returns the item of a piece of JSON that stands at `path`; raises BadRequest."""
    try:
        item = _read_once(raw) if len(raw) >= _LONG else None
        if item is None:
            kind = _decode_kind(raw)
            name = kind.type or _untyped(kind, path)
            struct = _BY_TYPE.get(name)
            if struct is None:
                return _other(name, kind, path)
            item = _decoders[struct](raw)
    except invalid.UNREADABLE as error:
        raise invalid.from_decoding(error, path) from None
    if type(item) is Message and item.role not in ROLES:
        raise invalid.bad_value(f"{path}.role", item.role, ROLES)
    call_id = getattr(item, "call_id", None)
    if call_id is not None and not 1 <= len(call_id) <= _MAX_CALL_ID:
        where = f"{path}.call_id"
        raise invalid.too_long(where, len(call_id), _MAX_CALL_ID) if call_id else invalid.too_short(where)
    return item


def _read_once(raw: Raw) -> Item | None:
    """Returns an item whose type stands in front, as it mostly does; None where one must look for it first."""
    front = _type_in_front(raw)
    if front is None:
        return None
    name = front[1].decode()
    struct = _BY_TYPE.get(name)
    if struct is None:
        return None
    try:
        item = _decoders[struct](raw)
    except invalid.UNREADABLE:
        return None
    return item if item.type == name else None  # it may come twice: then the last one counts


def _untyped(kind: _Kind, path: str) -> str:
    """Returns the type of an item that does not say it: with a role it is a message, with only an id a reference."""
    if kind.role is not None:
        return "message"
    if isinstance(kind.id, str):
        return "item_reference"
    raise invalid.missing(f"{path}.type")


def _other(name: str, kind: _Kind, path: str) -> Item:
    """Returns the item of a type that has no struct of its own."""
    if name in _HOSTED or ":" in name:
        return Unmodelled(type=name, id=kind.id)
    if name in _REFUSED:
        raise invalid.unsupported(f"{path}.type", f"Items of type '{name}' are not served: {_REFUSED[name]}.")
    raise invalid.bad_value(f"{path}.type", name, (*_BY_TYPE, *sorted(_HOSTED)))
