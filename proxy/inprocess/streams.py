"""What iterates over the events of an answer: typed, and no faster than the reader reads.

Who leaves early closes the upstream: by `close`, at the end of a `with`, or by leaving the loop over the events. To
read on later, keep the iterator: `events = iter(stream)`.
"""

from __future__ import annotations

import asyncio
import os
import queue
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from .loop_thread import LoopThread
from .outlet import Delivery
from .sdk import chunk_of, event_of
from .service import OpenStream

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk
    from openai.types.responses import ResponseStreamEvent

Event = TypeVar("Event")

_LEFT = "this stream was left, and is closed: to read on after a break, keep the iterator (events = iter(stream))"


class _Reading(ABC, Generic[Event]):
    """What both kinds of stream know. `keeper` is held for as long as the stream is: with it the pipeline would go."""

    def __init__(self, opened: OpenStream, keeper: object) -> None:
        self._opened = opened
        self._keeper = keeper
        self._waiting: deque[bytes] = deque()
        self._over = False
        self._left = False

    @property
    def headers(self) -> dict[str, str]:
        """The headers that a client would have got in front of the stream."""
        return dict(self._opened.outlet.headers)

    @abstractmethod
    def _made(self, payload: bytes) -> Event:
        """Returns the event of its JSON."""

    def _take(self, delivery: Delivery) -> None:
        if delivery is None:
            self._over = True
            if not self._left:
                self._opened.raise_failure()
            return
        size, found = delivery
        self._waiting.extend(found)
        self._opened.outlet.take(size)

    def _leave(self) -> None:
        if not self._over:
            self._left = True
            self._waiting.clear()
            self._opened.leave_soon()

    def __del__(self) -> None:
        self._leave()


class EventStream(_Reading[Event]):
    """The events of an answer, to be iterated over. `thread` is where they come from."""

    def __init__(
        self, opened: OpenStream, inbox: queue.SimpleQueue[Delivery], thread: LoopThread, keeper: object
    ) -> None:
        super().__init__(opened, keeper)
        self._inbox = inbox
        self._thread = thread
        self._process = os.getpid()

    def __next__(self) -> Event:
        event = self._next()
        if event is None:
            raise StopIteration
        return event

    def __iter__(self) -> Iterator[Event]:
        try:
            while (event := self._next()) is not None:
                yield event
        finally:
            self._leave()

    def _next(self) -> Event | None:
        """Returns the next event, None at the end; raises what kept the stream from coming to its end."""
        while not self._waiting:
            if self._left:
                raise RuntimeError(_LEFT)
            if self._over:
                return None
            if self._process != os.getpid():
                raise RuntimeError("this stream belongs to the process that this one was forked from")
            self._take(self._inbox.get())
        return self._made(self._waiting.popleft())

    def close(self) -> None:
        """Leaves the stream; returns when its exchange has been settled. Safe to call again."""
        running = not self._over
        self._leave()
        if running and self._process == os.getpid() and not self._thread.loop.is_closed():
            self._thread.run(self._opened.leave())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncEventStream(_Reading[Event]):
    """The events of an answer, to be iterated over by `async for`, in the event loop in which it was asked for."""

    def __init__(self, opened: OpenStream, inbox: asyncio.Queue[Delivery], keeper: object) -> None:
        super().__init__(opened, keeper)
        self._inbox = inbox

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._left:
                raise RuntimeError(_LEFT)
            if self._over:
                raise StopAsyncIteration
            self._take(await self._inbox.get())
        return self._made(self._waiting.popleft())

    def __aiter__(self) -> AsyncIterator[Event]:
        return _Loop(self)

    def leave(self) -> None:
        """Leaves the stream without waiting until its exchange has been settled."""
        self._leave()

    async def close(self) -> None:
        """Leaves the stream; returns when its exchange has been settled. Safe to call again."""
        running = not self._over
        self._leave()
        if running:
            await self._opened.leave()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Loop(Generic[Event]):
    """One loop over a stream: who leaves it leaves the stream."""

    def __init__(self, stream: AsyncEventStream[Event]) -> None:
        self._stream = stream
        self._begun = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        self._begun = True
        return await anext(self._stream)

    def __del__(self) -> None:
        if self._begun:
            self._stream.leave()


class ResponseStream(EventStream["ResponseStreamEvent"]):
    """The events of a response."""

    def _made(self, payload: bytes) -> ResponseStreamEvent:
        return event_of(payload)


class AsyncResponseStream(AsyncEventStream["ResponseStreamEvent"]):
    """The events of a response, to be awaited."""

    def _made(self, payload: bytes) -> ResponseStreamEvent:
        return event_of(payload)


class CompletionStream(EventStream["ChatCompletionChunk"]):
    """The chunks of a chat completion. What breaks it off is raised."""

    def _made(self, payload: bytes) -> ChatCompletionChunk:
        return chunk_of(payload)


class AsyncCompletionStream(AsyncEventStream["ChatCompletionChunk"]):
    """The chunks of a chat completion, to be awaited. What breaks it off is raised."""

    def _made(self, payload: bytes) -> ChatCompletionChunk:
        return chunk_of(payload)
