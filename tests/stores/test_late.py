"""Ends that a store has not taken: told from here, tried again, given up."""

from __future__ import annotations

import asyncio

import pytest

from proxy.stores.late import LateEnds
from proxy.stores.memory import MemoryStore
from proxy.stores.store import Entry, StoreFailed
from tests.support.stored import START, Clock, entry


class Choosy(MemoryStore):
    """A store that refuses some entries, and lets the others wait until it is told to go on."""

    def __init__(self) -> None:
        super().__init__(clock=Clock())
        self.refused: set[str] = set()
        self.go = asyncio.Event()
        self.go.set()

    async def put(self, entry: Entry) -> None:
        await self.go.wait()
        if entry.id in self.refused:
            raise StoreFailed("too large")
        await super().put(entry)


def late_of(store: MemoryStore, *ids: str, most: int = 9, clock: Clock | None = None) -> LateEnds:
    """Returns late ends with these entries."""
    late = LateEnds(store, most=most, clock=clock or Clock())
    for id in ids:
        late.add(entry(id))
    return late


def test_an_owner_sees_its_own() -> None:
    late = late_of(MemoryStore(), "a")
    found = late.get("a", "me")
    assert found is not None
    assert found.id == "a"
    assert (late.get("a", "you"), late.get("b", "me")) == (None, None)
    late.forget("a", "you")
    assert len(late) == 1
    late.forget("a", "me")
    assert len(late) == 0


async def test_what_the_store_does_not_take_holds_up_nothing_else() -> None:
    store = Choosy()
    store.refused = {"a"}
    late = late_of(store, "a", "b")
    await late.keep()
    assert await store.get("b", "me") is not None
    assert (late.get("a", "me") is not None, late.get("b", "me")) == (True, None)
    store.refused = set()
    await late.keep()
    assert await store.get("a", "me") is not None
    assert len(late) == 0


async def test_they_may_be_tried_by_several_at_once() -> None:
    store = Choosy()
    late = late_of(store, "a", "b")
    store.go.clear()
    tries = asyncio.gather(*(late.keep() for _ in range(3)))
    await asyncio.sleep(0)
    store.go.set()
    await tries
    assert len(late) == 0
    assert await store.get("a", "me") is not None


async def test_what_is_deleted_while_it_is_tried_is_gone() -> None:
    store = Choosy()
    late = late_of(store, "a")
    store.go.clear()
    trying = asyncio.create_task(late.keep())
    await asyncio.sleep(0)
    late.forget("a", "me")
    assert not await store.delete("a", "me")
    store.go.set()
    await trying
    assert await store.get("a", "me") is None


async def test_their_time_ends_as_it_would_in_the_store() -> None:
    store, clock = Choosy(), Clock()
    store.refused = {"a"}
    late = late_of(store, "a", clock=clock)
    await late.keep()
    assert len(late) == 1
    clock.now = START + 3601
    await late.keep()
    assert len(late) == 0


def test_there_are_never_too_many(caplog: pytest.LogCaptureFixture) -> None:
    late = late_of(MemoryStore(), "a", "b", "c", most=2)
    assert (late.get("a", "me"), len(late)) == (None, 2)
    assert "response a is lost" in caplog.text
