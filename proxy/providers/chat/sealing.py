"""Wraps what a provider wants back with the next turn into one opaque string, and unwraps it again.

The string travels as `encrypted_content` of a reasoning item. It seals the JSON
`{"p": family, "m": model, "b": [state, ...]}`. State is bound to the family of providers that made it: `chat` for all
that speak chat completions, whose state is `{"field": name, "text": ...}` or `{"field": name, "details": [...]}` with
the name under which the thinking came.

Responses kept by earlier versions hold the same JSON as `pst1.` and base64url, which anybody could have written. It is
still read: what a client could put there it can as well send as the thinking's plain text.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from ...sealing import SealBroken, Sealing

FAMILY = "chat"
LOST = "input: reasoning"
"""How thinking that cannot be given back is named in the header of what had no effect."""

_PURPOSE = "reasoning"
_OLD_PREFIX = "pst1."


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


def seal(family: str, model: str, state: dict[str, Any], sealing: Sealing | None = None) -> str:
    """Returns the envelope of one state; in the old form where nothing seals it."""
    body = msgspec.json.encode(_Envelope(family, model, [state]))
    if sealing is None:
        return _OLD_PREFIX + base64.urlsafe_b64encode(body).rstrip(b"=").decode()
    return sealing.seal(body, _PURPOSE)


def unseal(text: str, sealing: Sealing | None = None) -> Sealed | None:
    """Returns what is in an envelope; None for anything that is no whole envelope of ours."""
    try:
        if text.startswith(_OLD_PREFIX):
            body: bytes | None = _old_body(text)
        else:
            body = sealing.open(text, _PURPOSE) if sealing is not None else None
        if body is None:
            return None
        envelope = _decode(body)
    except (SealBroken, binascii.Error, msgspec.DecodeError, UnicodeError):
        return None
    state: dict[str, Any] = {}
    for block in envelope.b:
        state.update(block)
    return Sealed(envelope.p, envelope.m, state)


def _old_body(text: str) -> bytes:
    encoded = text[len(_OLD_PREFIX) :].encode("ascii")
    return base64.b64decode(encoded + b"=" * (-len(encoded) % 4), altchars=b"-_", validate=True)


@lru_cache(maxsize=128)
def sealer(model: str, sealing: Sealing) -> Callable[[dict[str, Any], str], str | None]:
    """Returns what seals the thinking of a chat upstream's model: its state and its text, None when there is neither.

    Structured details hold the text already, so that it is not kept twice.
    """

    def seal_thinking(state: dict[str, Any], text: str) -> str | None:
        if state.get("details"):
            return seal(FAMILY, model, state, sealing)
        if not text:
            return None
        return seal(FAMILY, model, {"field": state.get("field", "reasoning_content"), "text": text}, sealing)

    return seal_thinking
