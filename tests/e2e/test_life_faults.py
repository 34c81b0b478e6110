"""The life of a response over a store that fails or is slow at a bad moment."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from proxy.api.responses.request import ResponsesRequest
from proxy.errors import Overloaded, UpstreamUnreachable
from proxy.exchange import Client, Exchange
from proxy.following import Nobody
from proxy.stage import Head, ResponseFilter, Stage
from proxy.stores.memory import MemoryStore
from proxy.stores.store import Entry, StoreFailed
from tests.support.hostile import until
from tests.support.house import House, house
from tests.support.scripted import ScriptedProvider, body, chunk, events_of, fails, finish, stream
from tests.support.store_kinds import GatedStore
from tests.support.talking import call

WHOLE = b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}'
HELLO = stream(chunk(content="Hel"), chunk(content="lo"), finish())


class Full(MemoryStore):
    """A store that takes no ends as long as it is full."""

    full = True

    async def put(self, entry: Entry) -> None:
        if self.full and entry.finished:
            raise StoreFailed("no space")
        await asyncio.sleep(0)
        await super().put(entry)


async def ended(home: House) -> tuple[str, bytes]:
    """Runs a background response to its end; returns its id and its stream."""
    before = len(home.watcher.ended)
    data = (await home.ask(stream=True, background=True))[2]
    await home.settled(before + 1)
    return events_of(data)[0][1]["response"]["id"], data


async def test_an_end_that_is_not_kept_is_told_all_the_same() -> None:
    async with house(ScriptedProvider("a", HELLO), store=Full()) as home:
        id, data = await ended(home)
        status, found = await call(home, "GET", f"/responses/{id}")
        assert (status, found["status"]) == (200, "completed")
        assert (await call(home, "POST", f"/responses/{id}/cancel"))[1] == found
        async with home.session.get(f"{home.url}/responses/{id}?stream=true") as response:
            assert await response.read() == data


async def test_ends_that_are_not_kept_may_be_asked_for_by_many_at_once() -> None:
    store = Full()
    async with house(ScriptedProvider("a", HELLO), store=store) as home:
        ids = [(await ended(home))[0] for _ in range(5)]
        store.full = False
        answers = await asyncio.gather(*(call(home, "GET", f"/responses/{id}") for id in ids * 4))
    assert {(status, found["status"]) for status, found in answers} == {(200, "completed")}


async def test_an_end_that_is_not_kept_does_not_come_back_when_it_was_deleted() -> None:
    store = Full()
    async with house(ScriptedProvider("a", HELLO), store=store) as home:
        id, _ = await ended(home)
        assert (await call(home, "DELETE", f"/responses/{id}"))[0] == 200
        store.full = False
        await home.pipeline.keeper.reap()
        assert (await call(home, "GET", f"/responses/{id}"))[0] == 404


class TooSlow(MemoryStore):
    """A store that writes what is queued when nobody waits for it any more."""

    def __init__(self) -> None:
        super().__init__()
        self.deleted = asyncio.Event()

    async def put(self, entry: Entry) -> None:
        await super().put(entry)
        if not entry.finished:
            raise StoreFailed("no answer within 10 s")

    async def delete(self, id: str, owner: str) -> bool:
        found = await super().delete(id, owner)
        self.deleted.set()
        return found

    def states(self) -> list[str]:
        return [entry.status for entry in self._entries.values()]


class Heads(Stage):
    """Names itself in each head, or fails to."""

    name = "heads"

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return _Heads(fails=self.fails)


class _Heads(ResponseFilter):
    def __init__(self, *, fails: bool) -> None:
        self.fails = fails

    async def on_head(self, exchange: Exchange, head: Head) -> None:
        if self.fails:
            raise RuntimeError("a bug")
        head.headers["x-heads"] = "seen"


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_could_not_be_acknowledged_in_time_is_not_left_as_queued(streamed: bool) -> None:
    store = TooSlow()
    async with house(ScriptedProvider("a", HELLO), store=store) as home:
        status, _, data = await home.ask(background=True, stream=streamed)
        assert (status, json.loads(data)["error"]["code"]) == (500, "server_error")
        await asyncio.wait_for(store.deleted.wait(), 5)
        assert store.states() == []
        await home.settled()
    assert home.pipeline.running == set()


@pytest.mark.parametrize("fields", [{"stream": True}, {"background": True}, {"background": True, "stream": True}])
async def test_every_head_is_seen_by_the_stages(fields: dict[str, Any]) -> None:
    async with house(ScriptedProvider("a", HELLO), store=MemoryStore(), stages=[Heads()]) as home:
        _, headers, _ = await home.ask(**fields)
    assert headers["x-heads"] == "seen"


async def test_a_stage_that_fails_at_the_head_leaves_nothing_queued() -> None:
    store = TooSlow()
    async with house(ScriptedProvider("a", HELLO), store=store, stages=[Heads(fails=True)]) as home:
        assert (await home.ask(background=True))[0] == 500
        await asyncio.wait_for(store.deleted.wait(), 5)
        assert store.states() == []


async def test_what_was_answered_is_kept_although_its_client_leaves_meanwhile() -> None:
    """Its bytes had come, and its usage was told: log and store agree that it was completed."""
    store = GatedStore()
    async with house(ScriptedProvider("a", HELLO), store=store) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            told = await reader.readuntil(b'"delta":"lo"')
            await store.asked.wait()
        writer.close()
        id = "resp_" + told.partition(b'"id":"resp_')[2][:48].decode()
        assert (await call(home, "GET", f"/responses/{id}"))[1]["status"] == "completed"
        store.go.set()
        exchange = await home.settled()
        assert (exchange.outcome, exchange.kept) == ("completed", True)
        assert (await call(home, "GET", f"/responses/{id}"))[1]["status"] == "completed"
    assert len(home.watcher.ended) == 1


class SlowEnd(Stage):
    """Takes its time at the end of an exchange."""

    name = "slow-end"

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return _SlowEnd(self)


class _SlowEnd(ResponseFilter):
    def __init__(self, stage: SlowEnd) -> None:
        self.stage = stage

    async def on_end(self, exchange: Exchange) -> None:
        self.stage.reached.set()
        await self.stage.go.wait()


async def test_a_reader_that_comes_when_all_is_over_does_not_wait_for_ever() -> None:
    """This answer is an HTTP error: its stream has never begun."""
    slow = SlowEnd()
    provider = ScriptedProvider("a", fails(UpstreamUnreachable("no")))
    async with house(provider, store=MemoryStore(), stages=[slow]) as home:
        asked = asyncio.create_task(home.ask(stream=True))
        await asyncio.wait_for(slow.reached.wait(), 5)
        (run,) = home.pipeline.running
        await asyncio.wait_for(run.follow(Nobody(), -1), 5)
        slow.go.set()
        assert (await asked)[0] == 502


async def test_what_was_said_whole_is_kept_although_its_client_leaves_in_that_very_turn() -> None:
    store = MemoryStore()
    async with house(ScriptedProvider("a", HELLO), store=store) as home:
        request = ResponsesRequest.parse(b'{"model": "m", "input": "hi", "stream": true}')
        exchange = Exchange("req", Client("", {}), request)

        class Leaves(Nobody):
            def write(self, data: bytes) -> None:
                if b"response.output_item.done" in data:
                    serving.cancel()

        serving = asyncio.create_task(home.pipeline.serve(exchange, Leaves()))
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert exchange.response_id is not None
        entry = await store.get(exchange.response_id, "")
    assert entry is not None
    assert entry.status == exchange.outcome == "completed"


async def test_a_reader_that_is_there_before_the_acknowledgement_takes_nothing_from_the_client() -> None:
    store = GatedStore()
    async with house(ScriptedProvider("a", HELLO), store=store) as home:
        asked = asyncio.create_task(home.ask(background=True, stream=True))
        await asyncio.wait_for(store.asked.wait(), 5)
        (run,) = home.pipeline.running
        reading = asyncio.create_task(run.follow(Nobody(), -1))
        await asyncio.sleep(0)
        store.go.set()
        status, _, data = await asked
        await asyncio.wait_for(reading, 5)
    assert status == 200
    assert data.endswith(b"data: [DONE]\n\n")


async def test_what_has_ended_with_its_client_and_is_kept_nowhere_cannot_be_cancelled() -> None:
    slow = SlowEnd()
    steps = stream(chunk(content="Hel"), asyncio.Event())
    async with house(ScriptedProvider("a", steps), store=MemoryStore(), stages=[slow]) as home:
        reader, writer = await home.connect(store=False)
        told = await asyncio.wait_for(reader.readuntil(b'"delta":"Hel"'), 5)
        writer.transport.abort()
        await asyncio.wait_for(slow.reached.wait(), 5)
        id = "resp_" + told.partition(b'"id":"resp_')[2][:48].decode()
        (run,) = home.pipeline.running
        cancelling = asyncio.create_task(call(home, "POST", f"/responses/{id}/cancel"))
        await until(lambda: run._ending._settled is not None)
        slow.go.set()
        assert (await cancelling)[0] == 404


class HangsAtHead(Stage):
    """Never lets the head of an answer go."""

    name = "hangs"

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return _HangsAtHead(self)


class _HangsAtHead(ResponseFilter):
    def __init__(self, stage: HangsAtHead) -> None:
        self.stage = stage

    async def on_head(self, exchange: Exchange, head: Head) -> None:
        self.stage.reached.set()
        await asyncio.Event().wait()


async def test_a_cancel_of_what_has_come_whole_ends_its_wait_and_changes_nothing() -> None:
    stage = HangsAtHead()
    async with house(ScriptedProvider("a", body(WHOLE)), store=MemoryStore(), stages=[stage]) as home:
        asked = asyncio.create_task(home.ask())
        await asyncio.wait_for(stage.reached.wait(), 5)
        (run,) = home.pipeline.running
        status, found = await call(home, "POST", f"/responses/{run.exchange.response_id}/cancel")
        assert (status, found["status"]) == (200, "completed")
        status, _, data = await asked
        assert (status, json.loads(data)) == (200, found)
        assert (await home.settled()).outcome == "completed"


async def test_the_end_of_a_drain_ends_what_waits_at_its_head() -> None:
    stage = HangsAtHead()
    async with house(ScriptedProvider("a", body(WHOLE)), store=MemoryStore(), stages=[stage]) as home:
        asked = asyncio.create_task(home.ask())
        await asyncio.wait_for(stage.reached.wait(), 5)
        home.pipeline.abort_all(Overloaded("The server is shutting down."))
        assert (await asked)[0] == 503
        assert (await home.settled()).outcome == "failed"


class Breaks(Stage):
    """Awaits something that is cancelled, in one of its phases."""

    name = "breaks"

    def __init__(self, phase: str) -> None:
        super().__init__()
        self.phase = phase

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        await self.breaks("request")
        return _Breaks(self)

    async def breaks(self, phase: str) -> None:
        if phase == self.phase:
            other = asyncio.ensure_future(asyncio.Event().wait())
            other.cancel()
            await other


class _Breaks(ResponseFilter):
    def __init__(self, stage: Breaks) -> None:
        self.stage = stage

    async def on_head(self, exchange: Exchange, head: Head) -> None:
        await self.stage.breaks("head")

    async def on_end(self, exchange: Exchange) -> None:
        await self.stage.breaks("end")


@pytest.mark.parametrize("fields", [{}, {"stream": True}, {"background": True}])
@pytest.mark.parametrize(("phase", "status"), [("request", 500), ("head", 500), ("end", 200)])
async def test_a_stage_whose_own_work_is_cancelled_is_broken_and_nobody_has_left(
    fields: dict[str, Any], phase: str, status: int
) -> None:
    provider = ScriptedProvider("a", HELLO if fields.get("stream") else body(WHOLE))
    async with house(provider, store=MemoryStore(), stages=[Breaks(phase)]) as home:
        assert (await home.ask(**fields))[0] == status
        exchange = await home.settled()
        async with asyncio.timeout(5):
            while home.pipeline.running:
                await asyncio.sleep(0)
    assert (exchange.outcome == "completed") == (status == 200)
    assert exchange.outcome != "cancelled"
    assert len(home.pipeline.in_flight) == 0


async def test_an_exchange_that_cannot_be_closed_is_over_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(ScriptedProvider("a", HELLO), store=MemoryStore()) as home:

        def breaks(exchange: Exchange) -> None:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(home.pipeline.prices, "charge", breaks)
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b"[DONE]")
            await home.settled()
            while home.pipeline.running:
                await asyncio.sleep(0)
        writer.close()
