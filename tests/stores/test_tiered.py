"""The store of two tiers over moto's S3: what leaves the disk is found in the bucket, nothing is lost or comes back."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.api.responses.made_ids import made_id
from proxy.config.types import Duration, Secret, Size
from proxy.stores.bounds import Bounds
from proxy.stores.cold_object import key_of, packed, unpacked
from proxy.stores.sqlite import SqliteStore
from proxy.stores.sqlite_cold import ColdRule
from proxy.stores.store import Entry, StoreFailed, StoreUnavailable
from proxy.stores.tiered import TieredStore
from tests.support.cold import Tiers, tiers
from tests.support.cold_bucket import MemoryBucket, until
from tests.support.s3 import s3_server
from tests.support.store_files import check_sums, rows
from tests.support.stored import START, Clock, entry

LONG = START + 30 * 86400
OURS = [f"resp_{n:048x}" for n in range(40)]


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Tiers]:
    with s3_server() as server:
        async with tiers(server, tmp_path) as made:
            yield made


def kept(id: str, **fields: object) -> Entry:
    return entry(id, **{"expires_at": LONG, "given": [f"in_{id}"], "output": [f"out_{id}"], **fields})


async def test_4_8_what_was_written_under_a_prefix_is_read_under_it(host: Tiers) -> None:
    store = await host.store(prefix="/archive/of us/".replace(" ", "-"))
    one = kept(OURS[1], deployment="local/small", model="fast", text="grüße \U0001f600")
    await store.put(one)
    await host.until_alone(one.id)
    assert host.keys() == [key_of("archive/of-us", "me", one.id)]
    assert host.keys()[0].startswith("archive/of-us/")
    assert await store.get(one.id, "me") == one
    assert await store.chain(one.id, "me") == [one]
    assert await store.items([f"in_{one.id}", "other"], "me") == {f"in_{one.id}": one.input[0]}
    assert unpacked(host.object(host.keys()[0]), one.id, "me") == one


async def test_20_turns_are_read_back_in_order_and_after_a_restart(host: Tiers) -> None:
    store = await host.store()
    turns = [kept(OURS[n], text=f"turn {n}", parent=OURS[n - 1] if n else None) for n in range(20)]
    for turn in turns:
        await store.put(turn)
    await host.until_alone(*OURS[:20])
    assert host.rows("SELECT count(*) FROM entries WHERE length(body) > 0") == [(0,)]
    assert await store.chain(OURS[19], "me") == turns
    await store.put(kept(OURS[20], parent=OURS[19]))
    assert len(await store.chain(OURS[20], "me") or ()) == 21
    await host.close(store)
    again = await host.store()
    assert (await again.chain(OURS[20], "me") or [])[:20] == turns
    assert await again.items([f"out_{OURS[7]}", f"in_{OURS[19]}"], "me") == {
        f"out_{OURS[7]}": turns[7].output[0], f"in_{OURS[19]}": turns[19].input[0]
    }  # fmt: skip
    assert await again.chain(OURS[12], "me") == turns[:13]


async def test_another_host_and_a_lost_disk_find_it(host: Tiers, tmp_path: Path) -> None:
    store = await host.store()
    item = made_id(OURS[1], "msg", 3)
    turns = [kept(OURS[0]), kept(OURS[1], parent=OURS[0], output=[item])]
    for turn in turns:
        await store.put(turn)
    await host.until_alone(*OURS[:2])
    other = await host.store(tmp_path / "other.db")
    assert await other.get(OURS[0], "me") == turns[0]
    assert await other.chain(OURS[1], "me") == turns
    assert await other.items([item], "me") == {item: turns[1].output[0]}
    assert await other.get(OURS[0], "you") is None
    assert await other.get(OURS[5], "me") is None
    assert await other.delete(OURS[0], "you") is False
    assert await other.delete(OURS[0], "me") is True
    assert await other.get(OURS[0], "me") is None
    await until(lambda: len(host.keys()) == 1)
    assert await other.chain(OURS[1], "me") is None


async def test_another_owner_sees_nothing_even_with_the_object_under_his_key(host: Tiers) -> None:
    store = await host.store()
    await store.put(kept(OURS[0]))
    await host.until_alone(OURS[0])
    client = host.server.client()
    client.put_object(Bucket=host.bucket, Key=key_of("penstock/kept", "you", OURS[0]), Body=packed(kept(OURS[0])))
    for owner in ("you", "", "ME"):
        assert await store.get(OURS[0], owner) is None
        assert await store.chain(OURS[0], owner) is None
        assert await store.delete(OURS[0], owner) is False
    assert await store.get(OURS[0], "me") is not None


async def test_an_outage_loses_nothing_and_is_said_once(host: Tiers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "penstock")
    store = await host.store()
    await store.put(kept(OURS[0]))
    await host.until_alone(OURS[0])
    host.server.stop()
    for n in range(1, 12):
        await store.put(kept(OURS[n], parent=OURS[n - 1]))
    await until(lambda: store.mover._failed > 1)
    assert set(host.states().values()) == {0, 2}
    assert await store.get(OURS[7], "me") == kept(OURS[7], parent=OURS[6])
    for asked in (store.get(OURS[0], "me"), store.chain(OURS[5], "me"), store.get(OURS[30], "me")):
        with pytest.raises(StoreUnavailable):
            await asked
    assert await store.get("no id of ours", "me") is None
    assert await store.delete(OURS[0], "me") is True
    assert await store.get(OURS[0], "me") is None
    host.server.start()
    await host.until_alone(*OURS[1:12])
    await host.until_gone(again=True)
    assert host.keys() == sorted(key_of("penstock/kept", "me", id) for id in OURS[1:12])
    assert [await store.get(id, "me") is not None for id in OURS[:12]] == [False] + [True] * 11
    said = [record.message for record in caplog.records]
    assert len([one for one in said if "takes nothing" in one]) == 1
    assert len([one for one in said if "takes responses again" in one]) == 1
    where = f"s3://{host.bucket}/penstock/kept"
    assert len([one for one in said if one.startswith(f"{where}: ") and "again" not in one]) == 1, "of all that failed"
    assert said.count(f"{where} answers again") == 1
    check_held(host)


def check_held(host: Tiers) -> None:
    """Asserts that the file is whole, and what left it is not counted."""
    check_sums(host.path, "WHERE size > 0")


async def test_what_waits_is_written_after_a_restart_and_once(host: Tiers) -> None:
    host.server.stop()
    store = await host.store(flush=Duration(0.2))
    for n in range(5):
        await store.put(kept(OURS[n]))
    await host.close(store)
    assert host.states() == dict.fromkeys(OURS[:5], 0)
    host.server.start()
    again = await host.store()
    await host.until_alone(*OURS[:5])
    assert again.mover.moved == 5
    assert len(host.keys()) == 5


async def test_the_end_of_a_worker_waits_for_the_bucket(host: Tiers) -> None:
    store = await host.store(after=Duration(3600))
    for n in range(20):
        await store.put(kept(OURS[n]))
    await host.close(store)
    assert len(host.keys()) == 20
    assert set(host.states().values()) == {1}


async def test_two_workers_write_each_response_once(host: Tiers) -> None:
    a, b = await host.store(), await host.store()
    await asyncio.gather(*((a, b)[n % 2].put(kept(OURS[n])) for n in range(40)))
    await host.until_alone(*OURS)
    assert a.mover.moved + b.mover.moved == 40
    assert 0 in (a.mover.moved, b.mover.moved)
    assert await b.get(OURS[0], "me") == kept(OURS[0])
    await host.close(a if a.mover.moved else b)
    survivor = host.open[0]
    await survivor.put(kept("resp_late"))
    await host.until_alone("resp_late")
    assert survivor.mover.moved == 1
    check_held(host)


async def test_what_is_deleted_does_not_come_back(host: Tiers) -> None:
    store = await host.store()
    for n in range(10):
        await store.put(kept(OURS[n]))
        if n % 2:
            await asyncio.sleep(0)
            assert await store.delete(OURS[n], "me") is True
    await host.until_alone(*OURS[0:10:2])
    await host.until_gone(again=True)
    assert host.keys() == sorted(key_of("penstock/kept", "me", id) for id in OURS[0:10:2])
    assert await store.get(OURS[1], "me") is None
    # An upload that was cut off arrives only now: it is not seen, and removed a while later.
    client = host.server.client()
    client.put_object(Bucket=host.bucket, Key=key_of("penstock/kept", "me", OURS[1]), Body=packed(kept(OURS[1])))
    assert await store.get(OURS[1], "me") is None
    host.clock.now += 301
    await host.until_gone()
    assert len(host.keys()) == 5
    await store.put(kept(OURS[1]))
    await host.until_alone(OURS[1])
    assert await store.get(OURS[1], "me") == kept(OURS[1])


async def test_what_has_expired_is_gone_from_both(host: Tiers) -> None:
    store = await host.store()
    await store.put(kept(OURS[0], expires_at=START + 5000))
    await store.put(kept(OURS[1]))
    await host.until_alone(*OURS[:2])
    assert len(host.keys()) == 2
    host.clock.now = START + 5000
    assert await store.get(OURS[0], "me") is None
    await until(lambda: len(host.keys()) == 1)
    assert await store.get(OURS[1], "me") is not None
    assert host.rows("SELECT count(*) FROM entries") == [(1,)]


async def test_what_is_not_to_be_kept_long_or_is_not_finished_is_not_moved(host: Tiers) -> None:
    store = await host.store()
    await store.put(kept(OURS[0], expires_at=START + 600))
    await store.put(kept(OURS[1], status="in_progress"))
    await store.put(kept(OURS[2]))
    await host.until_alone(OURS[2])
    assert host.keys() == [key_of("penstock/kept", "me", OURS[2])]
    await store.put(kept(OURS[1]))
    await host.until_alone(OURS[1])


async def test_the_disk_forgets_what_is_in_the_bucket_first(host: Tiers) -> None:
    size = kept(OURS[0], text="x" * 1000).size
    store = await host.store(bounds=Bounds(max_bytes=4 * size), after=Duration(86400))
    for n in range(10):
        await store.put(kept(OURS[n], text="x" * 1000))
        await until(lambda n=n: host.states().get(OURS[n], 0) > 0)
    assert sorted(host.states().values()) == [1] * 4 + [2] * 6
    assert [await store.get(id, "me") is not None for id in OURS[:10]] == [True] * 10
    check_held(host)


async def test_the_disk_keeps_what_the_bucket_has_not_got_while_there_is_room(
    host: Tiers, caplog: pytest.LogCaptureFixture
) -> None:
    host.server.stop()
    size = kept(OURS[0], text="x" * 1000).size
    store = await host.store(bounds=Bounds(max_bytes=4 * size), backlog=Size(4 * size), flush=Duration(0))
    for n in range(8):
        await store.put(kept(OURS[n], text="x" * 1000))
    assert [await store.get(id, "me") is not None for id in OURS[:8]] == [True] * 8
    assert store.local.writing.lost == 0
    for n in range(8, 10):
        await store.put(kept(OURS[n], text="x" * 1000))
    assert host.rows("SELECT count(*) FROM entries") == [(8,)]
    assert store.local.writing.lost == 2
    assert "1 more responses are lost" in caplog.text
    told = {measure.name.removeprefix("penstock_cold_"): measure.value for measure in store.measures()}
    assert (told["lost_responses_total"], told["moved_responses_total"]) == (2, 0)
    await until(lambda: any("waiting" in one.name and one.value == 8 for one in store.measures()))
    host.server.start()
    await until(lambda: store.mover.moved == 8)
    check_held(host)


async def test_without_content_the_bucket_says_what_it_was_and_no_word_of_it(host: Tiers) -> None:
    store = await host.store(content="none")
    await store.put(kept(OURS[0], text="a secret thing"))
    await until(lambda: host.states()[OURS[0]] == 1)
    (key,) = host.keys()
    assert b"secret thing" not in host.plain(key)
    assert b'"model":"small"' in host.plain(key)
    assert await store.get(OURS[0], "me") == kept(OURS[0], text="a secret thing")
    assert await store.get(OURS[1], "me") is None


async def test_what_was_kept_before_there_was_a_bucket_is_moved_too(host: Tiers) -> None:
    alone = SqliteStore(host.path, clock=host.clock)
    await alone.start()
    for id, status in ((OURS[0], "completed"), (OURS[1], "completed"), (OURS[2], "in_progress")):
        await alone.put(kept(id, status=status))
    await alone.close()
    store = await host.store()
    await host.until_alone(*OURS[:2])
    assert await store.get(OURS[1], "me") == kept(OURS[1])
    await host.close(store)
    alone = SqliteStore(host.path, clock=host.clock)  # without the bucket what has left is not there
    await alone.start()
    assert await alone.get(OURS[1], "me") is None
    assert await alone.chain(OURS[1], "me") is None
    assert await alone.delete(OURS[1], "me") is True
    await alone.close()
    await host.store()
    await until(lambda: len(host.keys()) == 1)


async def test_an_object_that_is_damaged_or_missing(host: Tiers, caplog: pytest.LogCaptureFixture) -> None:
    store = await host.store()
    for n in range(2):
        await store.put(kept(OURS[n]))
    await host.until_alone(*OURS[:2])
    client = host.server.client()
    client.put_object(Bucket=host.bucket, Key=key_of("penstock/kept", "me", OURS[0]), Body=b"noise")
    client.delete_object(Bucket=host.bucket, Key=key_of("penstock/kept", "me", OURS[1]))
    with pytest.raises(StoreFailed, match="damaged in the cold store"):
        await store.get(OURS[0], "me")
    assert await store.get(OURS[1], "me") is None
    assert f"{OURS[1]} is not in s3://{host.bucket}/penstock/kept any more" in caplog.text


@pytest.mark.parametrize("own_key", [False, True])
async def test_encryption_and_class_are_asked_for(host: Tiers, own_key: bool) -> None:
    if own_key:
        key = base64.b64encode(os.urandom(32)).decode()
        store = await host.store(customer_key=Secret(key))
    else:
        store = await host.store(encryption="aws:kms", kms_key="alias/kept", storage_class="STANDARD_IA")
    seen: list[dict[str, str]] = []
    client = await store.bucket._made()
    client.meta.events.register("before-send.s3", lambda request, **_: seen.append(dict(request.headers)))
    await store.put(kept(OURS[0]))
    await host.until_alone(OURS[0])
    assert await store.get(OURS[0], "me") == kept(OURS[0])
    sent = {name.lower(): text(value) for one in seen for name, value in one.items()}
    if own_key:
        assert sent["x-amz-server-side-encryption-customer-key"] == key
        assert "x-amz-server-side-encryption-customer-key-md5" in {name.lower() for name in seen[-1]}
    else:
        assert sent["x-amz-server-side-encryption"] == "aws:kms"
        assert sent["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/kept"
        assert sent["x-amz-storage-class"] == "STANDARD_IA"


def text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


async def test_what_changes_while_it_is_on_its_way_ends_as_it_is_now(tmp_path: Path) -> None:
    class Slow(MemoryBucket):
        def __init__(self) -> None:
            super().__init__()
            self.asked, self.go = asyncio.Event(), asyncio.Event()

        async def put(self, owner: str, id: str, body: bytes) -> None:
            self.asked.set()
            await self.go.wait()
            await super().put(owner, id, body)

    bucket, clock = Slow(), Clock()
    local = SqliteStore(tmp_path / "kept.db", clock=clock, cold=ColdRule(after_s=0.0))
    store = TieredStore(local, bucket, poll_s=0.01, clock=clock)
    await store.start()
    try:
        for id in ("deleted", "replaced"):
            await store.put(kept(id))
        await bucket.asked.wait()
        assert await store.delete("deleted", "me") is True
        await store.put(kept("replaced", text="newer"))
        bucket.go.set()
        await until(lambda: rows(local.path, "SELECT state FROM cold WHERE state = 0") == [])
        await until(lambda: rows(local.path, "SELECT id FROM cold_gone WHERE again") == [])
        assert set(bucket.objects) == {("me", "replaced")}
        found = unpacked(bucket.objects["me", "replaced"], "replaced", "me")
        assert found == kept("replaced", text="newer")
    finally:
        await store.close()
