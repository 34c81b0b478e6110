"""A body on its way through a content coding: pieces out as fast as the reader takes them, and no faster. Sans-IO."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from ..errors import UpstreamCut, UpstreamError
from .client import OnData
from .codings import BodyDecoder, CodingError


class Reader(Protocol):
    """Who the body is for."""

    peer: str
    paused: bool

    def garbled(self, why: str) -> None:
        """What came cannot be decoded."""

    def end(self, error: UpstreamError | None) -> None:
        """All that came has been delivered."""


class DecodedBody:
    """Decodes what it is fed and hands it to `on_data`, piece by piece; holds it back while the reader is paused.

    What is held back stays coded: at most what was read from the connection before the pause took effect.
    """

    __slots__ = ("_backlog", "_decoder", "_end", "_on_data", "_pieces", "_reader", "_running")

    def __init__(self, decoder: BodyDecoder, on_data: OnData, reader: Reader) -> None:
        self._decoder = decoder
        self._on_data = on_data
        self._reader: Reader | None = reader
        self._backlog: deque[bytes] = deque()
        self._pieces: Iterator[bytes] | None = None
        self._end: tuple[UpstreamError | None] | None = None
        self._running = False

    def feed(self, data: bytes) -> None:
        """Takes coded bytes; delivers what they unfold to."""
        self._backlog.append(data)
        self.run()

    def end(self, error: UpstreamError | None) -> None:
        """Takes the end; passes it on once all before it is delivered."""
        self._end = (error,)
        self.run()

    def stop(self) -> None:
        """Delivers nothing more."""
        self._reader = None

    def run(self) -> None:
        """Delivers until nothing is left or the reader pauses."""
        if self._running:
            return
        self._running = True
        try:
            while self._reader is not None and not self._reader.paused and self._step(self._reader):
                pass
        except CodingError as error:
            if self._reader is not None:
                self._reader.garbled(str(error))
        finally:
            self._running = False

    def _step(self, reader: Reader) -> bool:
        """Takes one step; returns whether there may be another."""
        if self._pieces is not None:
            piece = next(self._pieces, None)
            if piece is None:
                self._pieces = None
            else:
                self._on_data(piece)
        elif self._backlog:
            self._pieces = self._decoder.feed(self._backlog.popleft())
        elif self._end is not None:
            (error,) = self._end
            if error is None and not self._decoder.finish():
                error = UpstreamCut(f"upstream {reader.peer}: the compressed body broke off")
            reader.end(error)
            return False
        else:
            return False
        return True
