"""One store in memory for several loops."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec

from proxy.inprocess.shared_store import SharedStores, shared_stores
from proxy.stores.config import MemoryConfig, NoneConfig, SqliteConfig
from proxy.stores.conversations import Conversation
from proxy.stores.store import Entry


def entry(id: str) -> Entry:
    return Entry(
        id=id,
        owner="",
        created_at=time.time(),
        expires_at=time.time() + 60,
        status="completed",
        model="m",
        response=msgspec.Raw(b"{}"),
        input=[],
        output=[],
    )


def test_only_what_is_in_memory_has_to_be_shared() -> None:
    assert shared_stores(SqliteConfig()) == SharedStores()
    assert shared_stores(NoneConfig()) == SharedStores()


def test_what_one_loop_keeps_all_find() -> None:
    stores = shared_stores(MemoryConfig())
    assert stores.responses is not None
    assert stores.conversations is not None
    responses, conversations = stores.responses, stores.conversations

    async def keep(number: int) -> None:
        await responses.start()
        await responses.put(entry(f"resp_{number}"))
        await conversations.create(Conversation(id=f"conv_{number}", owner="", created_at=0.0))
        await responses.close()
        await conversations.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: asyncio.run(keep(number)), range(64)))

    async def found() -> int:
        kept = [await responses.get(f"resp_{number}", "") for number in range(64)]
        begun = [await conversations.get(f"conv_{number}", "") for number in range(64)]
        return sum(one is not None for one in (*kept, *begun))

    assert asyncio.run(found()) == 128


def test_what_is_no_method_is_the_stores_own() -> None:
    stores = shared_stores(MemoryConfig(max_responses=7))
    assert stores.responses is not None
    assert stores.responses.bounds.max_responses == 7  # type: ignore[attr-defined]
