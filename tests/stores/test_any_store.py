"""One suite for every implementation of the response store, on a clock of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from proxy.api.responses.made_ids import made_id
from proxy.stores.store import StoreFailed
from tests.support.store_kinds import RESPONSE_KINDS, Stores, there
from tests.support.stored import START, entry, raw


@pytest.fixture(params=RESPONSE_KINDS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    made = Stores(request.param, tmp_path)
    yield made
    await made.close()


async def test_what_was_put_is_found_as_it_was(stores: Stores) -> None:
    a, b = await stores.pair()
    kept = entry(
        "resp_1",
        given=["msg_1"],
        output=["msg_2", "msg_3"],
        text="grüße \u0000 \U0001f600" * 300,
        status="incomplete",
        parent="resp_0",
        deployment="local/small",
        model="fast",
        cost=Decimal("12.000000000345"),
    )
    await a.put(kept)
    assert await b.get("resp_1", "me") == kept
    assert await a.get("resp_1", "me") == kept


async def test_an_entry_may_hold_nothing_and_much(stores: Stores) -> None:
    a, b = await stores.pair()
    empty = entry("empty")
    large = entry("large", output=["msg_1"], text=random.Random(1).randbytes(300_000).hex())
    await a.put(empty)
    await a.put(large)
    assert await b.get("empty", "me") == empty
    assert await b.get("large", "me") == large


async def test_json_stays_as_it_was_to_the_byte(stores: Stores) -> None:
    a, b = await stores.pair()
    odd = msgspec.Raw(b'{ "id":"msg_1" ,\n "n": 1.50, "text":"\\u00e9\\/" }')
    await a.put(entry("resp_1", given=[odd], response=odd))
    found = await b.get("resp_1", "me")
    assert found is not None
    assert (bytes(found.input[0]), bytes(found.response)) == (bytes(odd), bytes(odd))
    assert bytes((await b.items(["msg_1"], "me"))["msg_1"]) == bytes(odd)


async def test_an_unknown_id_is_nowhere(stores: Stores) -> None:
    _, b = await stores.pair()
    for id in ("resp_1", "", "x" * 100_000, "resp_\udcff", "a\x00b", "'; DROP TABLE entries; --", "%", "../.."):
        assert await b.get(id, "me") is None
        assert await b.chain(id, "me") is None
        assert await b.delete(id, "me") is False
        assert await b.items([id, "msg_1"], "me") == {}
    assert await b.items([], "me") == {}


async def test_an_odd_owner_is_an_owner_like_others(stores: Stores) -> None:
    a, b = await stores.pair()
    for owner in ("", "Ünï", "a'b\"c", "x\x00y"):
        await a.put(entry(f"resp_{owner}", owner=owner, output=[f"msg_{owner}"]))
        assert await b.get(f"resp_{owner}", owner) is not None
        assert list(await b.items([f"msg_{owner}"], owner)) == [f"msg_{owner}"]
        assert await b.get(f"resp_{owner}", owner + "\x00") is None
        assert await b.items([f"msg_{owner}\x00", "msg_x"], owner) == {}
    assert await b.get("resp_", "\udcff") is None


async def test_another_owner_sees_nothing(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(entry("resp_1", given=["msg_1"], output=["msg_2"]))
    for owner in ("you", "", "ME", "me "):
        assert await b.get("resp_1", owner) is None
        assert await b.chain("resp_1", owner) is None
        assert await b.items(["msg_1", "msg_2"], owner) == {}
        assert await b.delete("resp_1", owner) is False
    assert await there(a, "resp_1") == ["resp_1"]


async def test_the_same_item_id_of_two_owners_is_two_items(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(entry("resp_1", given=["msg_1"], text="mine"))
    await a.put(entry("resp_2", given=["msg_1"], text="yours", owner="you"))
    assert b"mine" in bytes((await b.items(["msg_1"], "me"))["msg_1"])
    assert b"yours" in bytes((await b.items(["msg_1"], "you"))["msg_1"])


async def test_a_put_replaces_what_was_there(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(entry("resp_1", output=["msg_1"], status="in_progress"))
    assert await b.get("resp_1", "me") is not None
    changed = entry("resp_1", output=["msg_2"], status="completed")
    await a.put(changed)
    assert await b.get("resp_1", "me") == changed
    assert list(await b.items(["msg_1", "msg_2"], "me")) == ["msg_2"]
    assert await b.chain("resp_1", "me") == [changed]


async def test_what_was_deleted_is_gone_everywhere(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(entry("resp_1", output=["msg_1"]))
    await a.put(entry("resp_2", parent="resp_1"))
    assert await b.chain("resp_2", "me") is not None
    assert await a.delete("resp_1", "me") is True
    assert await b.delete("resp_1", "me") is False
    assert await b.get("resp_1", "me") is None
    assert await b.items(["msg_1"], "me") == {}
    assert await b.chain("resp_2", "me") is None
    await b.put(entry("resp_1", output=["msg_9"]))
    assert await a.chain("resp_2", "me") is not None


async def test_a_chain_begins_with_the_oldest(stores: Stores) -> None:
    a, b = await stores.pair()
    turns = [entry(f"resp_{n}", given=[f"in_{n}"], parent=f"resp_{n - 1}" if n else None) for n in range(200)]
    for turn in random.Random(2).sample(turns, len(turns)):
        await a.put(turn)
    assert await b.chain("resp_199", "me") == turns
    assert await b.chain("resp_199", "me") == turns
    assert await b.chain("resp_40", "me") == turns[:41]
    assert await b.chain("resp_0", "me") == turns[:1]


async def test_a_chain_may_fork(stores: Stores) -> None:
    a, b = await stores.pair()
    root = entry("root")
    left, right = entry("left", parent="root"), entry("right", parent="root")
    tip = entry("tip", parent="left")
    for each in (root, left, right, tip):
        await a.put(each)
    assert await b.chain("tip", "me") == [root, left, tip]
    assert await b.chain("right", "me") == [root, right]


async def test_a_chain_with_a_gap_is_none(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(entry("lost", parent="never there"))
    await a.put(entry("theirs", owner="you"))
    await a.put(entry("on theirs", parent="theirs"))
    await a.put(entry("short-lived", expires_at=START + 10))
    await a.put(entry("on it", parent="short-lived"))
    assert await b.chain("lost", "me") is None
    assert await b.chain("on theirs", "me") is None
    assert await b.chain("on it", "me") is not None
    stores.clock.now += 10
    assert await b.chain("on it", "me") is None
    assert await there(b, "on it") == ["on it"]


async def test_a_circle_is_no_chain(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(entry("self", parent="self"))
    await a.put(entry("one", parent="two"))
    await a.put(entry("two", parent="three"))
    await a.put(entry("three", parent="two"))
    for id in ("self", "one", "two", "three"):
        assert await asyncio.wait_for(b.chain(id, "me"), 5) is None


async def test_items_of_many_responses_come_at_once(stores: Stores) -> None:
    a, b = await stores.pair()
    for n in range(20):
        await a.put(entry(f"resp_{n}", given=[f"in_{n}"], output=[f"out_{n}", f"more_{n}"], text=f"text {n}"))
    wanted = ["out_3", "in_3", "in_17", "unknown", "more_0", "out_3"]
    found = await b.items(wanted, "me")
    assert set(found) == {"out_3", "in_3", "in_17", "more_0"}
    assert msgspec.json.decode(found["in_17"]) == {
        "type": "message", "id": "in_17", "role": "user", "content": "text 17"
    }  # fmt: skip


async def test_an_item_that_was_sent_again_is_that_of_the_last_put(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(entry("resp_1", given=["msg_1"], text="first"))
    await a.put(entry("resp_2", given=["msg_1"], text="second"))
    assert b"second" in bytes((await b.items(["msg_1"], "me"))["msg_1"])
    await a.put(entry("resp_1", given=["msg_1"], text="third"))
    assert b"third" in bytes((await b.items(["msg_1"], "me"))["msg_1"])
    await a.delete("resp_1", "me")
    assert b"second" in bytes((await b.items(["msg_1"], "me"))["msg_1"])
    await a.delete("resp_2", "me")
    assert await b.items(["msg_1"], "me") == {}


async def test_items_without_a_good_id_are_kept_and_never_found(stores: Stores) -> None:
    a, b = await stores.pair()
    odd = [raw({"type": "message"}), raw({"id": 5}), raw("text"), raw(None), raw({"id": None}), raw({"id": ""})]
    kept = entry("resp_1", given=odd, output=[raw({"id": "msg_1"}), raw({"id": "msg_1", "n": 2})])
    await a.put(kept)
    assert await b.get("resp_1", "me") == kept
    assert await b.items(["5", "msg_1", "None"], "me") == {"msg_1": raw({"id": "msg_1", "n": 2})}


async def test_nothing_is_returned_once_it_has_expired(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(entry("short", output=["msg_1"], expires_at=START + 10))
    await a.put(entry("long", expires_at=START + 20))
    stores.clock.now = START + 9.999
    assert await there(b, "short", "long") == ["short", "long"]
    assert list(await b.items(["msg_1"], "me")) == ["msg_1"]
    stores.clock.now = START + 10
    assert await there(b, "short", "long") == ["long"]
    assert await b.items(["msg_1"], "me") == {}
    assert await b.delete("short", "me") is False
    await a.put(entry("short", expires_at=START + 30))
    assert await there(b, "short", "long") == ["short", "long"]


async def test_an_expiry_that_was_put_off_is_put_off(stores: Stores) -> None:
    a, b = await stores.pair()
    await a.put(entry("resp_1", status="in_progress", expires_at=START + 10))
    await a.put(entry("resp_1", expires_at=START + 100))
    stores.clock.now = START + 50
    assert await there(b, "resp_1") == ["resp_1"]


async def test_beyond_the_count_the_oldest_go(stores: Stores) -> None:
    a, b = await stores.pair(max_responses=3)
    for n in range(5):
        await a.put(entry(f"resp_{n}", output=[f"msg_{n}"]))
    assert await there(b, *(f"resp_{n}" for n in range(5))) == ["resp_2", "resp_3", "resp_4"]
    assert set(await b.items([f"msg_{n}" for n in range(5)], "me")) == {"msg_2", "msg_3", "msg_4"}
    await a.put(entry("resp_2"))
    await a.put(entry("resp_5"))
    assert await there(b, "resp_2", "resp_3", "resp_4", "resp_5") == ["resp_2", "resp_4", "resp_5"]


async def test_beyond_the_bytes_the_oldest_go(stores: Stores) -> None:
    size = entry("resp_0", output=["msg_0"], text="x" * 1000).size
    a, b = await stores.pair(max_bytes=3 * size)
    for n in range(5):
        await a.put(entry(f"resp_{n}", output=[f"msg_{n}"], text="x" * 1000))
    assert await there(b, *(f"resp_{n}" for n in range(5))) == ["resp_2", "resp_3", "resp_4"]
    await a.put(entry("resp_5", output=["msg_5"], text="x" * 2000))
    assert await there(b, "resp_2", "resp_3", "resp_4", "resp_5") == ["resp_4", "resp_5"]


async def test_what_is_not_finished_stays(stores: Stores) -> None:
    a, b = await stores.pair(max_responses=2)
    for id, status in (("queued", "queued"), ("running", "in_progress"), ("done", "completed")):
        await a.put(entry(id, status=status))
    assert await there(b, "queued", "running", "done") == ["queued", "running", "done"]
    await a.put(entry("failed", status="failed"))
    assert await there(b, "queued", "running", "done", "failed") == ["queued", "running", "failed"]
    await a.put(entry("running", status="cancelled"))
    assert await there(b, "queued", "running", "failed") == ["queued", "running"]


async def test_what_has_expired_goes_before_what_has_not(stores: Stores) -> None:
    a, b = await stores.pair(max_responses=3)
    await a.put(entry("long"))
    await a.put(entry("short", expires_at=START + 10, status="in_progress"))
    await a.put(entry("longer"))
    stores.clock.now += 10
    await a.put(entry("new"))
    assert await there(b, "long", "longer", "new") == ["long", "longer", "new"]


async def test_one_larger_than_all_may_be_is_refused(stores: Stores) -> None:
    store = await stores.one(max_bytes=1000)
    await store.put(entry("small"))
    with pytest.raises(StoreFailed, match=r"large.*keeps 1000"):
        await store.put(entry("large", text="x" * 1000))
    assert await there(store, "small", "large") == ["small"]


async def test_nobody_can_change_what_is_kept(stores: Stores) -> None:
    store = await stores.one()
    put = entry("resp_1", given=["msg_1"], output=["msg_2"])
    await store.put(put)
    put.input.clear()
    put.status = "queued"
    for _ in range(2):
        got = await store.get("resp_1", "me")
        assert got is not None
        assert (len(got.input), len(got.output), got.status) == (1, 1, "completed")
        got.output.clear()
        got.status = "failed"
        (chained,) = await store.chain("resp_1", "me") or []
        assert (len(chained.output), chained.status) == (1, "completed")
        chained.input.clear()


async def test_many_at_once_read_what_they_wrote(stores: Stores) -> None:
    pair = await stores.pair()

    async def client(number: int) -> None:
        writer, reader = pair[number % 2], pair[(number + 1) % 2]
        parent = None
        for turn in range(6):
            id = f"resp_{number}_{turn}"
            await writer.put(entry(id, output=[f"msg_{number}_{turn}"], parent=parent, text=id))
            line = await reader.chain(id, "me")
            assert line is not None
            assert len(line) == turn + 1
            assert list(await reader.items([f"msg_{number}_{turn}"], "me")) == [f"msg_{number}_{turn}"]
            writer, reader, parent = reader, writer, id
        assert await reader.delete(parent or "", "me")
        assert await writer.get(parent or "", "me") is None

    await asyncio.gather(*map(client, range(50)))


async def test_a_caller_that_leaves_loses_nothing(stores: Stores) -> None:
    a, b = await stores.pair()
    puts = [asyncio.ensure_future(a.put(entry(f"resp_{n}"))) for n in range(20)]
    gets = [asyncio.ensure_future(b.get(f"resp_{n}", "me")) for n in range(20)]
    await asyncio.sleep(0)
    for task in (*puts[::2], *gets):
        task.cancel()
    await asyncio.gather(*puts, *gets, return_exceptions=True)
    await a.put(entry("last"))
    ids = [f"resp_{n}" for n in range(20)]
    assert await there(b, *ids, "last") == [*ids, "last"]


OWN, OTHER = "resp_" + "0" * 48, "resp_" + "1" * 48


async def test_an_item_that_names_its_response_is_found_there(stores: Stores) -> None:
    a, b = await stores.pair()
    ids = [made_id(OWN, "msg", 0x8000), made_id(OWN, "rs", 0), made_id(OWN, "fc", 1)]
    await a.put(entry(OWN, given=ids[:1], output=[*ids[1:], "msg_1"], text="first"))
    assert set(await b.items([*ids, "msg_1", made_id(OWN, "fc", 2), made_id(OTHER, "fc", 1)], "me")) == {*ids, "msg_1"}
    assert await b.items(ids, "you") == {}
    await a.put(entry(OWN, given=ids[:1], text="second"))
    assert await b.items(ids, "me") == {ids[0]: entry(OWN, given=ids[:1], text="second").input[0]}
    stores.clock.now += 3600
    assert await b.items(ids, "me") == {}


async def test_an_item_that_names_another_response_is_found_there_alone(stores: Stores) -> None:
    a, b = await stores.pair()
    id = made_id(OWN, "msg", 0)
    await a.put(entry(OTHER, given=[id], text="sent again"))
    assert await b.items([id], "me") == {}
    await a.put(entry(OWN, output=[id], text="made"))
    await a.put(entry(OTHER, given=[id], text="sent again"))
    assert b"made" in bytes((await b.items([id], "me"))[id])
    await a.delete(OWN, "me")
    assert await b.items([id], "me") == {}


async def test_a_great_many_items_are_found_at_once(stores: Stores) -> None:
    a, b = await stores.pair()
    ids = [f"in_{n}" for n in range(1200)]
    responses = [f"resp_{n:048x}" for n in range(1200)]
    made = [made_id(response, "msg", 0) for response in responses]
    await a.put(entry("first", given=ids, text="old"))
    await a.put(entry("second", given=ids[::3], text="new"))
    await asyncio.gather(*(a.put(entry(response, output=[id])) for response, id in zip(responses, made, strict=True)))
    found = await b.items([*ids, *made], "me")
    assert set(found) == {*ids, *made}
    assert [b"new" in bytes(found[id]) for id in ids] == [n % 3 == 0 for n in range(1200)]
