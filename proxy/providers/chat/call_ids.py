"""Ids of tool calls in the form an upstream demands."""

from __future__ import annotations

import hashlib
import re

from .profile import ToolCallIds

_NINE = re.compile(r"[A-Za-z0-9]{9}")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def upstream_call_id(call_id: str, form: ToolCallIds) -> str:
    """Returns the id for the upstream; the same id gives the same one in every request.

    `nine` is Mistral's rule: exactly nine of `[A-Za-z0-9]`. Ids that it made itself pass through.
    """
    if form == "any" or _NINE.fullmatch(call_id):
        return call_id
    number = int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:8], "big")
    digits: list[str] = []
    for _ in range(9):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(digits)
