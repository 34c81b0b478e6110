"""Reads a request's body: bounded as sent and as decoded, gzip, deflate and zstd undone, every fault a JSON error."""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from aiohttp import StreamReader, web

from ..errors import BadRequest, RequestTooLarge, UnsupportedMedia
from .known_request import KnownRequest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

IDLE_S = 60.0
"""How long the next piece of a body may take: whoever sends nothing must not hold a connection for ever."""

_STEP = 256 * 1024
_MAX_FRAMES = 1024
_SMALL = 16 * 1024  # far less than what aiohttp reads before it stops


class _Inflater(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


async def read_body(request: web.BaseRequest, max_bytes: int, idle_s: float) -> bytes:
    """Returns the decoded body.

    Raises RequestTooLarge over `max_bytes` (as sent or decoded), UnsupportedMedia for an unknown content type or
    coding, BadRequest for a body that is broken or cut, or of which nothing has come for `idle_s` (status 408).
    """
    _check_type(request)
    codings = _codings(request.headers.get("content-encoding", ""))
    if (request.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    if request.headers.get("expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        body = await _all(request.content, max_bytes, idle_s)
    except web.RequestPayloadError as error:
        raise BadRequest(f"The request body did not arrive whole: {error}", code="invalid_body") from None
    except TimeoutError:
        raise BadRequest(f"Nothing of the request body came for {idle_s:g} s.", code="timeout", status=408) from None
    return _decoded(body, codings, max_bytes)


def body_at_hand(request: web.BaseRequest, max_bytes: int) -> bytes | None:
    """Returns the decoded body where it has come with its head, so that nothing is to be waited for; else None.

    Raises like `read_body`.
    """
    if type(request) is KnownRequest:  # its head says nothing that is to be looked at
        if len(request.body) > max_bytes:
            raise _too_large(max_bytes)
        return request.body
    content = request.content
    if not content.is_eof() or content.exception() is not None:
        return None
    headers = request.headers
    if headers.get("content-type") != "application/json":
        _check_type(request)
    coded = headers.get("content-encoding")
    codings = _codings(coded) if coded else None
    body = _only_piece(content) or content.read_nowait()
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    return body if codings is None else _decoded(body, codings, max_bytes)


def _only_piece(content: StreamReader) -> bytes | None:
    """Returns a body that has come in one piece, and for which nobody has stopped reading.

    aiohttp's way to read it goes on to feed the parser nothing, which comes to as much as all else that is done here.
    """
    if type(content) is StreamReader and len(content._buffer) == 1 and content.total_bytes < _SMALL:
        return content._buffer.popleft()
    return None


def _decoded(body: bytes, codings: list[str], max_bytes: int) -> bytes:
    for coding in reversed(codings):
        body = _decode(coding, body, max_bytes)
    return body


async def _all(content: StreamReader, max_bytes: int, idle_s: float) -> bytes:
    if content.is_eof():  # it came with its head: there is nothing to wait for
        body = content.read_nowait()
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        return body
    now = asyncio.get_running_loop().time
    pieces: list[bytes] = []
    size = 0
    async with asyncio.timeout(idle_s) as limit:
        while piece := await content.readany():
            size += len(piece)
            if size > max_bytes:
                raise _too_large(max_bytes)
            pieces.append(piece)
            limit.reschedule(now() + idle_s)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _check_type(request: web.BaseRequest) -> None:
    """Refuses what says it is no JSON; a missing content type is taken for JSON, as curl's default is not."""
    said = request.headers.get("content-type")
    if said is None:
        return
    media = said.partition(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        raise UnsupportedMedia(f"Content type {media!r} is not served: send application/json.")


def _codings(header: str) -> list[str]:
    if not header:
        return []
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
    if coding == "zstd":
        new: Callable[[], _Inflater] = zstd.ZstdDecompressor
    elif coding == "deflate":
        new = partial(zlib.decompressobj, zlib.MAX_WBITS if _is_zlib(body) else -zlib.MAX_WBITS)
    else:
        new = partial(zlib.decompressobj, zlib.MAX_WBITS | 16)
    try:
        return _unpack(new, body, max_bytes)
    except (zlib.error, zstd.ZstdError, EOFError) as error:
        raise BadRequest(f"The request body is not valid {coding}: {error}", code="invalid_body") from None


def _is_zlib(body: bytes) -> bool:
    """Tells zlib's wrapping (RFC 1950) from raw deflate, which some clients send under the same name."""
    return len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0


def _unpack(new: Callable[[], _Inflater], body: bytes, max_bytes: int) -> bytes:
    """Returns the content of all frames, which may follow one another (RFC 8878, section 3; RFC 1952, section 2.2).

    Takes the body in slices: what is behind a frame is copied by the decoders, once a frame.
    """
    pieces: list[bytes] = []
    size = frames = 0
    inflater = None
    for start in range(0, len(body), _STEP):
        data = body[start : start + _STEP]
        while data:
            if inflater is None or inflater.eof:
                frames += 1
                if frames > _MAX_FRAMES:
                    raise EOFError(f"it has more than {_MAX_FRAMES} frames")
                inflater = new()
            for piece in _pieces(inflater, data):
                size += len(piece)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                pieces.append(piece)
            data = inflater.unused_data
    if inflater is None or not inflater.eof:
        raise EOFError("it ends too early")
    return b"".join(pieces)


def _pieces(inflater: _Inflater, data: bytes) -> Iterator[bytes]:
    """Yields what data adds to a frame, never much at a time."""
    while True:
        piece = inflater.decompress(data, _STEP)
        data = getattr(inflater, "unconsumed_tail", b"")  # zstd's decoder keeps the rest itself
        yield piece
        if inflater.eof or (not data and len(piece) < _STEP):
            return


def _too_large(max_bytes: int) -> RequestTooLarge:
    return RequestTooLarge(f"The request body is larger than {max_bytes} bytes (limits.body).")
