"""Ids of items that name the response they came with.

A store finds such an item through its response: it need not write down where each item is. OpenAI's own ids have part
of their response's id in them, too.
"""

from __future__ import annotations

import re
import secrets

FIRST_INPUT = 0x8000
"""Where the numbers of input items begin; those of output items begin at 0."""
_LAST = 0xFFFF
_LENGTH = len("resp_") + 48

_RESPONSE = re.compile(r"resp_([0-9a-f]{48})")
_ITEM = re.compile(r"[a-z]+_([0-9a-f]{48})[0-9a-f]{4}")


def made_id(response_id: str, prefix: str, number: int) -> str:
    """Returns the id of an item of a response, `prefix` being that of its type: `msg`, `rs`, `fc`.

    It is any fresh id where it cannot name the response: for a response whose id is not Penstock's, and for items
    without number.
    """
    response = _RESPONSE.fullmatch(response_id)
    if response is None or not 0 <= number <= _LAST:
        return f"{prefix}_{secrets.token_hex(24)}"
    return f"{prefix}_{response[1]}{number.to_bytes(2, 'big').hex()}"


def first_id(response_id: str, prefix: str) -> str:
    """Returns `made_id` of an item with the number 0, in one step where the response's id is one that was made here."""
    return f"{prefix}_{response_id[5:]}0000" if len(response_id) == _LENGTH else made_id(response_id, prefix, 0)


def response_of(item_id: str) -> str | None:
    """Returns the id of the response that an item came with; None when its id does not tell."""
    item = _ITEM.fullmatch(item_id)
    return None if item is None else "resp_" + item[1]
