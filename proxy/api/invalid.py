"""Says what is wrong with a field of a client's request, in the words and with the codes of OpenAI's API.

`path` is where the field stands, as clients know it from the API: `input[3].content[0].text`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from ..errors import BadRequest

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for JSON of a wrong shape, for bytes that are no JSON, and for nesting without end."""

_FIELD_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_WRONG_TYPE = re.compile(r"Expected `([^`]+)`(?:, got `([^`]+)`)?")
_BAD_VALUE = re.compile(r"Invalid (?:enum )?value (.+)")
_AT = re.compile(r" - at `(?:key in )?\$([^`]*)`\Z")

_NOUNS = {
    "str": "a string",
    "int": "an integer",
    "float": "a decimal",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def missing(path: str) -> BadRequest:
    """A field that must be there is absent or null."""
    return BadRequest(f"Missing required parameter: '{path}'.", param=path, code="missing_required_parameter")


def wrong_type(path: str, expected: str, got: str = "") -> BadRequest:
    """A field has another JSON type; `expected` and `got` are nouns: "a string"."""
    but = f", but got {got} instead" if got else ""
    return BadRequest(f"Invalid type for '{path}': expected {expected}{but}.", param=path, code="invalid_type")


def bad_value(path: str, value: str, supported: Iterable[str] = ()) -> BadRequest:
    """A field has a value outside its list."""
    options = [f"'{option}'" for option in supported]
    hint = ""
    if len(options) == 1:
        hint = f" Supported values are: {options[0]}."
    elif len(options) == 2:
        hint = f" Supported values are: {options[0]} and {options[1]}."
    elif options:
        hint = f" Supported values are: {', '.join(options[:-1])}, and {options[-1]}."
    return BadRequest(f"Invalid value: '{_short(value)}'.{hint}", param=path, code="invalid_value")


def invalid(path: str, message: str, code: str | None = "invalid_value") -> BadRequest:
    """A field that cannot be taken for a reason of its own."""
    return BadRequest(message, param=path, code=code)


def unsupported(path: str, message: str) -> BadRequest:
    """A good value that cannot be served here."""
    return BadRequest(message, param=path, code="unsupported_value")


def out_of_range(path: str, value: float, low: float | None, high: float | None) -> BadRequest:
    """A number below its minimum or above its maximum; whole numbers are named integers in the code."""
    kind = "integer" if isinstance(value, int) else "decimal"
    if low is not None and value < low:
        return BadRequest(
            f"Invalid '{path}': {kind} below minimum value. Expected a value >= {low:g}, "
            f"but got {_figure(value)} instead.",
            param=path,
            code=f"{kind}_below_min_value",
        )
    return BadRequest(
        f"Invalid '{path}': {kind} above maximum value. Expected a value <= {high:g}, "
        f"but got {_figure(value)} instead.",
        param=path,
        code=f"{kind}_above_max_value",
    )


def too_long(path: str, length: int, limit: int, kind: str = "string") -> BadRequest:
    """A string, array or object that holds more than it may."""
    if kind == "object":
        text = f"too many properties. Expected an object with at most {limit} properties, but got {length} instead."
        return BadRequest(f"Invalid '{path}': {text}", param=path, code="object_above_max_properties")
    article = "an" if kind == "array" else "a"
    text = f"{kind} too long. Expected {article} {kind} with maximum length {limit}, but got one of length {length}."
    return BadRequest(f"Invalid '{path}': {text}", param=path, code=f"{kind}_above_max_length")


def too_short(path: str, kind: str = "string") -> BadRequest:
    """A string or array that must not be empty."""
    article = "an" if kind == "array" else "a"
    text = f"empty {kind}. Expected {article} {kind} with minimum length 1, but got an empty {kind} instead."
    return BadRequest(f"Invalid '{path}': {text}", param=path, code=f"{kind}_below_min_length")


def from_decoding(error: Exception, path: str) -> BadRequest:
    """Turns what msgspec (or UTF-8 decoding) says of the value at `path` into the API's words."""
    message = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return BadRequest(f"The request body is not valid JSON in '{path}': {message}", param=path, code="invalid_json")
    if at := _AT.search(message):
        path, message = path + at[1], message[: at.start()]
    if lacking := _FIELD_MISSING.fullmatch(message):
        return missing(f"{path}.{lacking[1]}")
    if mismatch := _WRONG_TYPE.fullmatch(message):
        if mismatch[2] == "null":
            return missing(path)
        return wrong_type(path, _noun(mismatch[1]), _noun(mismatch[2] or ""))
    if value := _BAD_VALUE.fullmatch(message):
        return bad_value(path, value[1].strip("'"))
    return invalid(path, f"Invalid '{path}': {message}.")


def _noun(types: str) -> str:
    """Returns `str | array | null` as "one of a string or an array"."""
    nouns = [_NOUNS.get(name, name) for name in types.split(" | ") if name and name != "null"]
    if not nouns:
        return "null" if types else ""
    return nouns[0] if len(nouns) == 1 else f"one of {' or '.join(nouns)}"


def _figure(value: float) -> str:
    """Returns a number as it reads in a sentence; JSON has integers without end."""
    try:
        return f"{value:g}"
    except OverflowError:
        return "a number beyond all limits"


def _short(value: str) -> str:
    return value if len(value) <= 100 else value[:97] + "..."
