"""The tools of chat completions, and the choice among them, in the flat forms of the Responses API."""

from __future__ import annotations

from typing import Any

from ...api import invalid

_KINDS = ("function", "custom")


def tools_of(tools: Any, path: str) -> list[dict[str, Any]]:
    """Returns the tools of `tools`, or of `functions`, the form that came before it; raises BadRequest."""
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise invalid.wrong_type(path, "an array")
    return [_tool(tool, f"{path}[{index}]") for index, tool in enumerate(tools)]


def _tool(tool: Any, path: str) -> dict[str, Any]:
    if not isinstance(tool, dict):
        raise invalid.wrong_type(path, "an object")
    if path.startswith("functions"):
        return _function(tool, path)
    kind = tool.get("type", "function")
    nested = tool.get(kind) if kind in _KINDS else None
    if kind in _KINDS and not isinstance(nested, dict):
        nested = tool if tool.get("name") else None
        if nested is None:
            raise invalid.missing(f"{path}.{kind}")
    if nested is None:
        return tool  # one of the upstream's own
    return _function(nested, f"{path}.function") if kind == "function" else _custom(nested, f"{path}.custom")


def _function(function: dict[str, Any], path: str) -> dict[str, Any]:
    """Returns a function. Chat's default is not strict, here it is: what was left out has to be said."""
    flat = {name: function[name] for name in ("name", "description", "parameters") if function.get(name) is not None}
    if not flat.get("name"):
        raise invalid.missing(f"{path}.name")
    flat.setdefault("parameters", {"type": "object", "properties": {}})
    return {"type": "function", **flat, "strict": function.get("strict") is True}


def _custom(custom: dict[str, Any], path: str) -> dict[str, Any]:
    flat = {name: custom[name] for name in ("name", "description") if custom.get(name) is not None}
    if not flat.get("name"):
        raise invalid.missing(f"{path}.name")
    form = custom.get("format")
    if isinstance(form, dict):
        grammar = form.get("grammar")
        flat["format"] = {"type": form.get("type"), **grammar} if isinstance(grammar, dict) else form
    return {"type": "custom", **flat}


def web_search(options: Any) -> dict[str, Any]:
    """Returns the tool that `web_search_options` stands for."""
    tool: dict[str, Any] = {"type": "web_search"}
    fields = options if isinstance(options, dict) else {}
    if fields.get("search_context_size") is not None:
        tool["search_context_size"] = fields["search_context_size"]
    place = fields.get("user_location")
    if isinstance(place, dict):
        inner = place.get("approximate")
        tool["user_location"] = {"type": "approximate", **(inner if isinstance(inner, dict) else place)}
    return tool


def choice_of(choice: Any) -> Any:
    """Returns `tool_choice` in its flat form; raises BadRequest."""
    if isinstance(choice, str):
        return choice
    if not isinstance(choice, dict):
        raise invalid.wrong_type("tool_choice", "a string or an object")
    kind = choice.get("type")
    nested = choice.get(kind) if isinstance(kind, str) else None
    if kind == "allowed_tools" and isinstance(nested, dict):
        named = [choice_of(one) for one in nested.get("tools") or ()]
        return {"type": kind, "mode": nested.get("mode", "auto"), "tools": named}
    if kind in _KINDS and isinstance(nested, dict):
        return {"type": kind, "name": nested.get("name")}
    return choice


def old_choice(choice: Any) -> Any:
    """Returns what `function_call` asked for, the form that came before `tool_choice`."""
    return {"type": "function", "name": choice.get("name")} if isinstance(choice, dict) else choice
