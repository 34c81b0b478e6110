"""The ids of items that are kept as JSON."""

from __future__ import annotations

import msgspec

from .store import Entry


class _Named(msgspec.Struct):
    id: str | None = None


_decode = msgspec.json.Decoder(_Named).decode


def item_id(item: msgspec.Raw) -> str | None:
    """Returns the id of an item; None when it has none, or is no object at all."""
    try:
        return _decode(item).id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def item_ids(entry: Entry) -> list[str | None]:
    """Returns the ids of an entry's items, in their order: first the input's, then the output's."""
    return [item_id(item) for item in entry.input] + [item_id(item) for item in entry.output]


def named_items(entry: Entry) -> dict[str, msgspec.Raw]:
    """Returns the items of an entry by their ids; the last one where an id occurs twice."""
    items = zip(item_ids(entry), entry.input + entry.output, strict=True)
    return {id: item for id, item in items if id is not None}
