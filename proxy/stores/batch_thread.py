"""A thread that does what an event loop must not wait for, in batches of whatever has come meanwhile."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

from .store import StoreFailed

Job = TypeVar("Job")
Job_contra = TypeVar("Job_contra", contravariant=True)

_log = logging.getLogger("penstock")
_MOST_AT_ONCE = 128


class Handler(Protocol[Job_contra]):
    """What the thread does. All of it runs in the thread."""

    def open(self) -> None:
        """Gets ready; raises StoreFailed."""

    def run(self, jobs: Sequence[Job_contra]) -> list[Any]:
        """Does the jobs; returns for each its result, or the StoreFailed that it is to raise."""

    def rest(self) -> float:
        """Does a little of what can wait; returns after how many seconds there is more, whether jobs come or not."""

    def close(self) -> None:
        """Ends what is open."""


class BatchThread(Generic[Job]):
    """Runs a handler for the coroutines of one event loop.

    At most `most` jobs of `most_bytes` in all wait; nobody waits for one longer than `patience_s`. A job whose caller
    was cancelled is done all the same.
    """

    def __init__(
        self,
        name: str,
        handler: Handler[Job],
        *,
        most: int = 4096,
        most_bytes: int = 64 * 1024 * 1024,
        patience_s: float = 10.0,
    ) -> None:
        self._handler = handler
        self._most = most
        self._most_bytes = most_bytes
        self._patience_s = patience_s
        self._queue: queue.SimpleQueue[tuple[Job, asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._waiting: dict[asyncio.Future[Any], tuple[float, int]] = {}  # since when, bytes; the oldest first
        self._waiting_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._running = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    async def start(self) -> None:
        """Starts the thread and waits until the handler is ready; raises StoreFailed."""
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[Any] = self._loop.create_future()
        self._ended: asyncio.Future[Any] = self._loop.create_future()
        self._thread.start()
        self._running = True
        try:
            await self._opened
        except BaseException:
            self._running = False
            self._queue.put(None)
            raise

    def ask(self, job: Job, size: int = 0) -> asyncio.Future[Any]:
        """Returns the future result of a job of so many bytes; raises StoreFailed when too much is waiting."""
        if not self._running:
            raise StoreFailed("the store is closed")
        if len(self._waiting) >= self._most or self._waiting_bytes + size > max(self._most_bytes, size):
            raise StoreFailed(f"the store is too slow: {len(self._waiting)} calls wait for it")
        future: asyncio.Future[Any] = self._loop.create_future()
        now = self._loop.time()
        self._waiting[future] = (now, size)
        self._waiting_bytes += size
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._patience_s, self._give_up)
        self._queue.put((job, future))
        return future

    async def close(self) -> None:
        """Waits until everything asked for is done and the handler closed, for as long as anybody would wait."""
        if not self._running:
            return
        self._running = False
        self._queue.put(None)
        await asyncio.wait([self._ended], timeout=self._patience_s)
        if self._timer is not None:
            self._timer.cancel()
        if not self._ended.done():
            self._fail_all(StoreFailed("the store could not be closed in time"))

    def _give_up(self) -> None:
        """Fails those that have waited too long; looks again when the next may have."""
        self._timer = None
        now = self._loop.time()
        for future, (since, _) in self._waiting.items():
            if since + self._patience_s > now:
                self._timer = self._loop.call_at(since + self._patience_s, self._give_up)
                return
            if not future.done():
                future.set_exception(StoreFailed(f"the store gave no answer within {self._patience_s:g} s"))

    def _fail_all(self, error: StoreFailed) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_exception(error)

    def _settle(self, futures: Sequence[asyncio.Future[Any]], results: Sequence[Any]) -> None:
        for future, result in zip(futures, results, strict=True):
            _, size = self._waiting.pop(future, (0.0, 0))
            self._waiting_bytes -= size
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _run(self) -> None:
        try:
            self._handler.open()
        except Exception as error:
            self._tell([self._opened], [_failure(error)])
            return
        self._tell([self._opened], [None])
        due = 0.0
        going_on = True
        while going_on:
            batch, going_on = self._next(due - time.monotonic())
            if batch:
                jobs, futures = zip(*batch, strict=True)
                self._tell(futures, self._results(jobs))
            due = time.monotonic() + self._rest_s()
        self._handler.close()
        self._tell([self._ended], [None])

    def _next(self, wait_s: float) -> tuple[list[tuple[Job, asyncio.Future[Any]]], bool]:
        """Returns what waits, after waiting for it so long, and whether more may come."""
        batch = []
        try:
            found = self._queue.get(timeout=wait_s) if wait_s > 0 else self._queue.get_nowait()
            while found is not None:
                batch.append(found)
                if len(batch) == _MOST_AT_ONCE:
                    return batch, True
                found = self._queue.get_nowait()
            return batch, False
        except queue.Empty:
            return batch, True

    def _results(self, jobs: Sequence[Job]) -> list[Any]:
        try:
            return self._handler.run(jobs)
        except Exception as error:
            return [_failure(error)] * len(jobs)

    def _rest_s(self) -> float:
        try:
            return self._handler.rest()
        except Exception:
            _log.exception("the store's thread %s", self._thread.name)
            return 1.0

    def _tell(self, futures: Sequence[asyncio.Future[Any]], results: Sequence[Any]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._settle, futures, results)
        except RuntimeError:
            _log.debug("nobody is left to hear of %d results: the event loop is closed", len(results))


def _failure(error: Exception) -> StoreFailed:
    """Returns an error as callers know it; one that should not be is logged."""
    if isinstance(error, StoreFailed):
        return error
    _log.error("the store failed in a way that was not foreseen", exc_info=error)
    failed = StoreFailed(f"the store failed: {error!r}")
    failed.__cause__ = error
    return failed
