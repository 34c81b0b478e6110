"""The ids of items that are kept as JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from ..api.responses.made_ids import response_of
from .store import Entry


class _Named(msgspec.Struct):
    id: str | None = None


_decode = msgspec.json.Decoder(_Named).decode
_MADE = re.compile(rb'\{"id":"([a-z]+_[0-9a-f]{52})",').match
"""How an item begins whose id names a response: what is behind it need not be read."""
_DIGITS = slice(len('{"id":"msg_'), len('{"id":"msg_') + 48)
"""Where that id has the digits of its response when it is that of a message. Nobody knows them before they are made."""


def item_id(item: bytes | msgspec.Raw) -> str | None:
    """Returns the id of an item; None when it has none, or is no object at all."""
    made = _MADE(item)
    if made is not None:
        return made[1].decode()
    try:
        return _decode(item).id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def named_items(entry: Entry) -> dict[str, msgspec.Raw]:
    """Returns the items of an entry by their ids; the last one where an id occurs twice."""
    return {id: item for item in (*entry.input, *entry.output) if (id := item_id(item)) is not None}


def listed_ids(response_id: str, items: Sequence[bytes]) -> list[str]:
    """Returns the ids of a response's items that a store must write down, to find the items by them.

    An id that names a response is not among them: its item is found through that response and through no other, even
    when it was sent again with a later one. Hot: once a response.
    """
    digits = response_id[5:].encode("utf-8", "replace")
    for item in items:
        if item[_DIGITS] != digits:
            break
    else:
        return []  # mostly all are messages that were made for this very response
    ids: dict[str, None] = {}
    for item in items:
        if item[_DIGITS] != digits and _MADE(item) is None:
            id = item_id(item)
            if id is not None and response_of(id) is None:
                ids[id] = None
    return list(ids)


def by_response(ids: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Parts ids of items: those that name a response, by its id, and the others."""
    made: dict[str, list[str]] = {}
    others: list[str] = []
    for id in ids:
        response = response_of(id)
        if response is None:
            others.append(id)
        else:
            made.setdefault(response, []).append(id)
    return made, others
