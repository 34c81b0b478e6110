"""Says in plain words what is wrong with the YAML itself, and what to do about it."""

from __future__ import annotations

import re
from typing import Any

from yaml.error import MarkedYAMLError
from yaml.reader import ReaderError

from .problems import Place

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_TABLE: tuple[tuple[str, bool, str, str], ...] = (
    # pattern of PyYAML's message; whether the mistake is where the construct began; what; fix
    (r"character '\\t' that cannot start", False, "a tab stands where only spaces may", "use spaces"),
    (r"character '(.)' that cannot start", False, 'a value cannot start with "{0}"', "put it in quotes"),
    (
        r"mapping values are not allowed",
        False,
        'this ":" stands where no key can be',
        'put a value that holds ": " in quotes, or mend the indentation of this line or the one above',
    ),
    (r"could not find expected ':'", True, 'this is no "key: value"', 'add ":" and a space after the key'),
    (
        r"expected <block end>, but found",
        False,
        "the indentation of this line does not fit the lines above",
        "start it in the same column as its neighbours",
    ),
    (r"expected ',' or '(.)'", False, 'expected "," or "{0}" here', "close what was opened on line {line}"),
    (
        r"undefined alias '(.*)'",
        False,
        '"*{0}" refers to an anchor that is not there',
        "write &{0} at the value that is meant, or put the text in quotes",
    ),
    (
        r"expected alphabetic or numeric character",
        False,
        '"*" and "&" begin an alias or an anchor in YAML',
        'put the text in quotes, as in "*"',
    ),
    (r"unexpected end of stream", True, "the quote that begins here never ends", "add the closing quote"),
    (
        r"but found another document",
        False,
        "a second document begins here",
        'keep one document a file: remove "---"',
    ),
    (r"unknown escape character '(.)'", False, '"\\{0}" means nothing in double quotes', "use single quotes"),
    (r"undefined tag handle|could not determine a constructor", False, "this tag has no meaning here", "remove it"),
)


def in_plain_words(error: MarkedYAMLError | ReaderError, text: str) -> tuple[Place, str, str]:
    """Returns place, what and fix for an error of the YAML parser."""
    if isinstance(error, ReaderError):
        before = text[: error.position]
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        return place, f"character U+{_code_point(error.character):04X} is not allowed", "remove it"
    place, what, fix = _translated(error)
    lines = text.splitlines()
    variable = _VARIABLE.search(lines[place.line - 1]) if place.line <= len(lines) else None
    return place, what, f"write env:{variable[1]} instead of {variable[0]}" if variable else fix


def _translated(error: MarkedYAMLError) -> tuple[Place, str, str]:
    message, start = str(error.problem), error.context_mark
    for pattern, at_start, what, fix in _TABLE:
        match = re.search(pattern, message)
        if match is not None:
            line = start.line + 1 if start else 0
            place = _place(start if at_start and start else error.problem_mark)
            return place, what.format(*match.groups()), fix.format(*match.groups(), line=line)
    what = f"no valid YAML: {message} {error.context or ''}".rstrip()
    return _place(error.problem_mark or start), what, "mend the syntax, or put the text in quotes"


def _code_point(character: Any) -> int:
    return character if isinstance(character, int) else ord(character)


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)
