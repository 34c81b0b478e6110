"""Entries as objects of the cold store: under which key, and in which form.

An object is JSON, compressed by zstd (with its checksum). Responses and items stand in it as they are, to the byte.
"""

from __future__ import annotations

import hashlib
import re
import sys
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import msgspec

from ..pricing.rates import written
from .store import Entry, StoreFailed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Content = Literal["full", "none"]

MOST_BYTES = 256 << 20
"""So much an object may hold; who can write to the bucket could otherwise fill the memory by a few bytes."""
_ENDING = ".json.zst"
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_OPTIONS: dict[int, int] = {zstd.CompressionParameter.compression_level: 3, zstd.CompressionParameter.checksum_flag: 1}


class _Object(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What an object says. `content` tells whether what was asked and answered is in it."""

    penstock: int = 1
    content: Content = "full"
    id: str
    owner: str
    created_at: float
    expires_at: float
    status: str
    model: str
    parent: str | None = None
    deployment: str | None = None
    cost: str | None = None
    response: msgspec.Raw
    input: list[msgspec.Raw] = []
    output: list[msgspec.Raw] = []


class _Record(msgspec.Struct, omit_defaults=True):
    """What a Response says without its content."""

    id: Any = None
    object: Any = None
    created_at: Any = None
    completed_at: Any = None
    status: Any = None
    model: Any = None
    usage: Any = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Object).decode
_decode_record = msgspec.json.Decoder(_Record).decode


def key_of(prefix: str, owner: str, id: str) -> str:
    """Returns the key of a response: `prefix/hash of the owner/id.json.zst`; the only place that makes keys.

    It needs nothing but what a request says, so that nothing has to be looked up or listed to read. An id that could
    stand for something else in a key is hashed.
    """
    whose = hashlib.sha256(owner.encode()).hexdigest()[:32]
    name = id if _PLAIN_ID.fullmatch(id) else "sha256=" + hashlib.sha256(id.encode()).hexdigest()
    return "/".join(part for part in (prefix.strip("/"), whose, name + _ENDING) if part)


def packed(entry: Entry, content: Content = "full") -> bytes:
    """Returns the object of an entry."""
    full = content == "full"
    made = _Object(
        content=content,
        id=entry.id,
        owner=entry.owner,
        created_at=entry.created_at,
        expires_at=entry.expires_at,
        status=entry.status,
        model=entry.model,
        parent=entry.parent,
        deployment=entry.deployment,
        cost=None if entry.cost is None else written(entry.cost),
        response=entry.response if full else msgspec.Raw(_encode(_decode_record(entry.response))),
        input=entry.input if full else [],
        output=entry.output if full else [],
    )
    return zstd.compress(_encode(made), options=_OPTIONS)


def _decompressed(data: bytes) -> bytes:
    """Returns what an object holds; raises ValueError for half of one, and for more than any response is."""
    reading = zstd.ZstdDecompressor()
    whole = reading.decompress(data, MOST_BYTES)
    if not reading.eof:
        raise ValueError(f"it is cut off, or has more than {MOST_BYTES >> 20} MiB")
    return whole


def unpacked(data: bytes, id: str, owner: str) -> Entry | None:
    """Returns the entry of an object; None when it has no content, or is not of that id and owner.

    Raises StoreFailed for what is no object of ours, or damaged.
    """
    try:
        made = _decode(_decompressed(data))
        cost = None if made.cost is None else Decimal(made.cost)
    except (zstd.ZstdError, msgspec.MsgspecError, InvalidOperation, ValueError) as error:
        raise StoreFailed(f'response "{id}" is damaged in the cold store: {error}') from None
    if made.penstock != 1:
        raise StoreFailed(f'response "{id}" was written to the cold store by a newer Penstock')
    if (made.id, made.owner) != (id, owner) or made.content != "full":
        return None
    return Entry(
        id=made.id,
        owner=made.owner,
        created_at=made.created_at,
        expires_at=made.expires_at,
        status=made.status,
        model=made.model,
        response=made.response,
        input=made.input,
        output=made.output,
        parent=made.parent,
        deployment=made.deployment,
        cost=cost,
    )
