"""One suite for every implementation of the store of conversations, on a clock of its own."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from proxy.stores.conversations import (
    ConversationFull,
    ConversationLocked,
    ConversationStore,
    NoSuchItem,
)
from tests.support.store_kinds import KINDS, ConversationStores
from tests.support.stored import START, raw
from tests.support.talks import conversation, ids_of, plain, said, there


@pytest.fixture(params=KINDS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ConversationStores]:
    made = ConversationStores(request.param, tmp_path)
    yield made
    await made.close()


async def all_of(store: ConversationStore, id: str = "conv_1") -> list[str]:
    return ids_of(await store.items(id, "me"))


async def test_a_conversation_is_found_as_it_was_made(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    made = conversation(topic="tea", note="grüße \U0001f600")
    await a.create(made, said("msg_1", "msg_2"))
    assert await b.get("conv_1", "me") == made
    assert ids_of(await b.items("conv_1", "me")) == ["msg_1", "msg_2"]


async def test_items_stay_as_they_were_to_the_byte(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    odd = msgspec.Raw(b'{ "id":"msg_1" ,\n "n": 1.50, "text":"\\u00e9\\/" }')
    large = raw({"id": "msg_2", "text": random.Random(1).randbytes(300_000).hex()})
    await a.create(conversation(), [odd])
    assert await a.append("conv_1", "me", [large]) == [large]
    assert await b.items("conv_1", "me") == [odd, large]
    assert await b.item("conv_1", "me", "msg_2") == large
    assert await b.claim("conv_1", "me", "t") == [odd, large]


async def test_an_item_without_an_id_gets_one(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation())
    call = raw({"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"})
    kept = await a.append("conv_1", "me", [*said(None, None), call, raw({"role": "user", "content": "x", "id": None})])
    ids = ids_of(kept)
    assert [id.partition("_")[0] for id in ids] == ["msg", "msg", "fc", "msg"]
    assert len(set(ids)) == 4
    assert plain(kept[3] if kept else None) == {"role": "user", "content": "x", "id": ids[3], "type": "message"}
    assert await b.items("conv_1", "me") == kept


async def test_an_id_that_is_taken_is_not_given_again(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation(), said("msg_1", "msg_1"))
    await b.append("conv_1", "me", said("msg_1", "msg_2"))
    ids = await all_of(a)
    assert len(set(ids)) == 4
    assert (ids[0], ids[3]) == ("msg_1", "msg_2")
    await a.create(conversation("conv_2"), said("msg_1"))
    assert await all_of(b, "conv_2") == ["msg_1"]


async def test_an_unknown_id_is_nowhere(stores: ConversationStores) -> None:
    _, b = await stores.pair()
    for id in ("conv_1", "", "x" * 100_000, "conv_\udcff", "a\x00b", "'; DROP TABLE conversations; --", "%"):
        assert await b.get(id, "me") is None
        assert await b.set_metadata(id, "me", raw({})) is None
        assert await b.append(id, "me", said("msg_1")) is None
        assert await b.page(id, "me", limit=1, newest_first=True) is None
        assert await b.item(id, "me", "msg_1") is None
        assert await b.delete_item(id, "me", "msg_1") is None
        assert await b.items(id, "me") is None
        assert await b.claim(id, "me", "t") is None
        assert await b.delete(id, "me") is False


async def test_an_unknown_item_is_nowhere(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation(), said("msg_1"))
    for id in ("msg_2", "", "x" * 100_000, "msg_\udcff", "a\x00b", "%"):
        assert await b.item("conv_1", "me", id) is None
        assert await b.delete_item("conv_1", "me", id) is None
        with pytest.raises(NoSuchItem):
            await b.page("conv_1", "me", limit=5, newest_first=True, after=id)


async def test_another_owner_sees_nothing(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation(topic="tea"), said("msg_1"))
    for owner in ("you", "", "ME", "me "):
        assert await b.get("conv_1", owner) is None
        assert await b.set_metadata("conv_1", owner, raw({})) is None
        assert await b.append("conv_1", owner, said("msg_2")) is None
        assert await b.page("conv_1", owner, limit=1, newest_first=True) is None
        assert await b.item("conv_1", owner, "msg_1") is None
        assert await b.delete_item("conv_1", owner, "msg_1") is None
        assert await b.items("conv_1", owner) is None
        assert await b.claim("conv_1", owner, "t") is None
        assert await b.release("conv_1", owner, "t", said("msg_3")) is False
        assert await b.delete("conv_1", owner) is False
    assert await all_of(a) == ["msg_1"]
    assert await a.get("conv_1", "me") == conversation(topic="tea")


async def test_metadata_is_replaced_as_a_whole(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation(topic="tea", mood="good"), said("msg_1"))
    changed = conversation(topic="milk")
    assert await b.set_metadata("conv_1", "me", raw({"topic": "milk"})) == changed
    assert await a.get("conv_1", "me") == changed
    assert await all_of(a) == ["msg_1"]


async def test_what_was_deleted_is_gone_everywhere(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation(), said("msg_1"))
    assert await b.delete("conv_1", "me") is True
    assert await a.delete("conv_1", "me") is False
    assert await a.items("conv_1", "me") is None
    await a.create(conversation("conv_2"))
    assert await all_of(b, "conv_2") == []


async def test_pages_lead_through_all_items(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    ids = [f"msg_{n}" for n in range(25)]
    await a.create(conversation(), said(*ids[:20]))
    await a.append("conv_1", "me", said(*ids[20:]))
    for newest_first in (True, False):
        seen: list[str] = []
        more, after = True, None
        while more:
            page = await b.page("conv_1", "me", limit=7, newest_first=newest_first, after=after)
            assert page is not None
            assert page.ids == ids_of(page.items)
            seen += page.ids
            more, after = page.more, page.ids[-1]
        assert seen == (ids[::-1] if newest_first else ids)
    page = await b.page("conv_1", "me", limit=25, newest_first=False)
    assert page is not None
    assert page.more is False


async def test_a_page_of_nothing_is_empty(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation(), said("msg_1"))
    for after, order in (("msg_1", True), ("msg_1", False)):
        page = await b.page("conv_1", "me", limit=5, newest_first=order, after=after)
        assert page is not None
        assert (page.items, page.ids, page.more) == ([], [], False)


async def test_an_item_that_was_removed_leaves_no_gap(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation(), said("msg_1", "msg_2", "msg_3"))
    assert await b.delete_item("conv_1", "me", "msg_2") == conversation()
    assert await a.delete_item("conv_1", "me", "msg_2") is None
    assert await all_of(a) == ["msg_1", "msg_3"]
    await a.append("conv_1", "me", said("msg_2"))
    assert await all_of(b) == ["msg_1", "msg_3", "msg_2"]
    page = await b.page("conv_1", "me", limit=1, newest_first=True, after="msg_2")
    assert page is not None
    assert (page.ids, page.more) == (["msg_3"], True)


async def test_what_stood_before_an_item(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation(), said("msg_1", "msg_2", "msg_3", "msg_4"))
    assert ids_of(await b.items("conv_1", "me", before=["msg_4", "msg_3", "gone", "\udcff"])) == ["msg_1", "msg_2"]
    assert ids_of(await b.items("conv_1", "me", before=["gone"])) == ["msg_1", "msg_2", "msg_3", "msg_4"]
    assert await b.items("conv_1", "me", before=["msg_1"]) == []


async def test_one_writer_at_a_time(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation(), said("msg_1"))
    await a.create(conversation("conv_2"))
    assert ids_of(await a.claim("conv_1", "me", "t1")) == ["msg_1"]
    with pytest.raises(ConversationLocked):
        await b.claim("conv_1", "me", "t2")
    with pytest.raises(ConversationLocked):
        await b.append("conv_1", "me", said("msg_9"))
    with pytest.raises(ConversationLocked):
        await b.delete_item("conv_1", "me", "msg_1")
    assert await b.claim("conv_2", "me", "t2") == []
    assert ids_of(await a.claim("conv_1", "me", "t1")) == ["msg_1"]
    assert await all_of(b) == ["msg_1"]
    assert await a.release("conv_1", "me", "t1", said("msg_2", "msg_3")) is True
    assert ids_of(await b.claim("conv_1", "me", "t3")) == ["msg_1", "msg_2", "msg_3"]


async def test_letting_go_without_a_word_adds_nothing_and_twice_does_no_harm(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation(), said("msg_1"))
    await a.claim("conv_1", "me", "t1")
    assert await a.release("conv_1", "me", "t1") is True
    await b.claim("conv_1", "me", "t2")
    assert await a.release("conv_1", "me", "t1") is True
    with pytest.raises(ConversationLocked):
        await a.claim("conv_1", "me", "t1")
    assert await all_of(a) == ["msg_1"]
    assert await a.release("conv_9", "me", "t9") is False


async def test_what_was_said_is_kept_though_somebody_else_writes_by_now(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation())
    await a.claim("conv_1", "me", "t1")
    assert await b.release("conv_1", "me", "t0", said("msg_1")) is True
    assert await all_of(a) == ["msg_1"]
    with pytest.raises(ConversationLocked):
        await b.claim("conv_1", "me", "t2")


async def test_a_claim_ends_with_its_conversation(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation())
    await a.claim("conv_1", "me", "t1")
    assert await b.delete("conv_1", "me") is True
    assert await a.release("conv_1", "me", "t1", said("msg_1")) is False
    await a.create(conversation())
    assert await b.claim("conv_1", "me", "t2") == []


async def test_of_many_who_claim_at_once_one_gets_it(stores: ConversationStores) -> None:
    pair = await stores.pair()
    await pair[0].create(conversation())
    claims = [pair[n % 2].claim("conv_1", "me", f"t{n}") for n in range(20)]
    results = await asyncio.gather(*claims, return_exceptions=True)
    assert results.count([]) == 1
    assert sum(isinstance(result, ConversationLocked) for result in results) == 19


async def test_a_caller_that_left_can_let_go_of_what_it_got_too_late(stores: ConversationStores) -> None:
    a, b = await stores.pair()
    await a.create(conversation())
    claiming = asyncio.ensure_future(a.claim("conv_1", "me", "t1"))
    await asyncio.sleep(0)
    claiming.cancel()
    await asyncio.gather(claiming, return_exceptions=True)
    await a.release("conv_1", "me", "t1")
    assert await b.claim("conv_1", "me", "t2") == []


async def test_a_conversation_lives_from_change_to_change(stores: ConversationStores) -> None:
    a, b = await stores.pair(keep_s=10)
    ids = ("same", "appended", "changed", "claimed", "removed from")
    for id in ids:
        await a.create(conversation(id), said("msg_1"))
    stores.clock.now = START + 9
    await a.append("appended", "me", said("msg_2"))
    await a.set_metadata("changed", "me", raw({"a": "b"}))
    await a.claim("claimed", "me", "t1")
    await a.delete_item("removed from", "me", "msg_1")
    stores.clock.now = START + 10
    assert await there(b, *ids) == ["appended", "changed", "claimed", "removed from"]
    assert await b.delete("same", "me") is False
    stores.clock.now = START + 19
    assert await there(b, *ids) == []


async def test_what_is_being_written_to_does_not_expire(stores: ConversationStores) -> None:
    a, b = await stores.pair(keep_s=10)
    await a.create(conversation(), said("msg_1"))
    await a.claim("conv_1", "me", "t1")
    stores.clock.now += 11
    assert await b.get("conv_1", "me") is None
    assert await a.release("conv_1", "me", "t1", said("msg_2")) is True
    assert await all_of(b) == ["msg_1", "msg_2"]


async def test_beyond_the_count_those_unchanged_for_longest_go(
    stores: ConversationStores, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = await stores.pair(max_conversations=3)
    for n in range(3):
        await a.create(conversation(f"conv_{n}"), said("msg_1"))
        stores.clock.now += 1
    await b.append("conv_0", "me", said("msg_2"))
    stores.clock.now += 1
    with caplog.at_level(logging.WARNING, "penstock"):
        await a.create(conversation("conv_3"))
    assert await there(b, *(f"conv_{n}" for n in range(4))) == ["conv_0", "conv_2", "conv_3"]
    assert "too many conversations" in caplog.text


async def test_beyond_the_bytes_those_unchanged_for_longest_go(stores: ConversationStores) -> None:
    a, b = await stores.pair(max_bytes=5000)
    for n in range(4):
        await a.create(conversation(f"conv_{n}"), said("msg_1", text="x" * 1000))
        stores.clock.now += 1
    assert await there(b, *(f"conv_{n}" for n in range(4))) == ["conv_0", "conv_1", "conv_2", "conv_3"]
    await a.append("conv_0", "me", said("msg_2", text="x" * 1500))
    assert await there(b, *(f"conv_{n}" for n in range(4))) == ["conv_0", "conv_2", "conv_3"]
    await a.delete_item("conv_0", "me", "msg_2")
    stores.clock.now += 1
    await a.create(conversation("conv_4"), said("msg_1", text="x" * 1000))
    assert await there(b, *(f"conv_{n}" for n in range(5))) == ["conv_0", "conv_2", "conv_3", "conv_4"]


async def test_neither_what_is_written_to_nor_the_newest_is_too_many(stores: ConversationStores) -> None:
    a, b = await stores.pair(max_conversations=1)
    await a.create(conversation("conv_0"))
    await a.claim("conv_0", "me", "t1")
    stores.clock.now += 1
    await b.create(conversation("conv_1"))
    assert await there(b, "conv_0", "conv_1") == ["conv_0", "conv_1"]
    stores.clock.now += 1
    await a.release("conv_0", "me", "t1", said("msg_1"))
    assert await there(b, "conv_0", "conv_1") == ["conv_0"]


@pytest.mark.parametrize("bounds", [{"max_items": 3}, {"max_item_bytes": 200}])
async def test_a_full_conversation_takes_no_more(stores: ConversationStores, bounds: dict[str, int]) -> None:
    a, b = await stores.pair(**bounds)
    await a.create(conversation(), said("msg_1", "msg_2"))
    with pytest.raises(ConversationFull, match=r"^\d+ (items|bytes)$"):
        await b.append("conv_1", "me", said("msg_3", "msg_4"))
    assert await all_of(a) == ["msg_1", "msg_2"]
    await a.claim("conv_1", "me", "t1")
    await a.release("conv_1", "me", "t1", said("msg_3", "msg_4"))
    assert await all_of(b) == ["msg_1", "msg_2", "msg_3", "msg_4"]
    with pytest.raises(ConversationFull):
        await b.claim("conv_1", "me", "t2")
    for id in ("msg_1", "msg_2"):
        await b.delete_item("conv_1", "me", id)
    assert await b.claim("conv_1", "me", "t2") is not None


async def test_many_at_once_lose_nothing(stores: ConversationStores) -> None:
    pair = await stores.pair()

    async def client(number: int) -> None:
        id = f"conv_{number}"
        await pair[number % 2].create(conversation(id))
        for turn in range(6):
            writer, reader = pair[(number + turn) % 2], pair[(number + turn + 1) % 2]
            before = await writer.claim(id, "me", f"{id}.{turn}")
            assert before is not None
            assert len(before) == 2 * turn
            await writer.release(id, "me", f"{id}.{turn}", said(None, None))
            assert len(await reader.items(id, "me") or ()) == 2 * turn + 2

    await asyncio.gather(*map(client, range(30)))
