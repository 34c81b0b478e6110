"""Brings the body of an answer that aiohttp received: a task reads it and calls the sink."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import aiohttp

from ..errors import TimeoutPhase, UpstreamCut, UpstreamError, UpstreamGarbled, UpstreamTimeout
from .client import OnData, Taker, Timeouts
from .deadlines import Deadlines
from .response import DRAIN_BYTES, DRAIN_SECONDS, Response, discard


class ProxiedBody:
    """A Carrier over an aiohttp response. Reading begins with the first `resume`; aiohttp holds back till then."""

    def __init__(
        self, reply: aiohttp.ClientResponse, peer: str, timeouts: Timeouts, on_end: Callable[[ProxiedBody], None]
    ) -> None:
        self.peer = peer
        self.sink: OnData = discard
        self.shortcut: Taker | None = None  # not offered anything: what aiohttp reads has no frames
        self.response: Response | None = None
        self._reply = reply
        self._timeouts = timeouts
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._deadlines = Deadlines(self._loop, self._late)
        self._task: asyncio.Task[None] | None = None
        self._going = asyncio.Event()
        self._discarded = 0
        self._over = False

    def start(self, total_at: float) -> None:
        """Starts the clock of the whole attempt."""
        self._deadlines.start("idle", None, self._timeouts.total, total_at)

    def pause(self) -> None:
        """Stops reading; aiohttp then stops reading from the socket once its own buffer is full."""
        self._going.clear()
        self._deadlines.pause()

    def resume(self) -> None:
        """Starts or goes on reading."""
        if self._over:
            return
        self._going.set()
        self._deadlines.resume()
        if self._task is None:
            self._deadlines.enter("idle", self._timeouts.idle)
            self._task = self._loop.create_task(self._read())

    def limit_idle(self, seconds: float | None) -> None:
        """Changes the limit between two reads, from now on."""
        if not self._over:
            self._deadlines.enter("idle", seconds)

    def let_go(self) -> None:
        """Reads on for a moment, so that the connection can be kept."""
        self.response = None
        if self._over:
            return
        self.sink = self._discard
        self.resume()
        self._deadlines.start("drain", None, DRAIN_SECONDS, self._loop.time() + DRAIN_SECONDS)

    def abort(self) -> None:
        """Closes the connection at once, without a word to the reader."""
        self.response = None
        self._finish(None, keep=False)

    def fail(self, error: UpstreamError) -> None:
        """Closes the connection at once and tells the reader why."""
        self._finish(error, keep=False)

    async def _read(self) -> None:
        error: UpstreamError | None = UpstreamCut(f"reading from upstream {self.peer} was broken off")
        keep = False
        try:
            while data := await self._reply.content.readany():
                self._deadlines.last = self._loop.time()
                while not self._going.is_set():
                    await self._going.wait()
                self.sink(data)
            error, keep = None, True
        except (aiohttp.ClientError, OSError) as fault:
            error = self._mapped(fault)
        finally:
            self._finish(error, keep=keep)

    def _finish(self, error: UpstreamError | None, *, keep: bool) -> None:
        if self._over:
            return
        self._over = True
        self._deadlines.stop()
        self.sink = discard
        if keep:
            self._reply.release()
        else:
            self._reply.close()
        if self._task is not None and self._task is not asyncio.current_task(self._loop):
            self._task.cancel()
        self._on_end(self)
        response, self.response = self.response, None
        if response is not None:
            response.finish(error)

    def _discard(self, data: bytes) -> None:
        self._discarded += len(data)
        if self._discarded > DRAIN_BYTES:
            self.abort()

    def _late(self, phase: str, limit: float) -> None:
        said = "did not finish its answer within" if phase == "total" else "sent nothing for"
        message = f"upstream {self.peer} {said} {limit:g} s"
        self.fail(UpstreamTimeout(message, phase=cast(TimeoutPhase, phase)))

    def _mapped(self, fault: BaseException) -> UpstreamError:
        if "not completed" in str(fault) or not isinstance(fault, aiohttp.ClientPayloadError):
            return UpstreamCut(f"upstream {self.peer} closed the connection before its answer was complete")
        return UpstreamGarbled(f"upstream {self.peer} sent what cannot be read: {str(fault)[:120]}")
