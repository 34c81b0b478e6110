"""What is asked of the store in memory alone; tests/stores/test_any_store.py has the rest."""

from __future__ import annotations

import gc
import tracemalloc

from proxy.stores.bounds import Bounds
from proxy.stores.memory import MemoryStore
from tests.support.stored import START, Clock, entry


async def fill(store: MemoryStore, count: int) -> int:
    """Puts entries; returns the bytes of memory in use afterwards."""
    for n in range(count):
        await store.put(entry(f"resp_{n}", given=[f"in_{n}"], text="x" * 200))
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def test_memory_is_flat_under_the_bound() -> None:
    store = MemoryStore(Bounds(max_responses=100), clock=Clock())
    tracemalloc.start()
    try:
        first = await fill(store, 500)
        assert await fill(store, 2000) < first + 50_000
    finally:
        tracemalloc.stop()


async def test_memory_is_flat_when_one_is_put_again_and_again() -> None:
    store = MemoryStore(clock=Clock())
    tracemalloc.start()
    try:
        sizes = []
        for _ in range(2):
            for _ in range(1000):
                await store.put(entry("resp_1", given=["in_1"]))
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        assert sizes[1] < sizes[0] + 20_000
    finally:
        tracemalloc.stop()


async def test_any_call_lets_go_of_what_has_expired() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    tracemalloc.start()
    try:
        for n in range(100):
            await store.put(entry(f"resp_{n}", text="x" * 10_000, expires_at=START + n))
        full = tracemalloc.get_traced_memory()[0]
        clock.now += 1000
        assert await store.get("unknown", "me") is None
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < full - 900_000
    finally:
        tracemalloc.stop()


async def test_closing_forgets() -> None:
    store = MemoryStore(clock=Clock())
    await store.start()
    await store.put(entry("resp_1", given=["in_1"]))
    await store.close()
    assert await store.get("resp_1", "me") is None
    assert await store.items(["in_1"], "me") == {}
