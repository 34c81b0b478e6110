"""Reads a long request of messages of text in one pass.

A request is read as fields first, each still JSON, and the input once more when its items are wanted. With short ones
that is nothing; with long ones the two passes, and the one that sees to it that all is text, are most of what a request
costs. Here the input is decoded with the body, and then written down as the JSON that others will read: that costs a
tenth of reading it. Only for what holds nothing but what is named here; all else is read as ever.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...json_writing import write_json
from ...request import Fields
from .. import invalid
from ..raw import ABSENT, Raw
from .fields import FIELDS, LIMIT_ALIASES
from .items import PlainMessage
from .parts import InputText, OutputText, PlainText

LONG = 16 * 1024
"""From so many bytes on it is worth it."""


class _Input(InputText, tag="input_text", forbid_unknown_fields=True):
    """Text of the client."""


class _Output(OutputText, tag="output_text", forbid_unknown_fields=True, kw_only=True):
    """Text of a model, with what nobody reads."""

    annotations: Raw = ABSENT
    logprobs: Raw = ABSENT


class _Plain(PlainText, tag="text", forbid_unknown_fields=True):
    """Text under its other name."""


class _Message(PlainMessage, forbid_unknown_fields=True, kw_only=True):
    """A message, with what nobody reads."""

    content: str | list[_Input | _Output | _Plain]  # type: ignore[assignment]  # some of those: nobody adds to it
    status: Raw = ABSENT
    phase: Raw = ABSENT


_OTHERS = tuple(sorted({*FIELDS, *LIMIT_ALIASES} - {"input"}))
_Body = msgspec.defstruct(
    "_Body",
    [("input", str | list[_Message]), *((name, Raw, ABSENT) for name in _OTHERS)],
    kw_only=True,
    forbid_unknown_fields=True,
)
_decode_body = msgspec.json.Decoder(_Body).decode


class LongInput(msgspec.Struct, frozen=True):
    """What was read: the fields, and the input, a string or messages."""

    fields: Fields
    input: str | list[PlainMessage]


def read_long(body: bytes) -> LongInput | None:
    """Returns what a body holds; None where there may be anything but messages of text in its input."""
    try:
        read: Any = _decode_body(body)
        # decoded texts are known to be text; what is passed on unread must be, too. Copies let the body go.
        fields = {name: _checked(raw) for name in _OTHERS if len(raw := getattr(read, name))}
        given = read.input
        fields["input"] = Raw(write_json(given if isinstance(given, str) else [_shown(one) for one in given]))
    except invalid.UNREADABLE:
        return None
    return LongInput(fields, given) if given else None


def _checked(raw: Raw) -> Raw:
    copied = bytes(raw)
    if not copied.isascii():
        copied.decode()
    return Raw(copied)


def _shown(message: _Message) -> dict[str, Any]:
    """Returns a message as it came."""
    shown: dict[str, Any] = {}
    if message.id is not msgspec.UNSET:
        shown["id"] = message.id
    if message.type is not None:
        shown["type"] = message.type
    shown["role"] = message.role
    content = message.content
    shown["content"] = content if isinstance(content, str) else [_part(part) for part in content]
    return shown | _said(message, "status", "phase")


def _part(part: _Input | _Output | _Plain) -> dict[str, Any]:
    shown = {"type": part.__struct_config__.tag, "text": part.text, **_said(part, "prompt_cache_breakpoint")}
    return shown | _said(part, "annotations", "logprobs") if isinstance(part, _Output) else shown


def _said(struct: msgspec.Struct, *names: str) -> dict[str, Raw]:
    return {name: _checked(raw) for name in names if len(raw := getattr(struct, name))}
