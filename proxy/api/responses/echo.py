"""The part of a Response object that repeats the request: what was given, else the default in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..raw import Raw, given
from .conversation import conversation_id
from .fields import FIELDS, LIMIT_ALIASES
from .tools import Tool

if TYPE_CHECKING:
    from .request import ResponsesRequest

_PLAIN: dict[str, Any] = {
    "background": False,
    "frequency_penalty": 0.0,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


_SHOWN = frozenset(
    (
        *_PLAIN, *LIMIT_ALIASES, "conversation", "instructions", "metadata", "reasoning", "text", "tool_choice", "tools"
    )
)  # fmt: skip
_UNSHOWN = frozenset(FIELDS) - _SHOWN


def says_nothing(request: ResponsesRequest) -> bool:
    """Tells whether a request says nothing of all that is shown: then the same is shown of all."""
    if request.was_instructed and request.client_instructions is not None:
        return False
    return request.says_only(_UNSHOWN) or not (request.has_any(_SHOWN) or request.updates_settings)


def echo(request: ResponsesRequest) -> dict[str, Any]:
    """Returns those fields, ready to be encoded; schemas and metadata are the client's own JSON."""
    fields = _PLAIN.copy()
    for name in request.fields:
        if name in _PLAIN and (value := request.value(name)) is not None:
            fields[name] = value
    metadata = request.fields.get("metadata")
    choice = request.fields.get("tool_choice")
    conversation = conversation_id(request)
    if conversation is not None:
        fields["conversation"] = {"id": conversation}
    fields["instructions"] = request.client_instructions
    fields["max_output_tokens"] = request.max_output_tokens
    fields["metadata"] = metadata if given(metadata) else {}
    fields["reasoning"] = _reasoning(request)
    fields["text"] = _text(request)
    fields["tool_choice"] = _choice(choice) if choice is not None and given(choice) else "auto"
    fields["tools"] = _tools(request)
    return fields


def _reasoning(request: ResponsesRequest) -> dict[str, Any]:
    settings = request.reasoning
    return {"effort": settings.effort, "summary": settings.summary or settings.generate_summary}


def _text(request: ResponsesRequest) -> dict[str, Any]:
    settings = request.text
    form = settings.format if settings.format is not None else {"type": "text"}
    return {"format": form, "verbosity": settings.verbosity or "medium"}


def _choice(raw: Raw) -> Any:
    """Returns the choice of tools; the nested form of chat completions becomes the flat one."""
    choice = msgspec.json.decode(raw)
    if isinstance(choice, dict) and isinstance(nested := choice.get(choice.get("type", "")), dict):
        return {"type": choice["type"], **nested}
    return raw


def _tools(request: ResponsesRequest) -> list[Any]:
    """Returns the tools of the field `tools`: functions with all five keys, all others as they were given."""
    raws: list[Raw] = request.value("tools") or []
    if not raws:
        return []
    functions = {tool.path: tool for tool in request.tools if tool.kind == "function" and tool.namespace is None}
    shown: list[Any] = []
    for index, raw in enumerate(raws):
        tool = functions.get(f"tools[{index}]")
        shown.append(_function(tool) if tool is not None else raw)
    return shown


def _function(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict,
    }
