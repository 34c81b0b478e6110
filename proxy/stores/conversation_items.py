"""Items of conversations: each has an id that no other one of its conversation has."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from .store import StoreFailed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_COMPRESS_FROM = 1024
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_OPTIONS: dict[int, int] = {zstd.CompressionParameter.compression_level: 1, zstd.CompressionParameter.checksum_flag: 1}
_PREFIXES = {
    "compaction": "cmp",
    "custom_tool_call": "ctc",
    "function_call": "fc",
    "message": "msg",
    "reasoning": "rs",
}


class _Kind(msgspec.Struct):
    """What is read of an item. Clients may write null for what they leave out, and anything as `status`."""

    type: str | None = None
    id: str | None = None
    status: Any = None
    call_id: str | None = None


_decode_kind = msgspec.json.Decoder(_Kind).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def named(items: Iterable[msgspec.Raw], is_taken: Callable[[str], bool]) -> list[tuple[str, msgspec.Raw]]:
    """Returns items with their ids. One gets a new id, and says its type, when it has none or one that is taken."""
    given: set[str] = set()
    result = []
    for item in items:
        kind = _decode_kind(item)
        id = kind.id
        if not id or id in given or is_taken(id):
            type = kind.type or "message"
            id = f"{_PREFIXES.get(type, 'item')}_{secrets.token_hex(24)}"
            item = msgspec.Raw(msgspec.json.encode({**_decode_fields(item), "id": id, "type": type}))
        given.add(id)
        result.append((id, item))
    return result


def answerable(items: list[msgspec.Raw]) -> list[msgspec.Raw]:
    """Returns items without calls that were cut and that nothing has answered: nobody can answer them any more."""
    if not any(b'"incomplete"' in bytes(item) for item in items):
        return items
    kinds = [_decode_kind(item) for item in items]
    answered = {kind.call_id for kind in kinds if (kind.type or "").endswith("_output")}
    return [
        item
        for item, kind in zip(items, kinds, strict=True)
        if kind.status != "incomplete" or kind.call_id is None or kind.call_id in answered
    ]


def packed(item: msgspec.Raw) -> bytes:
    """Returns an item as it is written: compressed where that is worth it."""
    if len(item) < _COMPRESS_FROM:
        return bytes(item)
    return zstd.compress(bytes(item), options=_OPTIONS)


def unpacked(id: str, body: bytes) -> msgspec.Raw:
    """Returns the item that was written; raises StoreFailed when that cannot be read."""
    if body[:4] != _ZSTD_MAGIC:
        return msgspec.Raw(body)
    try:
        return msgspec.Raw(zstd.decompress(body))
    except zstd.ZstdError as error:
        raise StoreFailed(f'item "{id}" of a conversation is damaged in the database: {error}') from None
