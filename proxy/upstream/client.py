"""The narrow interface between the engine and whatever carries bytes to an upstream.

Body bytes come by callback, in the turn of the event loop in which they arrive: no queue, no task, no await per read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

import msgspec

from ..errors import UpstreamError

OnData = Callable[[bytes], None]
OnEnd = Callable[[UpstreamError | None], None]


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Separate limits of one attempt, in seconds; None is no limit.

    `connect`: name resolution, TCP and TLS. `pool`: waiting for a free connection. `first_byte`: from the request's
    last byte to the answer's head. `idle`: between two reads of the body (SSE comments count as life). `total`: the
    whole attempt. (`first_token` is the pump's: only it knows what a token is.)
    """

    connect: float | None = 5.0
    pool: float | None = 30.0
    first_byte: float | None = 300.0
    first_token: float | None = None
    idle: float | None = 120.0
    total: float | None = None


class Upload(msgspec.Struct):
    """A body that comes piece by piece, `length` bytes in all; None where only its end tells. It can be sent once.

    What `pieces` raises ends the request, and is what its sender gets.
    """

    pieces: AsyncIterator[bytes]
    length: int | None = None


class UpstreamRequest(msgspec.Struct, kw_only=True):
    """One HTTP request to an upstream. `headers` hold neither Host nor Content-Length; names are lower case.

    Where there is an `upload` it is the body. `forgotten` is the length of a body that was let go of.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""
    upload: Upload | None = None
    forgotten: int = 0

    @property
    def size(self) -> int:
        """How many bytes its body has, or had."""
        return self.forgotten + len(self.body)

    def forgetful(self) -> UpstreamRequest:
        """Returns what is left of it when it was sent and will not be sent again."""
        return UpstreamRequest(method=self.method, url="", headers={}, forgotten=self.size)


class Taker(Protocol):
    """What may take reads of a streamed answer out of a connection's hands."""

    def take(self, read: bytes) -> float:
        """Takes a read that came where a chunk may begin, its frame included, if it is one whole chunk of a known kind.

        Returns when that was, by the loop's clock; 0.0 if it was not taken, and nothing has happened. Hot: once a read.
        """


class UpstreamResponse(Protocol):
    """The head of an upstream's answer, and the way to its body.

    Exactly one of `stream` and `read` is used, or neither where the body was `at_hand`. Whoever got the response must
    end it: by letting the body run to its end, by `release`, or by `close`; all three are safe to call again.
    """

    status: int
    headers: dict[str, str]
    """Names in lower case; repeated ones joined by a comma and a space."""

    def stream(self, on_data: OnData, on_end: OnEnd) -> None:
        """Delivers the decoded body: `on_data` for each read (never empty), then `on_end` once.

        `on_end(None)` when the body ended as HTTP says it should, else with what went wrong (UpstreamCut,
        UpstreamTimeout, UpstreamGarbled). Neither is called after `close` or `release`. What had come before this call
        is delivered within it, so `on_end` may run before it returns.
        """

    def offer_to(self, shortcut: Taker) -> None:
        """Offers pieces of the body to a shortcut before anybody else sees them, where that saves something.

        It is asked only for pieces that came whole and by themselves; what it does not take goes to `on_data`. To be
        called within an `on_data`; it holds for the rest of the body.
        """

    def at_hand(self, max_bytes: int) -> bytes | None:
        """Returns what `read` would, where it need not be awaited: short answers come with their head. Else None."""

    async def read(self, max_bytes: int) -> bytes:
        """Returns the whole decoded body; raises UpstreamError when it is cut, late or larger than `max_bytes`."""

    def pause(self) -> None:
        """Stops reading from the upstream, so that it is slowed down; `idle` does not run while paused."""

    def resume(self) -> None:
        """Goes on reading."""

    def limit_idle(self, seconds: float | None) -> None:
        """Changes the limit between two reads, from now on."""

    def release(self) -> None:
        """Says that no more is wanted: the connection is kept if the body ends at once, else closed."""

    def close(self) -> None:
        """Closes the connection now, so that the upstream stops working."""


class UpstreamClient(Protocol):
    """Sends requests to upstreams."""

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamResponse:
        """Sends a request and returns the head of the answer, whatever its status.

        Raises UpstreamUnreachable, UpstreamTimeout, UpstreamCut or UpstreamGarbled. When it is cancelled, the
        connection it used is closed at once.
        """

    async def close(self) -> None:
        """Closes all connections."""
