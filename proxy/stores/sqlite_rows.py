"""Entries as rows of the database, and back."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from ..pricing.rates import written
from .item_ids import listed_ids
from .store import UNFINISHED, Entry, StoreFailed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COLUMNS = (
    "seq, id, owner, finished, size, item_ids, created_at, expires_at, status, model, parent, deployment, "
    "cost, holder, body"
)
"""The order of columns wherever whole rows are read or written."""

_COMPRESS_FROM = 64 * 1024
"""Compressing takes some 2 us a kilobyte of text and saves 60 % of it; writing takes 2 us a kilobyte, all in all."""
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_OPTIONS: dict[int, int] = {zstd.CompressionParameter.compression_level: 1, zstd.CompressionParameter.checksum_flag: 1}
_OUTPUT = b'"output":['
_EMPTY = bytearray()

_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode
_decode_ids = msgspec.json.Decoder(list[str | None]).decode
_unpack = msgspec.msgpack.Decoder(tuple[bytes, bytes | None, list[bytes], list[bytes]]).decode
_decode_old_body = msgspec.json.Decoder(tuple[msgspec.Raw, list[msgspec.Raw], list[msgspec.Raw]]).decode


class Row(msgspec.Struct):
    """An entry ready to be written: its columns but for `seq`, the ids to be written down, and its log.

    `seq` is its number, once it has been written.
    """

    entry: Entry
    size: int
    values: tuple[Any, ...]
    ids: list[str]
    log: bytes
    log_until: float
    seq: int = 0


class RowMaker:
    """Makes rows; for one thread alone."""

    def __init__(self) -> None:
        self._compressor = zstd.ZstdCompressor(options=_OPTIONS)

    def row(self, entry: Entry, size: int, holder: str | None = None) -> Row:
        """Returns the row of an entry of that size, and takes the log out of it. `holder` is who works on it.

        Only a very long body is compressed: that takes longer than writing it as it is, and saves but space.
        """
        given, output = _as_bytes(entry.input), _as_bytes(entry.output)
        packed = _packed(b"".join((entry.response,)), given, output)
        if len(packed) < _COMPRESS_FROM:
            body = _EMPTY.join((packed, zlib.crc32(packed).to_bytes(4, "big")))
        else:
            body = bytearray(self._compressor.compress(packed, self._compressor.FLUSH_FRAME))
        ids = listed_ids(entry.id, given + output)
        log, log_until = entry.log, entry.log_until
        entry.log, entry.log_until = b"", 0.0
        # sqlite3 asks all but exact numbers, texts and bytearrays how they want to be written, which takes 0.4 us each
        values = (
            entry.id,
            entry.owner,
            0 if entry.status in UNFINISHED else 1,
            size,
            _encode(ids) if ids else "",
            entry.created_at,
            entry.expires_at,
            entry.status,
            entry.model,
            entry.parent,
            entry.deployment,
            None if entry.cost is None else written(entry.cost),
            holder,
            body,
        )
        return Row(entry, size, values, ids, log, log_until)


def entry_of(row: tuple[Any, ...]) -> Entry:
    """Returns the entry of a row; raises StoreFailed when its body cannot be read."""
    _, id, owner, _, _, _, created_at, expires_at, status, model, parent, deployment, cost, _, body = row
    try:
        response, given, output = _unpacked(_checked(body))
        dollars = None if cost is None else Decimal(cost)
    except (zstd.ZstdError, msgspec.MsgspecError, InvalidOperation, TypeError, ValueError) as error:
        raise StoreFailed(f'response "{id}" is damaged in the database: {error}') from None
    return Entry(
        id=id,
        owner=owner,
        created_at=created_at,
        expires_at=expires_at,
        status=status,
        model=model,
        response=response,
        input=given,
        output=output,
        parent=parent,
        deployment=deployment,
        cost=dollars,
    )


def ids_of(column: bytes | str) -> list[str]:
    """Returns the ids that were written down of an entry's items, from their column."""
    if not column:
        return []
    return list(dict.fromkeys(id for id in _decode_ids(column) if id is not None))


def _as_bytes(items: list[msgspec.Raw]) -> list[bytes]:
    """Returns items as bytes. Mostly there is one; join() gives it in half the time of bytes()."""
    return [b"".join(items)] if len(items) == 1 else list(map(bytes, items))


def _packed(response: bytes, given: list[bytes], output: list[bytes]) -> bytes:
    """Returns the body: the Response in front of and behind its output, the input, the output.

    A Response mostly has the very output items that are kept, which then need not stand there twice; where it has not
    (it hides what is sealed), it is in one piece.
    """
    joined = b",".join(output)
    at = response.find(_OUTPUT) if joined else -1
    while at >= 0:
        at += len(_OUTPUT)
        if response.startswith(joined, at):
            return _pack((response[:at], response[at + len(joined) :], given, output))
        at = response.find(_OUTPUT, at)
    return _pack((response, None, given, output))


def _checked(body: bytes) -> bytes:
    """Returns a body as it was packed; raises ZstdError or ValueError when it is another now."""
    if body[:4] == _ZSTD_MAGIC:
        return zstd.decompress(body)
    if body[:1] == b"[":
        return body
    packed, crc = body[:-4], body[-4:]
    if zlib.crc32(packed).to_bytes(4, "big") != crc:
        raise ValueError("its checksum is wrong")
    return packed


def _unpacked(body: bytes) -> tuple[msgspec.Raw, list[msgspec.Raw], list[msgspec.Raw]]:
    """Returns Response, input and output; version 1 of the file has them as JSON."""
    if body[:1] == b"[":
        response, given, output = _decode_old_body(body)
        return response.copy(), _copied(given), _copied(output)
    front, behind, packed, items = _unpack(body)
    if behind is not None:
        front = b"".join((front, b",".join(items), behind))
    return msgspec.Raw(front), list(map(msgspec.Raw, packed)), list(map(msgspec.Raw, items))


def _copied(items: Sequence[msgspec.Raw]) -> list[msgspec.Raw]:
    return [item.copy() for item in items]
