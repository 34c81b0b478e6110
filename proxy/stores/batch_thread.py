"""A thread that does what an event loop must not wait for, in batches of whatever has come meanwhile.

Python runs one thread at a time, so what counts is how often the two take turns. The thread says that results are there
by writing to a pipe, which it does without the interpreter's lock: the loop need not wake up twice. And where Linux
allows it, waking the thread does not interrupt the loop: it gets its turn when the loop has nothing to do, and then
finds everything that came meanwhile. With 16 clients and one core that halves what an exchange pays for its put.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import threading
from collections import deque
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
        self._told: deque[tuple[Sequence[asyncio.Future[Any]], Sequence[Any]]] = deque()
        self._running = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    async def start(self) -> None:
        """Starts the thread and waits until the handler is ready; raises StoreFailed."""
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[Any] = self._loop.create_future()
        self._ended: asyncio.Future[Any] = self._loop.create_future()
        self._hear, self._tell_there = os.pipe()
        for end in (self._hear, self._tell_there):
            os.set_blocking(end, False)
        self._loop.add_reader(self._hear, self._heard)
        self._ended.add_done_callback(self._fall_silent)
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
        waiting, loop, all_bytes = self._waiting, self._loop, self._waiting_bytes + size
        if len(waiting) >= self._most or (all_bytes > self._most_bytes and all_bytes > size):
            raise StoreFailed(f"the store is too slow: {len(waiting)} calls wait for it")
        future: asyncio.Future[Any] = loop.create_future()
        now = loop.time()
        waiting[future] = (now, size)
        self._waiting_bytes = all_bytes
        if self._timer is None:
            self._timer = loop.call_at(now + self._patience_s, self._give_up)
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

    def _heard(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._hear, 4096)
        while self._told:
            self._settle(*self._told.popleft())

    def _fall_silent(self, _: object) -> None:
        """Closes the pipe: the thread has said its last. A thread that never ends keeps it."""
        self._loop.remove_reader(self._hear)
        os.close(self._hear)
        os.close(self._tell_there)

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
        _give_way()
        try:
            self._handler.open()
        except Exception as error:
            self._tell([self._opened, self._ended], [_failure(error), None])
            return
        self._tell([self._opened], [None])
        wait_s = 0.0
        going_on = True
        while going_on:
            batch, going_on = self._next(wait_s)
            if batch:
                jobs, futures = zip(*batch, strict=True)
                self._tell(futures, self._results(jobs))
            wait_s = self._rest_s()
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
        self._told.append((futures, results))
        with contextlib.suppress(BlockingIOError):  # full: the loop has been told often enough
            os.write(self._tell_there, b"\0")


def _give_way() -> None:
    """Makes this thread one that interrupts no other when it is woken; it gets its share of time as before."""
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):  # it is forbidden here: then not
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _failure(error: Exception) -> StoreFailed:
    """Returns an error as callers know it; one that should not be is logged."""
    if isinstance(error, StoreFailed):
        return error
    _log.error("the store failed in a way that was not foreseen", exc_info=error)
    failed = StoreFailed(f"the store failed: {error!r}")
    failed.__cause__ = error
    return failed
