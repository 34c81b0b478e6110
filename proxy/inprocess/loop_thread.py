"""The thread in which calls that are not awaited are served: one for the process, with an event loop of its own."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

Result = TypeVar("Result")

_LAST_WORDS_S = 7.0
_STRAGGLERS_S = 1.0


class LoopThread:
    """An event loop in a thread that ends with the process, or when it is stopped."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="penstock", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Returns what a coroutine returns that runs in the loop; interrupted, it is cancelled.

        Raises RuntimeError in the loop's own thread, which would wait for itself.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("this call would wait for its own event loop: await the function with an a in front")
        try:
            future = asyncio.run_coroutine_threadsafe(work, self.loop)
        except RuntimeError:  # the loop is closed
            work.close()
            raise
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """Closes all that was opened in the loop, and ends the thread; returns when that is done, or takes too long."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_LAST_WORDS_S + 2 * _STRAGGLERS_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._until_stopped())
        finally:
            self.loop.close()

    async def _until_stopped(self) -> None:
        await self._stopping.wait()
        await asyncio.wait((self.loop.create_task(self.loop.shutdown_asyncgens()),), timeout=_LAST_WORDS_S)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_STRAGGLERS_S)


class _Process:
    """The thread of this process, if there is one."""

    def __init__(self) -> None:
        self.left_behind: list[LoopThread] = []
        self.thread: LoopThread | None = None
        self.lock = threading.Lock()

    def forked(self) -> None:
        """Begins anew in a child: threads do not follow there. What they worked on is left alone."""
        if self.thread is not None:
            self.left_behind.append(self.thread)
        self.thread = None
        self.lock = threading.Lock()

    def stop(self) -> None:
        """Stops the thread at the end of the process."""
        if self.thread is not None:
            self.thread.stop()


_process = _Process()
os.register_at_fork(after_in_child=_process.forked)
atexit.register(_process.stop)


def loop_thread() -> LoopThread:
    """Returns the thread of this process, which is started when it is first asked for."""
    with _process.lock:
        if _process.thread is None:
            _process.thread = LoopThread()
        return _process.thread


def running_thread() -> LoopThread | None:
    """Returns the thread of this process if it was started."""
    return _process.thread
