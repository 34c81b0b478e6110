"""Tools and the choice among them, as the Messages API says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ...api import invalid
from ...api.raw import Raw, given
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_choice import ToolChoice, read_choice
from ...api.responses.tool_map import ToolMap
from ...api.responses.tools import Tool
from ...errors import BadRequest
from .schema import held_to

MAX_STRICT = 20
"""Tools that the upstream takes as strict in one request."""
WEB_SEARCH = "web_search"
_SEARCH_TYPE = "web_search_20250305"
_SEARCHES = ("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11")
_ANY_OBJECT = {"type": "object"}

_decode_schema = msgspec.json.Decoder(dict[str, Raw]).decode

Hint = Callable[[str], None]


class Offered(msgspec.Struct, kw_only=True):
    """The tools of a request: as they are sent, those that stay hidden left out, and the choice among them."""

    tools: list[dict[str, Any]]
    choice: ToolChoice | None

    @property
    def forced(self) -> bool:
        """Whether some tool must be called."""
        choice = self.choice
        return choice is not None and (choice.mode == "required" or choice.hosted is not None) and bool(self.tools)


class _Filters(msgspec.Struct):
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class _Search(msgspec.Struct):
    filters: _Filters | None = None
    user_location: dict[str, Any] | None = None


_decode_search = msgspec.json.Decoder(_Search).decode


def offered(
    request: ResponsesRequest, names: ToolMap, *, strict: bool, search: bool, refuse_hosted: bool, ignore: Hint
) -> Offered:
    """Returns the tools; raises BadRequest.

    `strict`: the model can be held to schemas. `search`: the upstream may search the web. Other hosted tools are left
    out and told to `ignore`, or refused where `refuse_hosted` says so.
    """
    choice = _choice(request)
    only = choice.only if choice is not None and choice.only is not None and not choice.forced else None
    if only is not None:
        names.allow_only(only)
    callable_tools = [tool for tool in request.tools if tool.kind != "hosted"]
    shown = [tool for tool in callable_tools if only is None or any(tool is one for one in only)]
    count = sum(tool.strict is True for tool in shown)
    if strict and count > MAX_STRICT:
        strict = False
        ignore("tools.strict")
    made = [_tool(tool, names, strict=strict) for tool in shown]
    taken = {tool["name"] for tool in made}
    for tool in request.tools:
        if tool.kind != "hosted":
            continue
        if search and tool.label in _SEARCHES and WEB_SEARCH not in taken:
            made.append(_web_search(tool))
            taken.add(WEB_SEARCH)
        elif refuse_hosted:
            message = f"Tools of type '{tool.label}' cannot be run by this model's upstream."
            raise invalid.unsupported(f"{tool.path}.type", message)
        else:
            ignore(f"{tool.path}: {tool.label}")
    if choice is not None and _impossible(choice, made):
        ignore("tool_choice")
        choice = None
    return Offered(tools=made, choice=choice)


def _choice(request: ResponsesRequest) -> ToolChoice | None:
    raw = request.fields.get("tool_choice")
    return read_choice(raw, request.tools) if raw is not None and given(raw) else None


def _impossible(choice: ToolChoice, made: list[dict[str, Any]]) -> bool:
    """Tells whether a choice wants what was left out."""
    if choice.hosted is not None:
        return choice.hosted not in _SEARCHES or all(tool.get("type") != _SEARCH_TYPE for tool in made)
    return choice.mode == "required" and not made


def _tool(tool: Tool, names: ToolMap, *, strict: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"name": names.upstream_name(tool.kind, tool.namespace, tool.name)}
    description = tool.full_description()
    if description:
        made["description"] = description
    where = f"{tool.path}.parameters"
    schema = held_to(tool.parameters, where) if strict and tool.strict is True else None
    if schema is None or "$ref" in schema:  # beside a reference nothing could say that it is one of objects
        made["input_schema"] = _object_schema(tool.parameters, where)
    else:
        made["input_schema"] = {**schema, "type": "object", "additionalProperties": False}
        made["strict"] = True
    return made


def _object_schema(raw: Raw, path: str) -> Any:
    """Returns a schema as it is if it says that it is one of objects, else with that said."""
    try:
        schema = _decode_schema(raw)
    except invalid.UNREADABLE as error:
        raise invalid.from_decoding(error, path) from None
    return raw if schema.get("type") == Raw(b'"object"') else {**schema, "type": "object"}


def _web_search(tool: Tool) -> dict[str, Any]:
    try:
        asked = _decode_search(tool.raw)
    except invalid.UNREADABLE as error:
        raise invalid.from_decoding(error, tool.path) from None
    made: dict[str, Any] = {"type": _SEARCH_TYPE, "name": WEB_SEARCH}
    if asked.filters is not None and asked.filters.allowed_domains:
        made["allowed_domains"] = asked.filters.allowed_domains
    elif asked.filters is not None and asked.filters.blocked_domains:
        made["blocked_domains"] = asked.filters.blocked_domains
    if asked.user_location is not None:
        place = {key: value for key, value in asked.user_location.items() if value is not None}
        made["user_location"] = {**place, "type": "approximate"}
    return made


def choice_field(offer: Offered, names: ToolMap, *, may_force: bool, parallel: bool | None) -> dict[str, Any] | None:
    """Returns `tool_choice`, None where there is nothing to say; raises BadRequest for one that cannot be forced."""
    if not offer.tools:
        return None
    made: dict[str, Any] = {"type": "auto"}
    choice = offer.choice
    if choice is not None and choice.mode == "none":
        return {"type": "none"}
    if choice is not None and choice.hosted is not None:
        made = {"type": "tool", "name": WEB_SEARCH}
    elif choice is not None and choice.forced and choice.only is not None:
        tool = choice.only[0]
        made = {"type": "tool", "name": names.upstream_name(tool.kind, tool.namespace, tool.name)}
    elif choice is not None and choice.mode == "required":
        made = {"type": "any"}
    if made["type"] != "auto" and not may_force:
        raise cannot_force()
    if parallel is False:
        made["disable_parallel_tool_use"] = True
    return made if choice is not None or len(made) > 1 else None


def cannot_force() -> BadRequest:
    """Returns the error for a choice that the model cannot be held to: without it the answer would be another one."""
    message = "This model cannot be made to call a tool: 'tool_choice' must be 'auto' or 'none'."
    return invalid.unsupported("tool_choice", message)


def of_history(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns declarations of the tools that were called earlier, for a request without any: the API wants them."""
    names = {
        block["name"]: None
        for message in messages
        for block in message["content"]
        if block["type"] == "tool_use"
    }  # fmt: skip
    return [{"name": name, "input_schema": _ANY_OBJECT} for name in names]
