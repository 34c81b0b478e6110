"""Calls of tools and what came of them, as blocks of the Messages API."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from ...api.responses.items import ApplyPatchOutput, Call, Output, ToolOutput
from ...api.responses.tool_map import ToolMap
from ..chat.profile import ChatProfile
from ..chat.tool_messages import Attachments, tool_call, tool_message
from .content import Block, blocks, text_blocks

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_AS_FUNCTIONS = ChatProfile(object_arguments=False)
"""Tools of every form are functions to Claude, as they are to chat servers, in the words of that API."""

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def tool_use(call: Call, tools: ToolMap) -> Block:
    """Returns the block of a call. Its arguments are the client's own JSON."""
    assert call.call_id is not None
    function = tool_call(call, tools, _AS_FUNCTIONS)["function"]
    return {
        "type": "tool_use",
        "id": upstream_call_id(call.call_id),
        "name": function["name"],
        "input": _object(function["arguments"]),
    }


def tool_result(output: Output, path: str, call_id: str, tools: ToolMap, *, cite: bool) -> Block:
    """Returns the block of what came of a call; raises BadRequest for what this upstream cannot be shown."""
    result: Block = {"type": "tool_result", "tool_use_id": upstream_call_id(call_id)}
    content = _content(output, path, call_id, tools, cite=cite)
    if content:
        marks = [one.pop("cache_control", None) for one in content]
        result["content"] = content
        if any(marks):
            result["cache_control"] = next(mark for mark in marks if mark)
    if isinstance(output, ApplyPatchOutput) and output.status == "failed":
        result["is_error"] = True
    return result


def _content(output: Output, path: str, call_id: str, tools: ToolMap, *, cite: bool) -> list[Block]:
    if isinstance(output, ToolOutput):
        return blocks(output.output, path, field="output", cite=cite)
    message: Any = tool_message(output, path, call_id, tools, _AS_FUNCTIONS, Attachments())
    return text_blocks(message["content"])


def upstream_call_id(call_id: str) -> str:
    """Returns the id for the upstream, which takes letters, digits, `_` and `-`; the same id always gives the same."""
    if not _ILLEGAL.search(call_id):
        return call_id
    mark = hashlib.sha256(call_id.encode()).hexdigest()[:8]
    return f"{_ILLEGAL.sub('_', call_id)[:55]}_{mark}"


def _object(arguments: str) -> Any:
    """Returns arguments as they are if they are a JSON object, else wrapped into one: the API takes nothing else."""
    if not arguments.strip():
        return {}
    try:
        _decode_object(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {"_raw": arguments}
    return msgspec.Raw(arguments.encode())
