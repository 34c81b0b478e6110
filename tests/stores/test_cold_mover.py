"""Moving: in rounds, by one at a time, less and less often while nothing is taken."""

from __future__ import annotations

import asyncio
import logging

import pytest

from proxy.stores.cold_bucket import ColdUnfit
from proxy.stores.cold_mover import Mover
from proxy.stores.cold_object import Content
from proxy.stores.sqlite_cold import Load, Note, Work
from tests.support.cold_bucket import MemoryBucket


class Shelf:
    """Work that waits, and what has been said of it."""

    def __init__(self, *ids: str) -> None:
        self.loads = {n: Load(n, "me", id, id.encode()) for n, id in enumerate(ids)}
        self.notes: list[Note] = []
        self.unfit: list[int] = []
        self.leads = True
        self.rounds: list[int] = []
        self.empty = asyncio.Event()

    async def waiting(self, most: int, most_bytes: int, content: Content) -> Work:
        self.rounds.append(most)
        work = Work(list(self.loads.values())[:most], self.notes[:most])
        if not work:
            self.empty.set()
        return work

    async def lead(self) -> bool:
        return self.leads

    async def arrived(self, seqs: list[int], unfit: list[int], notes: list[Note]) -> None:
        for seq in (*seqs, *unfit):
            del self.loads[seq]
        self.unfit += unfit
        self.notes = [note for note in self.notes if note not in notes]


async def test_all_that_waits_is_moved_and_noted() -> None:
    shelf, bucket = Shelf(*(f"r{n}" for n in range(150))), MemoryBucket()
    bucket.objects["me", "old"] = b"old"
    shelf.notes = [Note("old", "me", False)]
    mover = Mover(shelf, bucket, "full", flush_s=5.0)
    mover.start()
    await asyncio.wait_for(shelf.empty.wait(), 20)
    assert set(bucket.objects) == {("me", f"r{n}") for n in range(150)}
    assert (mover.moved, bucket.puts, shelf.loads, shelf.notes) == (150, 150, {}, [])
    await mover.close()


async def test_who_does_not_lead_moves_nothing() -> None:
    shelf, bucket = Shelf("a"), MemoryBucket()
    shelf.leads = False
    mover = Mover(shelf, bucket, "full", flush_s=0.05, poll_s=0.001)
    mover.start()
    await mover.close()
    assert (bucket.puts, len(shelf.loads)) == (0, 1)


async def test_one_that_can_never_be_written_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    class Choosy(MemoryBucket):
        async def put(self, owner: str, id: str, body: bytes) -> None:
            if id == "large":
                raise ColdUnfit("too large")
            await super().put(owner, id, body)

    shelf, bucket = Shelf("large", "a", "broken", "b"), Choosy()
    shelf.loads[2].body = None
    mover = Mover(shelf, bucket, "full", flush_s=5.0)
    mover.start()
    await asyncio.wait_for(shelf.empty.wait(), 20)
    assert sorted(shelf.unfit) == [0, 2]
    assert set(bucket.objects) == {("me", "a"), ("me", "b")}
    assert "stays on this host alone: too large" in caplog.text
    assert "damaged in the database" in caplog.text
    await mover.close()


async def test_while_nothing_is_taken_it_asks_with_one_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "penstock")
    shelf, bucket = Shelf("a", "b", "c"), MemoryBucket()
    bucket.away = True
    mover = Mover(shelf, bucket, "full", flush_s=5.0)
    mover.start()
    async with asyncio.timeout(20):
        while len(shelf.rounds) < 2:
            mover.wake()  # more work mends nothing: it waits all the same
            await asyncio.sleep(0.01)
    assert shelf.rounds == [64, 1]
    assert len(caplog.records) == 1
    bucket.away = False
    await asyncio.wait_for(shelf.empty.wait(), 20)
    assert len(bucket.objects) == 3
    assert [record.message for record in caplog.records][1:] == ["memory: takes responses again"]
    await mover.close()


async def test_the_end_comes_in_time_and_leaves_what_is_not_taken() -> None:
    class Stuck(MemoryBucket):
        async def put(self, owner: str, id: str, body: bytes) -> None:
            await asyncio.Event().wait()

    shelf = Shelf("a")
    mover = Mover(shelf, Stuck(), "full", flush_s=0.05)
    mover.start()
    await asyncio.wait_for(mover.close(), 20)
    assert len(shelf.loads) == 1
    away = MemoryBucket()
    away.away = True
    mover = Mover(shelf, away, "full", flush_s=60.0)
    mover.start()
    await asyncio.wait_for(mover.close(), 20)  # what is away is not waited for


async def test_a_bug_is_logged_and_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Shelf):
        async def lead(self) -> bool:
            raise ZeroDivisionError

    shelf = Faulty("a")
    mover = Mover(shelf, MemoryBucket(), "full", flush_s=0.2)
    mover.start()
    async with asyncio.timeout(20):
        while not caplog.records:
            await asyncio.sleep(0.01)
    assert mover._task is not None
    assert not mover._task.done()
    assert "moving responses to the cold store failed" in caplog.text
    await mover.close()
