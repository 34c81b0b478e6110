"""Keeps silent streams alive: a comment every so often, so that no hop in between takes the silence for death.

One timer serves all streams of a worker. A stream counts the beats since its last write; a comment goes out between
`interval_s` and a third more of silence.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

_BEATS = 3
_COMMENT = b": keep-alive\n\n"


class Stream(Protocol):
    """What the keep-alive needs of a stream."""

    quiet: int

    @property
    def paused(self) -> bool:
        """True while the client does not read."""

    def write(self, data: bytes) -> None:
        """Sends bytes."""


class KeepAlive:
    """Watches the open streams of one worker. `interval_s` 0 sends no comments."""

    def __init__(self, interval_s: float) -> None:
        self._beat_s = interval_s / _BEATS
        self._streams: set[Stream] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, stream: Stream) -> None:
        """Begins to watch a stream."""
        if not self._beat_s:
            return
        self._streams.add(stream)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._beat_s, self._beat)

    def discard(self, stream: Stream) -> None:
        """Stops watching a stream."""
        self._streams.discard(stream)

    def close(self) -> None:
        """Stops the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        self._timer = None
        for stream in tuple(self._streams):
            if stream.paused:
                continue
            stream.quiet += 1
            if stream.quiet > _BEATS:
                stream.write(_COMMENT)
        if self._streams:
            self._timer = asyncio.get_running_loop().call_later(self._beat_s, self._beat)
