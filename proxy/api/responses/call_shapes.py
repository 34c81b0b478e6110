"""What the tools of OpenAI's own take, made from the arguments of the function that stands for such a tool upstream.

Field names and types are those of the published item types; clients parse them strictly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .grammar import CallKind

Shape = dict[str, Any]


def shaped(kind: CallKind, arguments: str) -> Shape | None:
    """Returns the value of such a call's one field; None when the arguments are not what the tool takes."""
    try:
        value = msgspec.json.decode(arguments or "{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return _SHAPES[kind](value) if isinstance(value, dict) else None


def _shell(value: Shape) -> Shape | None:
    commands = value.get("commands")
    if not _is_strings(commands):
        return None
    return {"commands": commands, **_given(value, int, "timeout_ms", "max_output_length")}


def _local_shell(value: Shape) -> Shape | None:
    command = value.get("command")
    if not _is_strings(command):
        return None
    env = value.get("env")
    return {
        "type": "exec",
        "command": command,
        "env": {name: text for name, text in env.items() if isinstance(text, str)} if isinstance(env, dict) else {},
        **_given(value, int, "timeout_ms"),
        **_given(value, str, "user", "working_directory"),
    }


def _apply_patch(value: Shape) -> Shape | None:
    inner = value.get("operation")
    if isinstance(inner, dict):
        value = inner
    kind, path, diff = value.get("type"), value.get("path"), value.get("diff")
    if not isinstance(path, str):
        return None
    if kind == "delete_file":
        return {"type": kind, "path": path}
    if kind not in ("create_file", "update_file") or not isinstance(diff, str):
        return None
    return {"type": kind, "path": path, "diff": diff}


def _tool_search(value: Shape) -> Shape | None:
    return value


_SHAPES: dict[CallKind, Callable[[Shape], Shape | None]] = {
    "shell_call": _shell,
    "local_shell_call": _local_shell,
    "apply_patch_call": _apply_patch,
    "tool_search_call": _tool_search,
}


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _given(value: Shape, kind: type, *names: str) -> Shape:
    """Returns those of the optional fields that are there and of the right type."""
    return {name: value[name] for name in names if type(value.get(name)) is kind}
