"""What `tool_choice` asks for, in all its forms, with the tools it names found among those declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from .. import invalid
from ..raw import Raw, given
from .tools import Tool

ChoiceMode = Literal["auto", "none", "required"]

_MODES: tuple[ChoiceMode, ...] = ("auto", "none", "required")
_PARAM = "tool_choice"
_MAX_ALLOWED = 128


class _Named(msgspec.Struct):
    name: str


class _Entry(msgspec.Struct):
    type: str
    name: str | None = None
    namespace: str | None = None
    server_label: str | None = None
    function: _Named | None = None
    custom: _Named | None = None


class _Choice(_Entry):
    mode: str | None = None
    tools: list[_Entry] | None = None


class ToolChoice(msgspec.Struct, frozen=True):
    """How freely the model may call tools.

    `only` are the tools it may call (None: all); `forced` when it must call the one tool in `only`. `hosted` is the
    type of a hosted tool that was asked for and that nothing here can run.
    """

    mode: ChoiceMode
    only: tuple[Tool, ...] | None = None
    forced: bool = False
    hosted: str | None = None


_decode = msgspec.json.Decoder(str | _Choice).decode


def runnable_choice(raw: Raw | None, tools: list[Tool], ignore: Callable[[str], None]) -> ToolChoice | None:
    """Returns what the field asks for, None where it is absent; raises BadRequest.

    What it asks for of a hosted tool, that nothing here can run, is told to `ignore`.
    """
    if raw is None or not given(raw):
        return None
    choice = read_choice(raw, tools)
    if choice.hosted is not None:
        ignore(_PARAM)
        return None
    return choice


def read_choice(raw: Raw, tools: list[Tool]) -> ToolChoice:
    """Returns what the field asks for; raises BadRequest when it names a tool that is not declared."""
    try:
        choice = _decode(raw)
    except invalid.UNREADABLE as error:
        raise invalid.from_decoding(error, _PARAM) from None
    if isinstance(choice, str):
        return _mode(choice, _PARAM, tools)
    if choice.type == "allowed_tools":
        return _allowed(choice, tools)
    if choice.type in ("function", "custom") and _name(choice) is None:
        raise invalid.missing(f"{_PARAM}.name")
    found = _find(choice, tools)
    if not found:
        raise invalid.invalid(_PARAM, f"Tool choice '{_shown(choice)}' not found in 'tools' parameter.")
    if found[0].kind == "hosted":
        return ToolChoice("auto", hosted=choice.type)
    return ToolChoice("required", (found[0],), forced=True)


def _mode(mode: str, path: str, tools: list[Tool]) -> ToolChoice:
    if mode not in _MODES:
        raise invalid.bad_value(path, mode, _MODES)
    if mode == "required" and not tools:
        raise invalid.invalid(_PARAM, "Tool choice 'required' must be specified with 'tools' parameter.")
    return ToolChoice(mode)


def _allowed(choice: _Choice, tools: list[Tool]) -> ToolChoice:
    mode = _mode(choice.mode or "auto", f"{_PARAM}.mode", tools).mode
    entries = choice.tools or []
    if not entries:
        raise invalid.missing(f"{_PARAM}.tools")
    if len(entries) > _MAX_ALLOWED:
        raise invalid.too_long(f"{_PARAM}.tools", len(entries), _MAX_ALLOWED, "array")
    only: dict[str, Tool] = {}
    for entry in entries:
        found = _find(entry, tools)
        if not found:
            raise invalid.invalid(_PARAM, f"Tool choice '{_shown(entry)}' not found in 'tools' parameter.")
        only.update((tool.path, tool) for tool in found if tool.kind != "hosted")
    return ToolChoice(mode, tuple(only.values()))


def _find(entry: _Entry, tools: list[Tool]) -> list[Tool]:
    """Returns the tools that an entry names: one, those of a namespace, or none."""
    name = _name(entry)
    if entry.type == "namespace":
        return [tool for tool in tools if tool.namespace == name]
    if entry.type in ("function", "custom"):
        found = [tool for tool in tools if tool.name == name and tool.kind in ("function", "custom")]
        exact = [tool for tool in found if tool.namespace == entry.namespace]
        return exact[:1] or (found if entry.namespace is None and len(found) == 1 else [])
    return [tool for tool in tools if tool.label == entry.type][:1]


def _name(entry: _Entry) -> str | None:
    nested = entry.function or entry.custom
    return nested.name if nested is not None else entry.name


def _shown(entry: _Entry) -> str:
    return _name(entry) or entry.type
