"""Kinds of values that have a written form of their own in the file: durations, sizes, secrets.

A config struct names them like any other type (`idle: Duration = Duration(120)`); a third-party stage may bring kinds
of its own by deriving from `ConfigValue`.
"""

from __future__ import annotations

import hmac
import os
import re
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec

from ..redact import protect


class Mistake(ValueError):
    """What is wrong with a value and what to do about it.

    Raised by `ConfigValue.parse` and by `__post_init__` of config structs; the loader adds file, line and column.
    """

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


class Sources(msgspec.Struct, frozen=True):
    """Where values come from that the file only names: the environment, and files beside the file.

    With `resolve` off, forms are checked but nothing is looked up (an upstream that is skipped needs no key).
    """

    environ: Mapping[str, str] = os.environ
    directory: Path = Path()
    resolve: bool = True


class ConfigValue:
    """Base of the kinds of values with a written form of their own."""

    schema: ClassVar[Mapping[str, Any]]
    """JSON Schema (draft 7) of the written form."""
    label: ClassVar[str]
    """What to call the kind in a table of fields."""

    @classmethod
    @abstractmethod
    def parse(cls, value: object, sources: Sources) -> Self:
        """Returns the value for what stands in the file; raises Mistake."""

    @property
    @abstractmethod
    def written(self) -> str:
        """The value as it would be written in the file."""


_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Duration(float, ConfigValue):
    """Seconds, never negative; written `500ms`, `30s`, `10m`, `2h`, `30d`, or a number of seconds."""

    schema: ClassVar[Mapping[str, Any]] = {
        "type": ["string", "number"],
        "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$",
        "minimum": 0,
    }
    label = "duration"

    @classmethod
    def parse(cls, value: object, sources: Sources) -> Self:
        """Returns the duration for its written form."""
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf"):
            return cls(value)
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise Mistake(f"{shown(value)} is no duration", "write 500ms, 30s, 10m, 2h, 30d or a number of seconds")
        return cls(float(match[1]) * _SECONDS[match[2]])

    @property
    def written(self) -> str:
        """The duration in the largest unit that gives a whole number."""
        for unit, seconds in _SECONDS.items():
            count = self / seconds
            if count >= 1 and count == int(count):
                return f"{int(count)}{unit}"
        return f"{float(self):g}s"


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(b|ib)?", re.IGNORECASE)
_SIZE_FORM = r"^\d+(\.\d+)?\s*[kKmMgGtT]?([bB]|[iI][bB])?$"
_STEPS = ("", "k", "m", "g", "t")


class Size(int, ConfigValue):
    """A number of bytes; written `32MiB`, `64k` (both steps of 1024), `10MB` (steps of 1000), or a whole number."""

    schema: ClassVar[Mapping[str, Any]] = {"type": ["string", "integer"], "pattern": _SIZE_FORM, "minimum": 0}
    label = "size"

    @classmethod
    def parse(cls, value: object, sources: Sources) -> Self:
        """Returns the size for its written form."""
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(value)
        match = _SIZE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise Mistake(f"{shown(value)} is no size", "write 32MiB, 10MB, 64k or a number of bytes")
        step = 1000 if (match[3] or "").lower() == "b" else 1024
        return cls(float(match[1]) * step ** _STEPS.index(match[2].lower()))

    @property
    def written(self) -> str:
        """The size in the largest binary unit that gives a whole number."""
        count, unit = int(self), 0
        while count and count % 1024 == 0 and unit < len(_STEPS) - 1:
            count, unit = count // 1024, unit + 1
        return f"{count}{_STEPS[unit].upper()}iB" if unit else str(count)


_VARIABLE = re.compile(r"(?:env:|os\.environ/)(.*)", re.DOTALL)
_SUBSTITUTION = re.compile(r"\$(?:\{(\w+)\}|([A-Z][A-Z0-9_]+))")
_NAME = re.compile(r"[A-Za-z_]\w*")


class Secret(ConfigValue):
    """A value that is never printed; written `env:NAME`, `file:PATH`, `os.environ/NAME`, or as it is.

    `source` says where it came from and is safe to show.
    """

    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "minLength": 1}
    label = "secret"

    def __init__(self, value: str, source: str = "as written in the file") -> None:
        self._value = value
        self.source = source
        protect(value)

    @classmethod
    def parse(cls, value: object, sources: Sources) -> Self:
        """Returns the secret for its written form, looked up in the environment or read from its file."""
        if not isinstance(value, str):
            found = shown(value) if value is None or isinstance(value, (list, dict)) else "a bare number or word"
            raise Mistake(f"expected a secret, found {found}", "write env:NAME or file:PATH, or put it in quotes")
        if variable := _VARIABLE.fullmatch(value):
            return cls._from_environment(variable[1], sources)
        if value.startswith("file:"):
            return cls._from_file(value[5:], sources)
        if substitution := _SUBSTITUTION.fullmatch(value):
            raise Mistake(
                f'"{value}" is not replaced by the variable', f"write env:{substitution[1] or substitution[2]}"
            )
        if not value:
            raise Mistake("a secret cannot be empty", "write env:NAME or file:PATH")
        return cls(value)

    @classmethod
    def _from_environment(cls, name: str, sources: Sources) -> Self:
        if not _NAME.fullmatch(name):
            raise Mistake(f'"{name}" is no name of an environment variable', "write env:NAME")
        value = sources.environ.get(name, "").strip()
        if not value and sources.resolve:
            state = "empty" if name in sources.environ else "not set"
            raise Mistake(f"environment variable {name} is {state}", f"set {name} before starting")
        return cls(value, f"env:{name}")

    @classmethod
    def _from_file(cls, path: str, sources: Sources) -> Self:
        if not sources.resolve:
            return cls("", f"file:{path}")
        try:
            value = (sources.directory / Path(path).expanduser()).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise Mistake(f'cannot read the secret\'s file "{path}": {reason}', "check the path") from None
        if not value:
            raise Mistake(f'the secret\'s file "{path}" is empty', "put the secret in it")
        return cls(value, f"file:{path}")

    def reveal(self) -> str:
        """Returns the secret itself."""
        return self._value

    @property
    def written(self) -> str:
        """Three stars: a secret is never written out."""
        return "***"

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)


def shown(value: object) -> str:
    """Returns a value of the file as a message shows it: short and on one line, text in quotes, collections by kind."""
    if isinstance(value, str):
        if "\n" in value.strip("\n"):
            return "a text of several lines"
        value = value.replace("\n", "\\n")
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return str(value)
