"""Wraps what a provider wants back with the next turn into one opaque string, and unwraps it again.

The string travels as `encrypted_content` of a reasoning item. Its form is `pst1.` and base64url of JSON
`{"p": family, "m": model, "b": [state, ...]}`. State is bound to the family of providers that made it: `chat` for all
that speak chat completions, whose state is `{"field": name, "text": ...}` or `{"field": name, "details": [...]}` with
the name under which the thinking came.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec

FAMILY = "chat"

_PREFIX = "pst1."


class Sealed(msgspec.Struct):
    """What was in the envelope: who made it (`family`, `model`), and the state."""

    family: str
    model: str
    state: dict[str, Any]


class _Envelope(msgspec.Struct):
    p: str
    m: str
    b: list[dict[str, Any]]


_decode = msgspec.json.Decoder(_Envelope).decode


def seal(family: str, model: str, state: dict[str, Any]) -> str:
    """Returns the envelope of one state."""
    body = msgspec.json.encode(_Envelope(family, model, [state]))
    return _PREFIX + base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def unseal(text: str) -> Sealed | None:
    """Returns what is in an envelope; None for anything that is no whole envelope of ours."""
    if not text.startswith(_PREFIX) or not text.isascii():
        return None
    encoded = text[len(_PREFIX) :]
    try:
        body = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        envelope = _decode(body)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return None
    state: dict[str, Any] = {}
    for block in envelope.b:
        state.update(block)
    return Sealed(envelope.p, envelope.m, state)


def sealer(model: str) -> Callable[[dict[str, Any], str], str | None]:
    """Returns what seals the thinking of a chat upstream's model: its state and its text, None when there is neither.

    Structured details hold the text already, so that it is not kept twice.
    """

    def seal_thinking(state: dict[str, Any], text: str) -> str | None:
        if state.get("details"):
            return seal(FAMILY, model, state)
        if not text:
            return None
        return seal(FAMILY, model, {"field": state.get("field", "reasoning_content"), "text": text})

    return seal_thinking
