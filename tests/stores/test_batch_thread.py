"""A thread that works for an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from proxy.stores.batch_thread import BatchThread
from proxy.stores.store import StoreFailed


class Doubler:
    """Doubles numbers, while its gate is open; negative ones cannot be doubled, and -13 breaks it."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[int]] = []
        self.threads: set[threading.Thread] = set()
        self.rested = threading.Event()
        self.fails_to_open = False
        self.open_for: list[str] = []
        self.policies: set[int] = set()

    def open(self) -> None:
        if self.fails_to_open:
            raise StoreFailed("cannot open")
        self.open_for.append("opened")

    def run(self, jobs: Sequence[int]) -> list[Any]:
        self.threads.add(threading.current_thread())
        self.policies.add(os.sched_getscheduler(0))
        self.gate.wait(10)
        self.batches.append(list(jobs))
        if -13 in jobs:
            raise ZeroDivisionError("unlucky")
        return [2 * job if job >= 0 else StoreFailed(f"{job} is negative") for job in jobs]

    def rest(self) -> float:
        self.rested.set()
        return 0.001

    def close(self) -> None:
        self.open_for.append("closed")


@pytest.fixture
def doubler() -> Doubler:
    return Doubler()


@pytest.fixture
async def thread(doubler: Doubler) -> AsyncIterator[BatchThread[int]]:
    made = BatchThread("doubler", doubler, most=10, most_bytes=100, patience_s=0.2)
    await made.start()
    yield made
    doubler.gate.set()
    await made.close()


async def test_results_and_errors_come_back(thread: BatchThread[int], doubler: Doubler) -> None:
    assert await thread.ask(4) == 8
    with pytest.raises(StoreFailed, match="-1 is negative"):
        await thread.ask(-1)
    assert threading.current_thread() not in doubler.threads


async def test_what_comes_meanwhile_is_one_batch_in_its_order(thread: BatchThread[int], doubler: Doubler) -> None:
    doubler.gate.clear()
    first = thread.ask(0)
    while not doubler.threads:
        await asyncio.sleep(0.001)
    others = [thread.ask(n) for n in range(1, 10)]
    doubler.gate.set()
    assert await asyncio.gather(first, *others) == [2 * n for n in range(10)]
    assert doubler.batches == [[0], [1, 2, 3, 4, 5, 6, 7, 8, 9]]


async def test_too_much_at_once_is_refused(thread: BatchThread[int], doubler: Doubler) -> None:
    doubler.gate.clear()
    asked = [thread.ask(n) for n in range(10)]
    with pytest.raises(StoreFailed, match="too slow: 10 calls wait"):
        thread.ask(10)
    doubler.gate.set()
    await asyncio.gather(*asked)
    assert await thread.ask(10) == 20


async def test_too_many_bytes_are_refused_but_never_one_job_alone(thread: BatchThread[int], doubler: Doubler) -> None:
    doubler.gate.clear()
    large = thread.ask(1, 1000)
    with pytest.raises(StoreFailed, match="too slow"):
        thread.ask(2, 1)
    doubler.gate.set()
    assert await large == 2
    assert await asyncio.gather(thread.ask(1, 60), thread.ask(2, 40)) == [2, 4]


async def test_nobody_waits_for_ever(thread: BatchThread[int], doubler: Doubler) -> None:
    doubler.gate.clear()
    asked = [thread.ask(n) for n in range(3)]
    async with asyncio.timeout(5):
        results = await asyncio.gather(*asked, return_exceptions=True)
    assert {str(result) for result in results} == {"the store gave no answer within 0.2 s"}
    late = thread.ask(3)
    async with asyncio.timeout(5):
        with pytest.raises(StoreFailed, match="no answer"):
            await late
    doubler.gate.set()
    assert await thread.ask(4) == 8
    assert sorted(job for batch in doubler.batches for job in batch) == [0, 1, 2, 3, 4]


async def test_a_caller_that_leaves_has_its_job_done(thread: BatchThread[int], doubler: Doubler) -> None:
    doubler.gate.clear()
    left, stayed = thread.ask(1), thread.ask(2)
    left.cancel()
    doubler.gate.set()
    assert await stayed == 4
    assert [job for batch in doubler.batches for job in batch] == [1, 2]


async def test_a_fault_is_logged_and_the_thread_goes_on(thread: BatchThread[int], caplog: Any) -> None:
    with pytest.raises(StoreFailed, match="unlucky"):
        await thread.ask(-13)
    assert "not foreseen" in caplog.text
    assert await thread.ask(1) == 2


async def test_it_rests_when_nobody_asks(thread: BatchThread[int], doubler: Doubler) -> None:
    for _ in range(3):
        doubler.rested.clear()
        assert await asyncio.to_thread(doubler.rested.wait, 5)


async def test_it_does_not_interrupt_who_wakes_it(thread: BatchThread[int], doubler: Doubler) -> None:
    assert await thread.ask(1) == 2
    assert doubler.policies == {os.SCHED_BATCH}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


async def test_where_that_is_forbidden_it_works_all_the_same(doubler: Doubler, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "not here")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    thread = BatchThread("doubler", doubler)
    await thread.start()
    assert await thread.ask(1) == 2
    await thread.close()


async def test_more_results_than_the_pipe_holds_come_back(thread: BatchThread[int], doubler: Doubler) -> None:
    written: list[int] = []

    def never(descriptor: int, data: bytes) -> int:
        written.append(descriptor)
        raise BlockingIOError(11, "full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", never)
        asked = [thread.ask(n) for n in range(5)]
        async with asyncio.timeout(5):
            while not written:
                await asyncio.sleep(0.001)
    assert await thread.ask(7) == 14
    assert await asyncio.gather(*asked) == [0, 2, 4, 6, 8]


async def test_nothing_stays_open(doubler: Doubler) -> None:
    before = set(os.listdir("/proc/self/fd"))
    for fails in (False, True):
        doubler.fails_to_open = fails
        for _ in range(3):
            thread = BatchThread("doubler", doubler)
            with contextlib.suppress(StoreFailed):
                await thread.start()
                assert await thread.ask(1) == 2
            await thread.close()
            await asyncio.sleep(0)
    assert len(set(os.listdir("/proc/self/fd"))) <= len(before)


async def test_closing_does_what_is_left(doubler: Doubler) -> None:
    thread = BatchThread("doubler", doubler)
    await thread.start()
    doubler.gate.clear()
    asked = [thread.ask(n) for n in range(300)]
    closing = asyncio.ensure_future(thread.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreFailed, match="closed"):
        thread.ask(1)
    doubler.gate.set()
    await closing
    assert [future.result() for future in asked] == [2 * n for n in range(300)]
    assert doubler.open_for == ["opened", "closed"]
    await thread.close()


async def test_closing_does_not_wait_for_ever(doubler: Doubler, thread: BatchThread[int]) -> None:
    doubler.gate.clear()
    asked = thread.ask(1)
    async with asyncio.timeout(5):
        await thread.close()
    with pytest.raises(StoreFailed, match=r"no answer|in time"):
        await asked


async def test_one_that_cannot_open_says_so(doubler: Doubler) -> None:
    doubler.fails_to_open = True
    thread = BatchThread("doubler", doubler)
    with pytest.raises(StoreFailed, match="cannot open"):
        await thread.start()
    with pytest.raises(StoreFailed, match="closed"):
        thread.ask(1)
    await thread.close()


async def test_a_start_that_is_given_up_leaves_nothing_open(doubler: Doubler) -> None:
    thread = BatchThread("doubler", doubler)
    starting = asyncio.ensure_future(thread.start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    async with asyncio.timeout(5):
        while doubler.open_for != ["opened", "closed"]:
            await asyncio.sleep(0.001)
