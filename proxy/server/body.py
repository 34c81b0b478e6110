"""Reads a request's body: bounded as sent and as decoded, gzip, deflate and zstd undone, every fault a JSON error."""

from __future__ import annotations

import sys
import zlib
from typing import Protocol

from aiohttp import web

from ..errors import BadRequest, RequestTooLarge, UnsupportedMedia

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_STEP = 256 * 1024


class _Inflater(Protocol):
    eof: bool

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


async def read_body(request: web.BaseRequest, max_bytes: int) -> bytes:
    """Returns the decoded body.

    Raises RequestTooLarge over `max_bytes` (as sent or decoded), UnsupportedMedia for an unknown content type or
    coding, BadRequest for a body that is broken or cut.
    """
    _check_type(request)
    codings = _codings(request.headers.get("content-encoding", ""))
    if (request.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    pieces: list[bytes] = []
    size = 0
    try:
        while piece := await request.content.readany():
            size += len(piece)
            if size > max_bytes:
                raise _too_large(max_bytes)
            pieces.append(piece)
    except web.RequestPayloadError as error:
        raise BadRequest(f"The request body did not arrive whole: {error}", code="invalid_body") from None
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    for coding in reversed(codings):
        body = _decode(coding, body, max_bytes)
    return body


def _check_type(request: web.BaseRequest) -> None:
    """Refuses what says it is no JSON; a missing content type is taken for JSON, as curl's default is not."""
    said = request.headers.get("content-type")
    if said is None:
        return
    media = said.partition(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        raise UnsupportedMedia(f"Content type {media!r} is not served: send application/json.")


def _codings(header: str) -> list[str]:
    codings = [one.strip().lower() for one in header.split(",") if one.strip()]
    for coding in codings:
        if coding not in ("identity", "gzip", "x-gzip", "deflate", "zstd"):
            raise UnsupportedMedia(
                f"Content encoding {coding!r} is not served: send gzip, deflate, zstd or none.",
                code="unsupported_content_encoding",
            )
    if len(codings) > 3:
        raise UnsupportedMedia("More than three content encodings are not served.", code="unsupported_content_encoding")
    return codings


def _decode(coding: str, body: bytes, max_bytes: int) -> bytes:
    if coding == "identity" or not body:
        return body
    try:
        if coding == "deflate" and not _is_zlib(body):
            return _inflate(zlib.decompressobj(-zlib.MAX_WBITS), body, max_bytes)
        if coding == "zstd":
            return _unzstd(body, max_bytes)
        return _inflate(zlib.decompressobj(zlib.MAX_WBITS | (0 if coding == "deflate" else 16)), body, max_bytes)
    except (zlib.error, zstd.ZstdError, EOFError) as error:
        raise BadRequest(f"The request body is not valid {coding}: {error}", code="invalid_body") from None


def _is_zlib(body: bytes) -> bool:
    """Tells zlib's wrapping (RFC 1950) from raw deflate, which some clients send under the same name."""
    return len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0


def _inflate(inflater: zlib._Decompress, body: bytes, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while body and not inflater.eof:
        piece = inflater.decompress(body, _STEP)
        body = inflater.unconsumed_tail
        size += len(piece)
        if size > max_bytes:
            raise _too_large(max_bytes)
        pieces.append(piece)
    while not inflater.eof:
        piece = inflater.decompress(inflater.unconsumed_tail, _STEP)
        size += len(piece)
        if size > max_bytes:
            raise _too_large(max_bytes)
        if not piece:
            raise EOFError("it ends too early")
        pieces.append(piece)
    return b"".join(pieces)


def _unzstd(body: bytes, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while body:  # frames may follow one another (RFC 8878, section 3)
        inflater = zstd.ZstdDecompressor()
        data = body
        while not inflater.eof:
            piece = inflater.decompress(data, _STEP)
            data = b""
            size += len(piece)
            if size > max_bytes:
                raise _too_large(max_bytes)
            pieces.append(piece)
            if not piece and inflater.needs_input and not inflater.eof:
                raise EOFError("it ends too early")
        body = inflater.unused_data
    return b"".join(pieces)


def _too_large(max_bytes: int) -> RequestTooLarge:
    return RequestTooLarge(f"The request body is larger than {max_bytes} bytes (limits.body).")
