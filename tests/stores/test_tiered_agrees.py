"""The store of two tiers answers as one in memory does, whatever happens to the bucket and to workers meanwhile."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from proxy.stores.memory import MemoryStore
from proxy.stores.sqlite import SqliteStore
from proxy.stores.sqlite_cold import ColdRule
from proxy.stores.store import StoreUnavailable
from proxy.stores.tiered import TieredStore
from tests.support.cold_bucket import MemoryBucket, remember_nothing, until
from tests.support.store_files import check_sums, rows
from tests.support.stored import Clock, entry

IDS = [f"resp_{n:048x}" for n in range(8)]
OWNERS = ["me", "you"]
ITEMS = ["a", "b", f"{IDS[0]}-out"]
LEFT = """
SELECT 1 FROM cold WHERE state = 0 UNION ALL SELECT 1 FROM cold_gone WHERE again OR due <= {now}
UNION ALL SELECT 1 FROM entries WHERE expires_at <= {now}
"""


class History:
    """Two workers over one file and one bucket, beside a store in memory; what happens is told by a seed."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.choose = random.Random(seed)
        self.clock = Clock()
        self.bucket = MemoryBucket()
        self.memory = MemoryStore(clock=self.clock)
        self.workers = [self.worker(), self.worker()]

    def worker(self) -> TieredStore:
        local = SqliteStore(self.path, clock=self.clock, sweep_every_s=0.003, cold=ColdRule(after_s=0.0))
        remember_nothing(local)
        flush_s = self.choose.choice([0.0, 0.01])
        return TieredStore(local, self.bucket, poll_s=0.003, flush_s=flush_s, clock=self.clock)

    async def put(self, id: str, owner: str, step: int) -> None:
        lives_s = self.choose.choice([700, 5000, 100_000])
        fields: dict[str, Any] = {
            "given": [self.choose.choice("ab")],
            "output": [f"{id}-out"],
            "parent": self.choose.choice([None, None, *IDS]),
            "status": self.choose.choice(["completed", "completed", "in_progress"]),
        }
        kept = entry(id, owner=owner, text=f"step {step}", expires_at=self.clock.now + lives_s, **fields)
        await self.memory.put(kept)
        await self.choose.choice(self.workers).put(kept)

    async def delete(self, id: str, owner: str) -> None:
        expected = await self.memory.delete(id, owner)
        worker = self.choose.choice(self.workers)
        try:
            assert await worker.delete(id, owner) is expected
        except StoreUnavailable:
            assert self.bucket.away  # and it cannot be known whether another host has it
            assert not expected

    async def restart(self) -> None:
        number = self.choose.randrange(2)
        await self.workers[number].close()
        self.workers[number] = self.worker()
        await self.workers[number].start()

    async def happen(self, step: int) -> None:
        id, owner = self.choose.choice(IDS), self.choose.choice(OWNERS)
        kind = self.choose.random()
        if kind < 0.4:
            await self.put(id, owner, step)
        elif kind < 0.6:
            await self.delete(id, owner)
        elif kind < 0.7:
            self.bucket.away = not self.bucket.away
        elif kind < 0.75:
            self.clock.now += self.choose.choice([10, 400, 3000])
        elif kind < 0.8:
            await self.restart()
        else:
            await asyncio.sleep(0.005)
        await self.same(id, owner)

    async def same(self, id: str, owner: str) -> None:
        worker, memory = self.choose.choice(self.workers), self.memory
        try:
            assert await worker.get(id, owner) == await memory.get(id, owner)
            assert await worker.chain(id, owner) == await memory.chain(id, owner)
            assert await worker.items(ITEMS, owner) == await memory.items(ITEMS, owner)
        except StoreUnavailable:
            assert self.bucket.away


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_it_is_as_in_memory(seed: int, tmp_path: Path) -> None:
    history = History(tmp_path / "kept.db", seed)
    for worker in history.workers:
        await worker.start()
    for step in range(60):
        await history.happen(step)
    history.bucket.away = False
    await until(lambda: not rows(history.path, LEFT.format(now=history.clock.now)))
    there = set(rows(history.path, "SELECT owner, id FROM cold JOIN entries ON seq = entry"))
    assert set(history.bucket.objects) == there  # nothing lost, nothing left
    for id in IDS:
        for owner in OWNERS:
            await history.same(id, owner)
    for worker in history.workers:
        await worker.close()
    check_sums(history.path, "WHERE size > 0")
