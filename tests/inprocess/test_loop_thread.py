"""The thread of the calls that wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator

import pytest

from proxy.inprocess.loop_thread import LoopThread, loop_thread, running_thread


async def where() -> threading.Thread:
    return threading.current_thread()


async def fail() -> None:
    raise LookupError("nothing")


def test_there_is_one_for_the_process() -> None:
    assert loop_thread() is loop_thread() is running_thread()
    assert loop_thread().run(where()).name == "penstock"
    assert loop_thread().run(where()).daemon


def test_what_a_coroutine_raises_is_raised() -> None:
    with pytest.raises(LookupError):
        loop_thread().run(fail())


def test_it_does_not_wait_for_itself() -> None:
    async def ask() -> None:
        loop_thread().run(fail())

    with pytest.raises(RuntimeError, match="its own event loop"):
        loop_thread().run(ask())


def test_when_it_is_stopped_what_was_opened_in_it_is_closed() -> None:
    thread = LoopThread()
    seen: list[str] = []

    async def opened() -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await asyncio.sleep(0)
            seen.append("closed")

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cancelled")

    generator = opened()

    async def begin() -> None:
        await anext(generator)
        hanging.append(asyncio.get_running_loop().create_task(hang()))

    hanging: list[asyncio.Task[None]] = []
    thread.run(begin())
    thread.stop()
    assert seen == ["closed", "cancelled"]
    assert thread.loop.is_closed()
    thread.stop()
    with pytest.raises(RuntimeError, match="closed"):
        thread.run(fail())
