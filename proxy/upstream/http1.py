"""One HTTP/1.1 connection to an upstream: an asyncio protocol that hands body bytes on in the turn they arrive.

The life of a connection is: opened by `connect`, then any number of exchanges, one at a time, each begun by `send`; in
between it is idle and belongs to its owner (the pool), to whom it returns by `give_back`. It ends once, by `lost`.

An exchange ends in one of four ways: the answer is complete (`_conclude`), something went wrong (`_fail`), the reader
has had enough (`let_go`), or the reader closes it (`abort`). Only the first keeps the connection, and only if the
answer allows it, the request was sent whole, and no byte followed the answer.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from contextlib import suppress
from typing import Protocol, cast

from ..chunks import body_of
from ..errors import TimeoutPhase, UpstreamCut, UpstreamError, UpstreamGarbled, UpstreamTimeout, UpstreamUnreachable
from .answer import FAULTS, MAX_HEAD, Answer, fault_of
from .client import OnData, Timeouts, Upload
from .connect import cause_of
from .deadlines import Deadlines
from .pouring import Pouring
from .receiver import Receiver
from .response import DRAIN_BYTES, DRAIN_SECONDS, Response, discard

SLICE = 64 * 1024
"""Bytes of a request body that are handed to the transport at a time."""

LAST_READS = 4
"""Reads of up to `SLICE` bytes from a connection whose upstream has reset it."""

_SAID = {
    "first_byte": "did not begin to answer within",
    "idle": "sent nothing for",
    "total": "did not finish its answer within",
}


_LET_GO: dict[str, str] = {}
"""What an answer has in the place of its headers when its reader has them."""


class Owner(Protocol):
    """To whom connections belong."""

    def give_back(self, connection: Http1Connection) -> None:
        """An exchange has ended and the connection can be used again."""

    def lost(self, connection: Http1Connection) -> None:
        """The connection is closed. Called once for each connection."""


class Http1Connection(Receiver, asyncio.Protocol):
    """One connection. `fresh` until its first exchange has ended; `idle_since` and `idle_limit` are for the owner."""

    __slots__ = (
        "_answer",
        "_answers",
        "_discarded",
        "_feed",
        "_head",
        "_head_came",
        "_idle_timeout",
        "_loop",
        "_now",
        "_owner",
        "_paused",
        "_pieces",
        "_pouring",
        "_response",
        "_reusable",
        "_silent",
        "_transport",
        "_unsent",
        "_write_paused",
        "closed",
        "deadlines",
        "fresh",
        "idle_limit",
        "idle_since",
        "peer",
        "sink",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner, peer: str) -> None:
        super().__init__()
        self.deadlines = Deadlines(loop, self._late, self)
        self.peer = peer
        self.closed = False
        self.fresh = True
        self.idle_since = 0.0
        self.idle_limit: float | None = None
        self.sink: OnData = discard
        self._loop = loop
        self._now = loop.time
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._answers: Answer | None = None  # reads one after the other
        self._answer: Answer | None = None  # the same, while one is awaited
        self._response: Response | None = None
        self._head: asyncio.Future[Response] | None = None
        self._head_came = False  # in the read that is being taken
        self._unsent: memoryview | None = None
        self._pouring: Pouring | None = None
        self._idle_timeout: float | None = None
        self._paused = False
        self._reusable = True
        self._write_paused = False
        self._silent = 0
        self._discarded = 0

    # Sending

    async def send(
        self, head: bytes, body: bytes, timeouts: Timeouts, total_at: float, upload: Upload | None = None
    ) -> Response:
        """Sends a request and returns the head of the answer; closes the connection when it raises.

        Raises UpstreamCut, UpstreamGarbled, UpstreamTimeout, or UpstreamUnreachable for a refusal within TLS; and what
        an upload raises.
        """
        waiter = self.begin(head, body, timeouts, total_at, upload)
        try:
            return await waiter
        except BaseException:
            self.leave(waiter)
            raise

    def begin(
        self, head: bytes, body: bytes, timeouts: Timeouts, total_at: float, upload: Upload | None = None
    ) -> asyncio.Future[Response]:
        """Sends a request; what it returns gets the head of the answer. Who waits for it in vain must `leave`."""
        transport = self._transport
        if self.closed or transport is None:
            raise UpstreamCut(f"upstream {self.peer} closed the connection", before_bytes=True)
        answer = self._answers
        if answer is None:
            answer = self._answers = Answer(self._got_head)
            self._feed, self._pieces = answer.feed, answer.pieces
        else:
            answer.begin()
        self._answer = answer
        self._silent = 0
        self._idle_timeout = timeouts.idle
        waiter: asyncio.Future[Response] = self._loop.create_future()
        self._head = waiter
        self.deadlines.start("first_byte", timeouts.first_byte, timeouts.total, total_at)
        try:
            if upload is not None:
                transport.write(head)
                self.deadlines.pause()  # who is waited for is the source
                self._pouring = Pouring(upload, self._put, self._poured)
            elif len(body) <= SLICE:
                transport.write(head + body)
            else:
                transport.write(head)
                self._unsent = memoryview(body)
                self._send_more()
        except BaseException:
            self.leave(waiter)
            raise
        return waiter

    def leave(self, waiter: asyncio.Future[Response]) -> None:
        """Closes the connection for one who waits no longer."""
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            # the head has come in the very turn of the cancellation: by now the connection may be another's
            waiter.result().close()
        else:
            waiter.cancel()
            if self._head is waiter:
                self.abort()

    def _send_more(self) -> None:
        """Writes of a large body what the transport takes."""
        unsent, transport = self._unsent, self._transport
        if unsent is None or transport is None:
            return
        while unsent is not None and not self._write_paused and not transport.is_closing():
            transport.write(unsent[:SLICE])
            unsent = self._unsent = unsent[SLICE:] if len(unsent) > SLICE else None

    def _put(self, data: bytes) -> None:
        """Writes a piece of an upload."""
        if self._transport is not None:
            self._transport.write(data)

    def _poured(self, error: Exception | None) -> None:
        """The upload has been handed over whole, or could not be."""
        self._pouring = None
        if error is not None:
            self._give_up(error)
        elif self._response is None:
            self.deadlines.resume()

    def pause_writing(self) -> None:
        """Transport's call: the upstream does not keep up with the request body."""
        self._write_paused = True
        if self._pouring is not None:
            self._pouring.hold()
            if self._response is None:
                self.deadlines.resume()

    def resume_writing(self) -> None:
        """Transport's call: the upstream has taken some of it, which is a sign of life."""
        self._write_paused = False
        self.deadlines.last = self._now()
        self._send_more()
        if self._pouring is not None:
            self._pouring.go()
            if self._response is None:
                self.deadlines.pause()

    # Receiving

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Transport's call: the connection, with TLS if any, stands."""
        self._transport = cast(asyncio.Transport, transport)

    def read(self, data: bytes) -> None:
        """Takes a read that no shortcut has taken; one call of the sink for all the body bytes in it."""
        answer = self._answer
        if answer is None:
            self.abort()  # nobody asked: an idle connection that speaks is not to be trusted
            return
        fault = None
        try:
            self._feed(data)
        except FAULTS as error:
            fault = error
        if self._head_came:
            self._head_came = False
            if not answer.complete:  # what has come whole has nothing left to be late with
                self.deadlines.resume()
                self.deadlines.enter("idle", self._idle_timeout)
        pieces = self._pieces
        if pieces:
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            self._silent = 0
            self.deadlines.last = self._now()
            self.sink(body)
            if self.shortcut is not None:
                self.between = body_of(data) == body
        else:
            self._no_body(len(data))
        if answer.complete:
            self._conclude(answer)
        elif fault is not None:
            self._garbled(fault_of(fault))

    def _no_body(self, size: int) -> None:
        """A read without a body byte: a part of the head, of a chunk's frame, of the trailers."""
        self._silent += size
        if self._response is not None:
            self.deadlines.last = self._now()
        if self._silent > MAX_HEAD and self._answer is not None and not self._answer.complete:
            what = "its head" if self._answer.status == 0 else "what it sent between two pieces of the body"
            self._garbled(f"{what} is larger than {MAX_HEAD} bytes")

    def _got_head(self) -> None:
        """Parser's call, within `feed`: status and headers are there."""
        answer, waiter = self._answer, self._head
        assert answer is not None
        assert waiter is not None
        if (self._unsent is not None or self._pouring is not None) and answer.status >= 400:
            # RFC 9112, 9.3: an early answer that is an error says that the rest is not wanted.
            self._stop_sending()
            self._reusable = False
        headers, answer.headers = answer.headers, _LET_GO
        self.idle_limit = _keep_alive_s(headers.get("keep-alive"))
        self._response = Response(answer.status, headers, self, self.peer)
        self._head_came = True
        if not waiter.done():
            waiter.set_result(self._response)

    def _conclude(self, answer: Answer) -> None:
        """The answer is complete: the connection is free for the next one, or closed, before its reader hears of it."""
        if self._answer is not answer:
            return  # closed by its reader just now
        response = self._response
        reusable = self._is_sent() and answer.keep_alive and not answer.surplus
        self._rest()
        if reusable:
            self.fresh = False
            self._owner.give_back(self)
        else:
            self._shut()
        if response is not None:
            response.finish(None)

    def _is_sent(self) -> bool:
        """Returns whether the request has gone out whole, so that another may follow it."""
        if self._pouring is not None:
            return False
        transport = self._transport  # while there is more to hand over, it holds some back
        return self._reusable and transport is not None and not transport.get_write_buffer_size()

    def _rest(self) -> None:
        """Forgets the exchange."""
        self._answer = self._response = self._head = None
        if self._unsent is not None or self._pouring is not None:
            self._stop_sending()
        self.deadlines.rest()
        self.sink, self.shortcut, self.between = discard, None, False
        if self._paused:
            self.resume()

    def _stop_sending(self) -> None:
        self._unsent = None
        if self._pouring is not None:
            self._pouring.stop()
            self._pouring = None

    # The reader's side

    def pause(self) -> None:
        """Stops reading from the socket; the idle limit stands still."""
        if not self._paused and not self.closed and self._transport is not None:
            self._paused = True
            self.deadlines.pause()
            self._transport.pause_reading()

    def resume(self) -> None:
        """Goes on reading from the socket."""
        if self._paused and not self.closed and self._transport is not None:
            self._paused = False
            self.deadlines.resume()
            self._transport.resume_reading()

    def limit_idle(self, seconds: float | None) -> None:
        """Changes the limit between two reads, from now on."""
        if not self.closed:
            self.deadlines.enter("idle", seconds)

    def let_go(self) -> None:
        """The reader wants no more: reads on for a moment, so that the connection can be kept."""
        answer = self._answer
        self._response = None
        if answer is None or answer.complete:
            return
        if not (answer.keep_alive and self._is_sent()):
            self.abort()
            return
        self._discarded = 0
        self.sink = self._discard
        self.resume()
        self.deadlines.start("drain", None, DRAIN_SECONDS, self._now() + DRAIN_SECONDS)

    def _discard(self, data: bytes) -> None:
        self._discarded += len(data)
        if self._discarded > DRAIN_BYTES:
            self.abort()

    def abort(self) -> None:
        """Closes the connection at once, without a word to the reader; an unsent rest of the request is dropped."""
        self._response = None
        waiter = self._head
        self._shut()
        if waiter is not None and not waiter.done():
            waiter.set_exception(UpstreamCut(f"the connection to upstream {self.peer} was closed"))

    def fail(self, error: UpstreamError) -> None:
        """Closes the connection at once and tells the reader why."""
        waiter, response = self._head, self._response
        self._shut()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        elif response is not None:
            response.finish(error)

    def _give_up(self, error: Exception) -> None:
        """Closes the connection at once because the rest of the request will not come."""
        waiter = self._head
        if waiter is not None and not waiter.done():
            self._shut()
            waiter.set_exception(error)
        else:
            self.fail(UpstreamCut(f"the request to upstream {self.peer} broke off"))

    def _shut(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._rest()
        if self._answers is not None:
            self._answers.forget()
            self._answers = None
            del self._feed, self._pieces
        self.deadlines.close()
        if self._transport is not None:
            self._transport.abort()
        self._owner.lost(self)

    # What goes wrong

    def _garbled(self, why: str) -> None:
        self.fail(UpstreamGarbled(f"upstream {self.peer} sent what cannot be read: {why}"))

    def _late(self, phase: str, limit: float) -> None:
        message = f"upstream {self.peer} {_SAID[phase]} {limit:g} s"
        self.fail(UpstreamTimeout(message, phase=cast(TimeoutPhase, phase)))

    def eof_received(self) -> bool:
        """Transport's call: the upstream sends no more. Closes at once; nothing is left to wait for."""
        self._ended(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Transport's call: the connection is gone."""
        self._ended(exc)

    def _ended(self, exc: Exception | None) -> None:
        if isinstance(exc, OSError) and self._answer is not None:
            self._hear_last_words(self._answer)
        if self.closed:
            return
        answer = self._answer
        if answer is None:
            self._shut()
        elif answer.until_close and exc is None:
            response = self._response
            self._shut()
            if response is not None:
                response.finish(None)
        elif answer.status:
            self.fail(UpstreamCut(f"upstream {self.peer} closed the connection before its answer was complete"))
        elif isinstance(exc, ssl.SSLError) and self.fresh and not self._silent:
            # With TLS 1.3 an upstream says only now that it does not take our certificate.
            self.fail(UpstreamUnreachable(f"upstream {self.peer} cannot be reached: {cause_of(exc)}"))
        else:
            what = "in the middle of its head" if self._silent else "without an answer"
            error = UpstreamCut(f"upstream {self.peer} closed the connection {what}", before_bytes=not self._silent)
            self.fail(error)

    def _hear_last_words(self, answer: Answer) -> None:
        """Reads what the upstream said before it reset the connection; the failed write got in before the read.

        So an upstream that refuses a large request and closes is heard (but not within TLS: nobody decrypts for us).
        """
        self._reusable = False
        transport = self._transport
        if transport is None or transport.get_extra_info("ssl_object") is not None:
            return
        with suppress(OSError), socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as sock:
            sock.setblocking(False)
            for _ in range(LAST_READS):
                data = sock.recv(SLICE)
                if not data or self._answer is not answer:
                    return
                self.data_received(data)


def _keep_alive_s(header: str | None) -> float | None:
    """Returns how long the upstream says it keeps an idle connection, less a second for the way; None if unsaid."""
    if header is None:
        return None
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "timeout" and value.isdecimal() and len(value) < 10:
            return max(float(value) - 1.0, 0.0)
    return None
