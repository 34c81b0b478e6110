"""Content codings of upstream bodies, undone piece by piece. Sans-IO.

A coded body may unfold to a thousand times its size, so nothing here decodes more than `PIECE` bytes at a time: the
caller draws the pieces one by one, and stops drawing when it has had enough.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE = 64 * 1024
"""The most bytes a decoder yields at a time."""

_WINDOW_LOG = 23
"""zstd windows of up to 8 MiB, the limit of RFC 9659 for content codings; larger ones would cost that much memory."""


class CodingError(Exception):
    """The body is not coded as its head says."""


class BodyDecoder(Protocol):
    """Undoes one coding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yields what `data` unfolds to, in pieces of at most `PIECE` bytes; raises CodingError.

        The iterator must be drawn to its end before the next call.
        """

    def finish(self) -> bool:
        """Returns whether the coded body is complete."""


def decoder_for(content_encoding: str | None) -> BodyDecoder | None:
    """Returns the decoder for a Content-Encoding header, or None where there is nothing to undo.

    Raises CodingError for a coding that is not known here, and for several of them one upon another.
    """
    if not content_encoding:
        return None
    names = [name for part in content_encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if not names:
        return None
    make = _DECODERS.get(names[0])
    if make is None or len(names) > 1:
        shown = ", ".join(names)[:60]
        raise CodingError(f'content-encoding "{shown}" is not known here (known: gzip, deflate, zstd)')
    return make()


class _Zlib:
    """gzip, or deflate with or without its zlib wrapper. gzip may consist of several members."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._inflate: Any = zlib.decompressobj(31) if gzip else None
        self._start = b""
        self._complete = False
        self._empty = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._empty = self._empty and not data
        if self._inflate is None:
            data = self._start + data
            if len(data) < 2:
                self._start = data
                return
            self._inflate = zlib.decompressobj(15 if _has_zlib_head(data) else -15)
        while data:
            if self._complete and not self._next_member(data):
                return
            piece = self._draw(data)
            data = self._inflate.unconsumed_tail
            if self._inflate.eof:
                self._complete = True
                data = self._inflate.unused_data
            if piece:
                yield piece
        yield from self._rest()

    def _rest(self) -> Iterator[bytes]:
        # All input may be taken in while output is still held back.
        while not self._complete:
            piece = self._draw(b"")
            self._complete = self._inflate.eof
            if not piece:
                return
            yield piece

    def _draw(self, data: bytes) -> bytes:
        try:
            piece: bytes = self._inflate.decompress(data, PIECE)
        except zlib.error:
            raise CodingError("the compressed body is damaged") from None
        return piece

    def _next_member(self, data: bytes) -> bool:
        """Returns whether another gzip member begins; zeros are padding."""
        if not data.strip(b"\0"):
            return False
        if not self._gzip:
            raise CodingError("bytes follow the end of the compressed body")
        self._inflate = zlib.decompressobj(31)
        self._complete = False
        return True

    def finish(self) -> bool:
        return self._complete or self._empty


class _Zstd:
    """zstd, of one frame or several."""

    def __init__(self) -> None:
        self._frame = self._fresh()
        self._complete = False
        self._empty = True

    @staticmethod
    def _fresh() -> zstd.ZstdDecompressor:
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._empty = self._empty and not data
        if self._complete and data:
            self._frame, self._complete = self._fresh(), False
        while not self._complete:
            try:
                piece = self._frame.decompress(data, PIECE)
            except zstd.ZstdError:
                raise CodingError("the compressed body is damaged") from None
            data = b""
            if piece:
                yield piece
            if self._frame.eof:
                data = self._frame.unused_data
                if data:
                    self._frame = self._fresh()
                else:
                    self._complete = True
            elif self._frame.needs_input:
                return

    def finish(self) -> bool:
        return self._complete or self._empty


def _has_zlib_head(data: bytes) -> bool:
    return data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


_DECODERS: dict[str, Callable[[], BodyDecoder]] = {
    "gzip": lambda: _Zlib(gzip=True),
    "x-gzip": lambda: _Zlib(gzip=True),
    "deflate": lambda: _Zlib(gzip=False),
    "zstd": _Zstd,
}
