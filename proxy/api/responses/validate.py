"""Checks a Responses request as a whole: every field by itself, then what fields say of one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import invalid
from ..raw import given
from .fields import FIELDS, Moderation
from .stateless import refuse_unserved
from .tool_choice import read_choice
from .tools import Tool

if TYPE_CHECKING:
    from .request import ResponsesRequest

_SIMPLE = frozenset(
    (
        "background", "frequency_penalty", "include", "input", "instructions", "max_output_tokens", "max_tool_calls",
        "metadata", "model", "parallel_tool_calls", "presence_penalty", "prompt_cache_key", "prompt_cache_retention",
        "reasoning", "safety_identifier", "service_tier", "store", "stream", "temperature", "text", "top_logprobs",
        "top_p", "truncation", "user",
    )
)  # fmt: skip
"""Fields that are right or wrong by themselves, whatever the others say."""
_READ = frozenset(FIELDS.keys() - {"input", "model"})  # those are read by what says what is wrong with them
_WEBSOCKET_ONLY = ("generate", "stream_id", "type")
_REFUSED = frozenset((*_WEBSOCKET_ONLY, "prompt", "access_programs", "n", "moderation", "background_options"))


def validate(request: ResponsesRequest) -> None:
    """Raises BadRequest (or NotFound) for the first thing that cannot be served."""
    request.model  # noqa: B018  # raises when it is missing
    for name in request.fields:
        if name in _READ:
            request.value(name)
    if request.says_only(_SIMPLE):
        return
    request.max_output_tokens  # noqa: B018  # may stand under other names
    _check_refused(request)
    _check_fields_together(request)
    refuse_unserved(request)
    continues = request.value("previous_response_id") is not None or request.value("conversation") is not None
    if not request.items and not continues and not request.warms_up:
        raise invalid.missing("input")
    _check_tools(request)
    if not continues and not request.refers():
        request.turns()  # what refers to earlier items is checked when they are in their place


def _check_refused(request: ResponsesRequest) -> None:
    """Raises for fields that change the meaning of the answer and that nothing here can do."""
    if _REFUSED.isdisjoint(request.fields):
        return
    for name in _WEBSOCKET_ONLY:
        if given(request.fields.get(name)):
            raise invalid.invalid(name, f"Unknown parameter: '{name}'.", "unknown_parameter")
    if given(request.fields.get("prompt")):
        raise invalid.unsupported("prompt", "Prompt templates are not kept here: send 'instructions' and 'input'.")
    if given(request.fields.get("access_programs")):
        raise invalid.unsupported("access_programs", "Access programs are OpenAI's own and cannot be served here.")
    if (request.value("n") or 1) > 1:
        raise invalid.unsupported("n", "A response holds one answer: 'n' can only be 1.")
    if _blocks(request.value("moderation")):
        raise invalid.unsupported(
            "moderation", "A moderation policy that blocks cannot be enforced here: use a guardrail of the pipeline."
        )
    options = request.value("background_options")
    if options is not None and options.completion_window in ("2h", "8h"):
        where = "background_options.completion_window"
        raise invalid.unsupported(where, f"A completion window of {options.completion_window} cannot be served.")


def _blocks(moderation: Moderation | None) -> bool:
    policy = moderation.policy if moderation is not None else None
    sides = (policy.input, policy.output) if policy is not None else ()
    return any(side is not None and side.mode == "block" for side in sides)


def _check_fields_together(request: ResponsesRequest) -> None:
    if request.value("stream_options") is not None and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise invalid.invalid("stream_options", message)


def _check_tools(request: ResponsesRequest) -> None:
    """Raises for two tools of one name, and for a choice of tools that are not there."""
    seen: dict[tuple[str | None, str], Tool] = {}
    for tool in request.tools:
        if tool.kind not in ("function", "custom"):
            continue
        key = (tool.namespace, tool.name)
        if key in seen:
            message = f"Duplicate tool name '{tool.name}': it is declared in '{seen[key].path}' and in '{tool.path}'."
            raise invalid.invalid(f"{tool.path}.name", message)
        seen[key] = tool
    choice = request.fields.get("tool_choice")
    if choice is not None and given(choice):
        read_choice(choice, request.tools)
