"""Tools and the choice among them, as chat completions say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...api import invalid
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_choice import ToolChoice, runnable_choice
from ...api.responses.tool_map import ToolMap
from ...api.responses.tools import Tool
from .profile import ChatProfile


def tool_fields(
    request: ResponsesRequest,
    profile: ChatProfile,
    names: ToolMap,
    refuse_hosted: Callable[[Tool], bool],
    ignore: Callable[[str], None],
) -> dict[str, Any]:
    """Returns `tools`, `tool_choice` and `parallel_tool_calls`, as far as there is something to say.

    Hosted tools are left out and told to `ignore`, or refused where `refuse_hosted` says so.
    """
    if not request.tools and "tool_choice" not in request.fields:
        return {}
    callable_tools: list[Tool] = []
    for tool in request.tools:
        if tool.kind != "hosted":
            callable_tools.append(tool)
        elif refuse_hosted(tool):
            message = f"Tools of type '{tool.label}' cannot be run by this model's upstream."
            raise invalid.unsupported(f"{tool.path}.type", message)
        else:
            ignore(f"{tool.path}: {tool.label}")
    choice = runnable_choice(request.fields.get("tool_choice"), request.tools, ignore)
    if choice is not None and choice.only is not None and not choice.forced:
        names.allow_only(choice.only)
        if not profile.allowed_tools:
            callable_tools = [tool for tool in callable_tools if _is_in(tool, choice.only)]
    if not callable_tools:
        if choice is not None and choice.mode == "required":
            ignore("tool_choice")
        return {}
    fields: dict[str, Any] = {"tools": [chat_tool(tool, names, profile) for tool in callable_tools]}
    if choice is not None:
        fields["tool_choice"] = chat_choice(choice, names, profile)
    parallel = request.value("parallel_tool_calls")
    if parallel is not None:
        fields["parallel_tool_calls"] = parallel
    return fields


def _is_in(tool: Tool, tools: tuple[Tool, ...]) -> bool:
    return any(tool is one for one in tools)


def chat_tool(tool: Tool, names: ToolMap, profile: ChatProfile) -> dict[str, Any]:
    """Returns one tool; schemas are the client's own JSON."""
    name = names.upstream_name(tool.kind, tool.namespace, tool.name)
    if tool.kind == "custom" and profile.custom_tools:
        custom: dict[str, Any] = {"name": name}
        if tool.description is not None:
            custom["description"] = tool.description
        if tool.grammar is not None:
            grammar = {"syntax": tool.grammar.syntax, "definition": tool.grammar.definition}
            custom["format"] = {"type": "grammar", "grammar": grammar}
        return {"type": "custom", "custom": custom}
    function: dict[str, Any] = {"name": name}
    description = tool.full_description()
    if description is not None:
        function["description"] = description
    function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def chat_choice(choice: ToolChoice, names: ToolMap, profile: ChatProfile) -> Any:
    """Returns the choice. Tools outside an allowed list were left out already where the upstream has no such list."""
    if choice.forced and choice.only is not None:
        return _reference(choice.only[0], names, profile)
    if choice.only is not None and profile.allowed_tools and choice.mode != "none":
        tools = [_reference(tool, names, profile) for tool in choice.only]
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": tools}}
    return profile.required_tool if choice.mode == "required" else choice.mode


def _reference(tool: Tool, names: ToolMap, profile: ChatProfile) -> dict[str, Any]:
    kind = "custom" if tool.kind == "custom" and profile.custom_tools else "function"
    return {"type": kind, kind: {"name": names.upstream_name(tool.kind, tool.namespace, tool.name)}}
