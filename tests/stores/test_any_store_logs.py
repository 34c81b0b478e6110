"""Event logs, and entries that nobody finishes: one suite for every implementation of the response store."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from proxy.stores.store import Entry
from tests.support.store_kinds import RESPONSE_KINDS, Stores, there
from tests.support.stored import START, entry

LOG = random.Random(3).randbytes(5000)


@pytest.fixture(params=RESPONSE_KINDS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    made = Stores(request.param, tmp_path)
    yield made
    await made.close()


def logged(id: str, log: bytes = LOG, until: float = START + 600, **fields: object) -> Entry:
    return entry(id, log=log, log_until=until, **fields)


def without_log(kept: Entry) -> Entry:
    return msgspec.structs.replace(kept, log=b"", log_until=0.0)


async def test_a_log_is_read_by_itself_alone(stores: Stores) -> None:
    a, b = await stores.pair()
    kept = logged("resp_1", output=["msg_1"])
    await a.put(kept)
    await a.put(entry("resp_2", parent="resp_1"))
    for store in (a, b):
        assert await store.log("resp_1", "me") == LOG
        assert await store.get("resp_1", "me") == without_log(kept)
        assert await store.chain("resp_2", "me") == [without_log(kept), entry("resp_2", parent="resp_1")]
    assert (kept.log, kept.log_until) == (LOG, START + 600)


async def test_a_log_that_is_not_there_is_empty(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(entry("resp_1"))
    await a.put(logged("late", until=START))
    for id in ("resp_1", "late", "unknown", "", "resp_\udcff", "a\x00b"):
        assert await b.log(id, "me") == b""


async def test_another_owner_reads_no_log(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(logged("resp_1"))
    for owner in ("you", "", "ME", "\udcff"):
        assert await b.log("resp_1", owner) == b""


async def test_a_log_ends_before_its_entry(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(logged("resp_1", until=START + 10))
    stores.clock.now = START + 9.999
    assert await b.log("resp_1", "me") == LOG
    stores.clock.now = START + 10
    assert await b.log("resp_1", "me") == b""
    assert await there(b, "resp_1") == ["resp_1"]


async def test_a_log_ends_with_its_entry(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(logged("deleted"))
    await a.put(logged("expired", expires_at=START + 10))
    await a.delete("deleted", "me")
    stores.clock.now += 10
    assert await b.log("deleted", "me") == await b.log("expired", "me") == b""
    await a.put(entry("deleted"))
    await a.put(entry("expired", expires_at=START + 100))
    assert await b.log("deleted", "me") == await b.log("expired", "me") == b""


async def test_a_put_replaces_the_log_too(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(logged("resp_1", b"queued", status="queued"))
    await a.put(logged("resp_1", b"whole"))
    assert await b.log("resp_1", "me") == b"whole"
    await a.put(entry("resp_1"))
    assert await b.log("resp_1", "me") == b""


async def test_a_log_goes_with_the_entry_that_is_too_many(stores: Stores) -> None:
    a, b = await stores.pair(max_responses=2)
    for n in range(3):
        await a.put(logged(f"resp_{n}", b"%d" % n))
    assert [await b.log(f"resp_{n}", "me") for n in range(3)] == [b"", b"1", b"2"]


async def test_beyond_the_bytes_the_oldest_logs_go_before_any_entry(stores: Stores) -> None:
    size = entry("resp_0").size
    a, b = await stores.pair(max_bytes=6 * size + 2500)
    ids = [f"resp_{n}" for n in range(6)]
    for id in ids[:5]:
        await a.put(logged(id, LOG[:1000]))
    assert await there(b, *ids) == ids[:5]
    assert [len(await b.log(id, "me")) for id in ids[:5]] == [0, 0, 0, 1000, 1000]
    await a.put(logged("resp_5", LOG[:2400]))
    assert await there(b, *ids) == ids
    assert [len(await b.log(id, "me")) for id in ids] == [0, 0, 0, 0, 0, 2400]
    await a.put(entry("more", text="x" * 2600))
    assert [len(await b.log(id, "me")) for id in ids] == [0] * 6
    assert "more" in await there(b, *ids, "more")


async def test_a_log_too_large_beside_its_entry_is_not_kept(stores: Stores) -> None:
    a, b = await stores.pair(max_bytes=3000)
    await a.put(logged("small", b"log"))
    await a.put(logged("large"))
    assert await there(b, "small", "large") == ["small", "large"]
    assert await b.log("large", "me") == b""
    assert await b.log("small", "me") == b"log"


async def test_the_log_of_what_is_not_finished_may_go_and_the_entry_not(stores: Stores) -> None:
    a, b = await stores.pair(max_bytes=3000)
    await a.put(logged("running", LOG[:1500], status="in_progress"))
    await a.put(entry("done", text="x" * 1600))
    assert await there(b, "running", "done") == ["running", "done"]
    assert await b.log("running", "me") == b""


async def test_logs_go_for_bytes_also_when_there_are_too_many_that_must_stay(stores: Stores) -> None:
    a, b = await stores.pair(max_responses=1, max_bytes=3000)
    await a.put(logged("queued", LOG[:1000], status="queued"))
    await a.put(logged("running", LOG[:1000], status="in_progress"))
    assert [len(await b.log(id, "me")) for id in ("queued", "running")] == [1000, 1000]
    await a.put(entry("more", text="x" * 1000, status="queued"))
    assert await there(b, "queued", "running", "more") == ["queued", "running", "more"]
    assert [len(await b.log(id, "me")) for id in ("queued", "running")] == [0, 1000]


async def test_a_process_that_lives_has_abandoned_nothing(stores: Stores) -> None:
    a, b = await stores.pair()
    for status in ("queued", "in_progress", "completed", "failed"):
        await a.put(entry(status, status=status))
    assert await a.abandoned() == await b.abandoned() == []
    stores.clock.now += 3600
    assert await there(b, "queued", "in_progress") == []
