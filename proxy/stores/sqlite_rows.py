"""Entries as rows of the database, and back."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from .item_ids import item_ids
from .store import Entry, StoreFailed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COLUMNS = "seq, id, owner, finished, size, item_ids, created_at, expires_at, status, model, parent, deployment, body"
"""The order of columns wherever whole rows are read or written."""

_COMPRESS_FROM = 1024
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_OPTIONS: dict[int, int] = {zstd.CompressionParameter.compression_level: 1, zstd.CompressionParameter.checksum_flag: 1}

_encode = msgspec.json.Encoder().encode
_decode_ids = msgspec.json.Decoder(list[str | None]).decode
_decode_body = msgspec.json.Decoder(tuple[msgspec.Raw, list[msgspec.Raw], list[msgspec.Raw]]).decode


class Row(msgspec.Struct):
    """An entry ready to be written: its columns but for `seq`, and its items' ids without gaps and repetitions."""

    entry: Entry
    size: int
    values: tuple[Any, ...]
    ids: list[str]


class RowMaker:
    """Makes rows; for one thread alone."""

    def __init__(self) -> None:
        self._compressor = zstd.ZstdCompressor(options=_OPTIONS)

    def row(self, entry: Entry) -> Row:
        """Returns the row of an entry. A body of some length is compressed: level 1 of zstd takes half the time of
        zlib's, and reading half the pages makes up for it."""
        body = _encode((entry.response, entry.input, entry.output))
        if len(body) >= _COMPRESS_FROM:
            body = self._compressor.compress(body, self._compressor.FLUSH_FRAME)
        ids = item_ids(entry)
        size = entry.size
        values = (
            entry.id,
            entry.owner,
            entry.finished,
            size,
            _encode(ids),
            entry.created_at,
            entry.expires_at,
            entry.status,
            entry.model,
            entry.parent,
            entry.deployment,
            body,
        )
        return Row(entry, size, values, list(dict.fromkeys(id for id in ids if id is not None)))


def entry_of(row: tuple[Any, ...]) -> Entry:
    """Returns the entry of a row; raises StoreFailed when its body cannot be read."""
    _, id, owner, _, _, _, created_at, expires_at, status, model, parent, deployment, body = row
    try:
        json = zstd.decompress(body) if body[:4] == _ZSTD_MAGIC else body
        response, given, output = _decode_body(json)
    except (zstd.ZstdError, msgspec.MsgspecError, TypeError) as error:
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
    ).copy()


def ids_of(column: bytes) -> list[str]:
    """Returns the ids of items from their column, without gaps and repetitions."""
    return list(dict.fromkeys(id for id in _decode_ids(column) if id is not None))


def positions(column: bytes) -> dict[str, int]:
    """Returns where the items of an entry are, input and output in one row, by their ids."""
    return {id: position for position, id in enumerate(_decode_ids(column)) if id is not None}
