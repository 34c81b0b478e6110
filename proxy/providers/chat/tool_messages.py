"""Calls and what came of them, as chat completions say it."""

from __future__ import annotations

from typing import Any

import msgspec

from ...api.raw import given
from ...api.responses.items import (
    ApplyPatchCall,
    ApplyPatchOutput,
    Call,
    CustomToolCall,
    FunctionCall,
    LocalShellCall,
    LocalShellOutput,
    Output,
    ShellCall,
    ShellOutput,
    ToolOutput,
    ToolSearchCall,
    ToolSearchOutput,
)
from ...api.responses.parts import InputPart
from ...api.responses.tool_map import INPUT_FIELD, ToolMap
from ...api.responses.tools import declared
from .call_ids import upstream_call_id
from .content import chat_part
from .profile import ChatProfile

_encode = msgspec.json.encode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Attachments:
    """Images and files of a group of tool outputs, for the message of the user that follows the group."""

    def __init__(self) -> None:
        self.parts: list[dict[str, Any]] = []
        self._counts: dict[str, int] = {}

    def add(self, part: dict[str, Any]) -> str:
        """Takes a part; returns the words that stand for it in the tool's message."""
        kind = {"image_url": "image", "input_audio": "audio", "video_url": "video"}.get(part["type"], "file")
        number = self._counts[kind] = self._counts.get(kind, 0) + 1
        self.parts.append(part)
        return f"[{kind} {number} attached below]"


def tool_call(call: Call, tools: ToolMap, profile: ChatProfile) -> dict[str, Any]:
    """Returns the entry of `tool_calls` for a call."""
    assert call.call_id is not None
    call_id = upstream_call_id(call.call_id, profile.tool_call_ids)
    if isinstance(call, CustomToolCall) and profile.custom_tools:
        name = tools.upstream_name("custom", call.namespace, call.name)
        return {"id": call_id, "type": "custom", "custom": {"name": name, "input": call.input}}
    name, arguments = _function(call, tools)
    if profile.object_arguments:
        arguments = _object(arguments)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _function(call: Call, tools: ToolMap) -> tuple[str, str]:
    """Returns upstream name and arguments of a call of any form."""
    if isinstance(call, FunctionCall):
        return tools.upstream_name("function", call.namespace, call.name), call.arguments or "{}"
    if isinstance(call, CustomToolCall):
        return tools.upstream_name("custom", call.namespace, call.name), _encode({INPUT_FIELD: call.input}).decode()
    if isinstance(call, ToolSearchCall):
        arguments = bytes(call.arguments).decode() if given(call.arguments) else "{}"
        return tools.upstream_name("tool_search", None, "tool_search"), arguments
    if isinstance(call, LocalShellCall):
        return tools.upstream_name("local_shell", None, "local_shell"), _encode(call.action).decode()
    if isinstance(call, ShellCall):
        return tools.upstream_name("shell", None, "shell"), _encode(call.action).decode()
    assert isinstance(call, ApplyPatchCall)
    return tools.upstream_name("apply_patch", None, "apply_patch"), _encode(call.operation).decode()


def _object(arguments: str) -> str:
    """Returns arguments as they are if they are a JSON object, else wrapped into one.

    A model that was cut, or that wrote nonsense, is told so by its client; the call stays in the history, and chat
    templates that read arguments as JSON would fail on every request from then on.
    """
    try:
        _decode_object(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _encode({"malformed_arguments": arguments}).decode()
    return arguments


def tool_message(
    output: Output, path: str, call_id: str, tools: ToolMap, profile: ChatProfile, attachments: Attachments
) -> dict[str, Any]:
    """Returns the message of role `tool` for what came of a call; what is no text goes to `attachments`."""
    content: str | list[dict[str, Any]]
    if isinstance(output, ToolOutput):
        content = _content(output.output, path, profile, attachments)
    elif isinstance(output, ToolSearchOutput):
        content = _found(output, path, tools)
    elif isinstance(output, LocalShellOutput):
        content = output.output
    elif isinstance(output, ShellOutput):
        content = _encode(output.output).decode()
    else:
        assert isinstance(output, ApplyPatchOutput)
        content = _encode({"status": output.status or "completed", "output": output.output or ""}).decode()
    return {
        "role": "tool",
        "tool_call_id": upstream_call_id(call_id, profile.tool_call_ids),
        "content": content or profile.empty_tool_output,
    }


def _content(
    output: str | list[InputPart], path: str, profile: ChatProfile, attachments: Attachments
) -> str | list[dict[str, Any]]:
    """Returns text as text; images and files are refused in tool messages by most servers and so only named."""
    if isinstance(output, str):
        return output
    texts: list[dict[str, Any]] = []
    for index, part in enumerate(output):
        made = chat_part(part, f"{path}.output[{index}]", profile)
        if made["type"] != "text":
            made = {"type": "text", "text": attachments.add(made)}
        texts.append(made)
    if profile.tool_content_parts and len(texts) > 1:
        return texts
    return "\n".join(text["text"] for text in texts)


def _found(output: ToolSearchOutput, path: str, tools: ToolMap) -> str:
    """Returns the names of the tools that a search found, as the model can call them from now on."""
    found = [
        {
            "name": tools.upstream_name(tool.kind, tool.namespace, tool.name),
            **({"description": tool.description} if tool.description else {}),
        }
        for tool in declared(output.tools, f"{path}.tools")
        if tool.kind != "hosted"
    ]
    return _encode({"tools": found}).decode()
