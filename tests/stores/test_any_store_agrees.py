"""Whatever is done to them in whatever order, memory and SQLite answer alike."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from proxy.api.responses.made_ids import made_id
from proxy.stores.bounds import Bounds
from proxy.stores.memory import MemoryStore
from proxy.stores.sqlite import SqliteStore
from proxy.stores.store import ResponseStore, StoreFailed
from tests.support.stored import Clock, entry

T = TypeVar("T")

OWN = "resp_" + "0" * 48
IDS = ["a", "b", "c", "d", "e", OWN]
ITEMS = ["m1", "m2", "m3", made_id(OWN, "msg", 0), made_id(OWN, "msg", 1)]
OWNERS = ["me", "you"]
BOUNDS = Bounds(max_responses=4, max_bytes=2500)

ids = st.sampled_from(IDS)
owners = st.sampled_from(OWNERS)
items = st.lists(st.sampled_from(ITEMS), max_size=3)
statuses = st.sampled_from(["queued", "in_progress", "completed", "completed", "failed"])
logs = st.fixed_dictionaries(
    {"log": st.sampled_from([0, 0, 10, 400, 1500, 2600]).map(bytes), "log_until": st.sampled_from([0, 20, 1000])}
)
fields = st.fixed_dictionaries(
    {"id": ids, "owner": owners, "given": items, "output": items, "parent": st.none() | ids, "status": statuses}
)


class Agreement(RuleBasedStateMachine):
    """Does everything to a store in memory, and to two SQLite stores over one file in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.directory = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.memory = MemoryStore(BOUNDS, clock=self.clock)
        self.files = [SqliteStore(self.directory / "kept.db", BOUNDS, clock=self.clock) for _ in range(2)]
        for store in self.files:
            self.runner.run(store.start())

    def teardown(self) -> None:
        for store in self.files:
            self.runner.run(store.close())
        self.runner.close()
        shutil.rmtree(self.directory)

    async def same(self, ask: Callable[[ResponseStore], Awaitable[T]]) -> T | str:
        """Returns what all answer."""

        async def answer(store: ResponseStore) -> T | str:
            try:
                return await ask(store)
            except StoreFailed as error:
                return str(error)

        expected = await answer(self.memory)
        assert await answer(self.files[0]) == expected
        return expected

    @rule(fields=fields, log=logs, lives_s=st.integers(0, 100), length=st.sampled_from([1, 10, 100, 300, 1500]))
    def put(self, fields: dict[str, Any], log: dict[str, Any], lives_s: int, length: int) -> None:
        now = self.clock.now
        log["log_until"] += now
        kept = entry(**fields, **log, text="x" * length, created_at=now, expires_at=now + lives_s)
        self.runner.run(self.same(lambda store: store.put(kept)))

    @rule(id=ids, owner=owners)
    def delete(self, id: str, owner: str) -> None:
        self.runner.run(self.same(lambda store: store.delete(id, owner)))

    @rule(seconds=st.integers(1, 60))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def change_worker(self) -> None:
        self.files.reverse()

    @rule()
    def restart(self) -> None:
        self.runner.run(self.files[0].close())
        self.files[0] = SqliteStore(self.directory / "kept.db", BOUNDS, clock=self.clock)
        self.runner.run(self.files[0].start())

    @invariant()
    def everything_read_is_the_same(self) -> None:
        self.runner.run(self.read_everything())

    async def read_everything(self) -> None:
        for owner in OWNERS:
            await self.same(lambda store, owner=owner: store.items(ITEMS, owner))
            for id in IDS:
                found = await self.same(lambda store, id=id, owner=owner: store.get(id, owner))
                await self.same(lambda store, id=id, owner=owner: store.log(id, owner))
                line = await self.same(lambda store, id=id, owner=owner: store.chain(id, owner))
                assert not line or line[-1] == found


Agreement.TestCase.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestAgreement = Agreement.TestCase
