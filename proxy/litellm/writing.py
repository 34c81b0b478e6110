"""A translated configuration as the text of a `pipeline.yaml`: without a secret in it, with its remarks as comments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..errors import Problem

_PLAIN = re.compile(r"(?:[A-Za-z/]|\./)[\w./@%+-]*(?::[\w./@%+-]+)*")
_READ_OTHERWISE = frozenset(("true", "false", "null", "yes", "no", "on", "off"))
_VARIABLE = re.compile(r"(?:env:|os\.environ/)(\w+)")
_SECRETS = frozenset(
    (
        "access_key_id",
        "api_key",
        "client_secret",
        "credentials",
        "external_id",
        "key",
        "secret_access_key",
        "session_token",
        "url",
    )
)
_NO_SECRETS = frozenset(("", "anything", "dummy", "empty", "none", "null"))
"""What is written where servers want no key."""
_WIDTH = 100

_HEAD = """\
# yaml-language-server: $schema=./penstock.schema.json
#
# Made from {name} by `penstock import litellm`. `penstock check` finds mistakes in it.
"""


class Written(msgspec.Struct):
    """The text of a file, and the variables that its secrets are to be put into, each with where the secret stood."""

    text: str
    variables: dict[str, str]


def write(file: Mapping[str, Any], name: str, problems: Sequence[Problem], places: Mapping[str, Problem]) -> Written:
    """Returns a file of ours as text. `problems` become comments; `places` say which line an upstream is from."""
    variables: dict[str, str] = {}
    shown = _without_secrets(file, (), variables)
    lines = [_HEAD.format(name=_comment(name))]
    if problems:
        lines.append("# What it says that is not here, or is done otherwise:\n")
        for one in problems:
            fix = f" ({one.fix})" if one.fix else ""
            lines.append(f"#   line {one.line}: {_comment(one.what + fix)}\n")
    if variables:
        lines.append("# Secrets that stood in it; put each into the variable of that name:\n")
        lines += [f"#   {variable}: {place}\n" for variable, place in variables.items()]
    for section, value in shown.items():
        lines.append("\n")
        if section == "upstreams" and isinstance(value, Mapping):
            lines.append("upstreams:\n")
            for upstream, settings in value.items():
                where = f"  # line {places[upstream].line}" if upstream in places else ""
                lines.append(f"  {_scalar(upstream)}:{where}\n{_block(settings, 4)}")
        elif isinstance(value, (Mapping, list)):
            lines.append(f"{section}:\n{_block(value, 2)}")
        else:
            lines.append(f"{section}: {_scalar(value)}\n")
    return Written("".join(lines), variables)


def _without_secrets(value: Any, path: tuple[str, ...], variables: dict[str, str]) -> Any:
    """Returns a value in which secrets are variables; those that stood there as they are get one."""
    if isinstance(value, Mapping):
        if path[:1] == ("models",) and value.get("weight") == 1 and len(value) == 2:
            return value["use"]
        return {key: _without_secrets(one, (*path, str(key)), variables) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_secrets(one, path, variables) for one in value]
    if not isinstance(value, str):
        return value
    if variable := _VARIABLE.fullmatch(value):
        return f"env:{variable[1]}"
    if not _is_secret(path) or value.startswith("file:") or value.lower() in _NO_SECRETS:
        return value
    where = path[1:] if path[0] == "upstreams" else ("master", "key") if path[-1] == "key" else path
    name = re.sub(r"\W", "_", "_".join(("litellm", *where))).upper()
    variables[name] = ".".join(path)
    return f"env:{name}"


def _is_secret(path: tuple[str, ...]) -> bool:
    """Tells whether what stands at the end of a path is a setting that our file takes from a variable."""
    if path[:1] in (("models",), ("prices",)) or path[:2] == ("pipeline", "transform"):
        return False
    return bool(path) and (path[-1] in _SECRETS or path[-2:-1] == ("headers",))


def _block(value: Any, indent: int) -> str:
    """Returns a mapping or a list, one entry a line where it fits, else one below the other."""
    lines = []
    space = " " * indent
    entries = value.items() if isinstance(value, Mapping) else [(None, one) for one in value]
    for key, one in entries:
        begin = f"{space}- " if key is None else f"{space}{_scalar(key)}: "
        flow = _flow(one)
        if len(begin) + len(flow) <= _WIDTH or not isinstance(one, (Mapping, list)) or not one:
            lines.append(f"{begin}{flow}\n")
        elif key is None:
            lines.append(f"{begin}{_block(one, indent + 2).lstrip()}")
        else:
            lines.append(f"{begin.rstrip()}\n{_block(one, indent + 2)}")
    return "".join(lines)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """Returns a scalar, quoted where it could be read as something else."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _READ_OTHERWISE:
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return msgspec.json.encode(value).decode()


def _comment(text: str) -> str:
    """Returns a text as one line without what would end a comment."""
    return " ".join(text.split())
