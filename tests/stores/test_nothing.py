"""The store that keeps nothing."""

from __future__ import annotations

from proxy.stores.nothing import NothingKept
from proxy.stores.store import ResponseStore
from tests.support.stored import entry


async def test_what_is_put_there_is_not_there() -> None:
    store: ResponseStore = NothingKept()
    await store.start()
    await store.put(entry("a", given=["i"], log=b"x", log_until=1e12, status="in_progress"))
    assert await store.get("a", "me") is None
    assert await store.chain("a", "me") is None
    assert await store.items(["i"], "me") == {}
    assert await store.log("a", "me") == b""
    assert await store.abandoned() == []
    assert not await store.delete("a", "me")
    await store.close()
