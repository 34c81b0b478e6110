"""Turns msgspec's errors into what a person can act on: what is wrong, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import inspect

from . import shapes
from .nodes import Node, Scalar, plain
from .problems import instead
from .types import Mistake, shown

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_SAMPLES = {
    "int": "a number without a fraction, such as 10",
    "float": "a number, such as 0.5",
    "str": "a word or a text in quotes",
    "bool": "true or false",
    "array": "a list, such as [a, b]",
    "object": "its settings as key: value, with a space after the colon",
}
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_INVALID = re.compile(r"Invalid (?:enum )?value .*", re.DOTALL)
_TYPE = re.compile(r"Expected `([^`]*)`, got `[^`]*`")
_BOUND = re.compile(r"Expected `([^`]*)` (>=|>|<=|<) (\S+)")
_LENGTH = re.compile(r"Expected `([^`]*)` of length (>=|<=|) ?(\d+)(?:, got .*)?")
_FORM = re.compile(r"Expected `str` matching regex (.*)", re.DOTALL)
_BOUNDS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than", "": "exactly"}


class Explained(msgspec.Struct, frozen=True):
    """One error in words. `unknown` names the key when that is what is wrong."""

    what: str
    fix: str = ""
    unknown: str | None = None
    missing: tuple[str, ...] = ()
    """All keys that are missing, when that is what is wrong: msgspec names only the first."""
    constraint: bool = False
    """Whether it is about the value as a whole, so that it may follow from a mistake inside the value."""


def explain(error: msgspec.ValidationError, message: str, node: Node, allowed: Sequence[inspect.Type]) -> Explained:
    """Returns the words for an error at a node where the types `allowed` are expected.

    `message` is the error's text without the path.
    """
    if isinstance(error.__cause__, Mistake):
        return Explained(error.__cause__.what, error.__cause__.fix, constraint=True)
    if match := _UNKNOWN.fullmatch(message):
        known = shapes.fields(allowed, node)
        fix = instead(match[1], known, "fields") or "remove it: there is nothing to set here"
        return Explained(f'unknown field "{match[1]}"', fix, unknown=match[1])
    if _MISSING.fullmatch(message):
        return Explained("", missing=shapes.missing(allowed, node))
    if _INVALID.fullmatch(message):
        options = ", ".join(sorted(str(value) for value in shapes.values(allowed)))
        numbers = (
            " or a number" if any(isinstance(shape, (inspect.IntType, inspect.FloatType)) for shape in allowed) else ""
        )
        return Explained(f"invalid value {_found(node)}", f"one of: {options}{numbers}")
    if match := _TYPE.fullmatch(message):
        wanted = _kinds(match[1])
        return Explained(f"expected {_words(wanted)}, found {_found(node)}", _conversion(wanted, node))
    if match := _BOUND.fullmatch(message):
        limit = f"{_words(_kinds(match[1]))} of {_BOUNDS[match[2]]} {match[3].removesuffix('.0')}"
        return Explained(f"{_found(node)} is out of range", f"write {limit}")
    if match := _LENGTH.fullmatch(message):
        return _wrong_length(match, node)
    if match := _FORM.fullmatch(message):
        return Explained(f"{_found(node)} is not in the right form", f"it must match {match[1][1:-1]}")
    return Explained(message, "mend the value", constraint=True)


def _wrong_length(match: re.Match[str], node: Node) -> Explained:
    unit = "character" if "str" in match[1] else "item"
    plural = "" if match[3] == "1" else "s"
    count = f"{_BOUNDS[match[2]]} {match[3]} {unit}{plural}"
    fault = {"<=": "is too long", ">=": "is too short"}.get(match[2], "has the wrong length")
    return Explained(f"{_found(node)} {fault}", f"give {count}", constraint=True)


def explain_missing(name: str, node: Node, allowed: Sequence[inspect.Type]) -> Explained:
    """Returns the words for one key that is missing: the fix names the values it may have."""
    options = shapes.values([inner for shape in allowed for inner in shapes.inside(shape, node, name)])
    fix = f"; one of: {', '.join(sorted(map(str, options)))}" if options else ""
    return Explained(f'"{name}" is missing', f'add "{name}: ..."{fix}')


def explain_key(message: str, name: str) -> Explained:
    """Returns the words for a key of a mapping that is not of the type its keys must have."""
    match = _TYPE.fullmatch(message)
    wanted = _words(_kinds(match[1])) if match else "in another form"
    return Explained(f'a key here must be {wanted}, found "{name}"', "rename it", unknown=name)


def _kinds(wanted: str) -> list[str]:
    """Returns the names in a type as msgspec writes it (`int | null`), without null."""
    return [kind for kind in wanted.split(" | ") if kind != "null"] or ["null"]


def _words(kinds: Iterable[str]) -> str:
    return " or ".join(_WORDS.get(kind, kind) for kind in kinds)


def _found(node: Node) -> str:
    return shown(plain(node))


def _conversion(wanted: Sequence[str], node: Node) -> str:
    """Returns how to change a value of the wrong type into one of the right type."""
    if isinstance(node, Scalar):
        if node.value is None:
            return "give it a value, or remove the key"
        if "\n" in node.text.strip("\n"):
            return "remove the | or > in front of it, which makes it a text"
        if "str" in wanted:
            return f'put it in quotes: "{node.text}"'
        if node.quoted and re.fullmatch(r"-?\d+(\.\d+)?|true|false", node.text):
            return "remove the quotes"
        if "bool" in wanted and node.text.lower() in ("yes", "on", "y", "no", "off", "n"):
            return f"write {'true' if node.text.lower() in ('yes', 'on', 'y') else 'false'}"
        if "array" in wanted:
            return f"write [{node.text}]"
    return "write " + " or ".join(_SAMPLES.get(kind, kind) for kind in wanted)
