"""How commands tell people and programs about the problems of a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from ..config.file import Config
from ..errors import ConfigError, ConfigMissing, Problem


def tell(problems: Iterable[Problem]) -> None:
    """Prints problems for people, one a line, to stderr."""
    for problem in problems:
        print(problem, file=sys.stderr)


def exit_code(error: ConfigError) -> int:
    """Returns the exit code for a file that cannot be used: 2 when it is not there, else 1."""
    return 2 if isinstance(error, ConfigMissing) else 1


def missing_keys(config: Config) -> str:
    """Returns the variables that would have more providers served, as a list for people; nothing when none is asked."""
    return ", ".join(" with ".join(each.missing) for each in config.skipped if each.kind == "upstream" and each.missing)


def print_json(value: Any) -> None:
    """Prints a result for programs, to stdout."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
