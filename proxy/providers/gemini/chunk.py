"""The parts of a GenerateContentResponse that are read, and a lenient way to read bad ones.

A stream is such responses one after another, each with the parts that are new; a whole answer is one of them. The
structs name only what the decoder uses. A response that does not fit them (a number where a string belongs, half a
surrogate pair, NaN) is read again by `decode_leniently`, which keeps what does fit.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from ...api.raw import ABSENT, Raw
from ..chat.surrogates import load

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class PartialArg(msgspec.Struct, gc=False, rename="camel"):
    """A piece of streamed arguments: a value, or a piece of a text, and where it belongs (RFC 9535)."""

    json_path: str = ""
    string_value: str | None = None
    number_value: int | float | None = None
    bool_value: bool | None = None
    will_continue: bool | None = None


class FunctionCall(msgspec.Struct, gc=False, rename="camel"):
    """A call: whole, or (Vertex AI, when asked) in pieces of which all but the last `will_continue`."""

    name: str | None = None
    args: Raw = ABSENT
    id: str | None = None
    partial_args: list[PartialArg] | None = None
    will_continue: bool | None = None


class Blob(msgspec.Struct, gc=False, rename="camel"):
    """Bytes as base64, and what they are."""

    mime_type: str = ""
    data: str = ""


class ExecutableCode(msgspec.Struct, gc=False):
    """Code that the model had Google run."""

    code: str = ""
    language: str | None = None
    id: str | None = None


class CodeExecutionResult(msgspec.Struct, gc=False):
    """What came of it: `OUTCOME_OK`, `OUTCOME_FAILED` or `OUTCOME_DEADLINE_EXCEEDED`, and what was printed."""

    outcome: str | None = None
    output: str | None = None
    id: str | None = None


class Part(msgspec.Struct, gc=False, rename="camel"):
    """One part of the answer. Thoughts are marked; a signature belongs to the very part it stands on.

    `tool_call` and `tool_response` tell of a tool that Google ran, such as its search.
    """

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeExecutionResult | None = None
    tool_call: Raw = ABSENT
    tool_response: Raw = ABSENT


class Content(msgspec.Struct, gc=False):
    """The parts of the answer that are new."""

    parts: list[Part] | None = None


class Candidate(msgspec.Struct, gc=False, rename="camel"):
    """One of the answers; only number 0 is read."""

    content: Content | None = None
    finish_reason: str | None = None
    index: int | None = None
    finish_message: str | None = None
    grounding_metadata: Raw = ABSENT
    citation_metadata: Raw = ABSENT
    logprobs_result: Raw = ABSENT
    url_context_metadata: Raw = ABSENT


class PromptFeedback(msgspec.Struct, gc=False, rename="camel"):
    """Why the prompt was refused, if it was."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class Chunk(msgspec.Struct, gc=False, rename="camel"):
    """One response of a stream, or the whole answer."""

    candidates: list[Candidate] | None = None
    usage_metadata: Raw = ABSENT
    prompt_feedback: PromptFeedback | None = None
    error: Raw = ABSENT


decode_chunk = msgspec.json.Decoder(Chunk).decode


def decode_leniently(payload: bytes) -> Chunk | None:
    """Reads a payload that is JSON but does not fit the structs; None when it is no JSON object."""
    value = load(payload)
    return fitted(value, Chunk) if isinstance(value, dict) else None


def fitted(value: dict[str, Any], struct: type[_Struct]) -> _Struct:
    """Returns the struct of plain values, without those that do not fit it."""
    known: dict[str, Any] = {}
    for name, (key, kind) in _members(struct).items():
        one = value.get(key)
        if one is not None and (made := _fit(one, kind)) is not None:
            known[name] = made
    return struct(**known)


def _fit(value: Any, kind: Any) -> Any:
    """Returns a value as a type takes it; None when it does not."""
    inner = get_args(kind)[0] if get_args(kind) else kind  # `X | None` is X, if it is anything
    if inner is Raw:
        try:
            return Raw(json.dumps(value).encode())
        except (ValueError, RecursionError):
            return None
    if _is_struct(inner):
        return fitted(value, inner) if isinstance(value, dict) else None
    if get_origin(inner) is list and _is_struct(struct := get_args(inner)[0]):
        return [fitted(one, struct) for one in value if isinstance(one, dict)] if isinstance(value, list) else None
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


@cache
def _members(struct: type[msgspec.Struct]) -> dict[str, tuple[str, Any]]:
    """Returns, for each field, its name in JSON and its type."""
    hints = get_type_hints(struct)
    keys = zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)
    return {name: (key, hints[name]) for name, key in keys}
