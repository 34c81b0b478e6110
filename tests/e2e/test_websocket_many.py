"""Many WebSockets at once, with lanes at random, that stay or leave at any moment: nothing is left running."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from proxy.stores.memory import MemoryStore
from tests.support.hostile import open_files, until
from tests.support.house import House, house
from tests.support.scripted import ScriptedProvider, chunk, finish, stream
from tests.support.sockets import LAST, Wire, wired

CONNECTIONS = 50
WORDS = 60


async def talk(home: House, seed: int) -> int:
    """Asks in some lanes, each with its own chain, then stays to the end or leaves; returns how many turns it saw."""
    chance = random.Random(seed)
    seen = 0
    leaves_after = chance.choice([None, None, chance.randrange(400)])
    async with wired(home, compress=chance.choice([0, 15])) as wire:
        lanes: dict[str | None, str | None] = dict.fromkeys((None, "a", "b", "c")[: chance.randint(1, 4)])
        asked = dict.fromkeys(lanes, 0)
        for lane in lanes:
            asked[lane] = await _ask(wire, lane, None, chance)
        events = 0
        while any(asked.values()):
            event = await wire.receive()
            events += 1
            if events == leaves_after:
                await _leave(wire, chance)
                return seen
            if event["type"] in LAST:
                lane = event.get("stream_id")
                assert event["type"] == "response.completed", event
                assert event["response"]["output"][0]["content"][0]["text"] == "word " * WORDS
                seen += 1
                asked[lane] -= 1
                lanes[lane] = event["response"]["id"]
                if seen < 8 and not asked[lane]:
                    asked[lane] = await _ask(wire, lane, lanes[lane], chance)
    return seen


async def _ask(wire: Wire, lane: str | None, previous: str | None, chance: random.Random) -> int:
    """Sends one or several requests, which wait for each other in their lane; returns how many."""
    count = chance.choice([1, 1, 2, 3])
    fields: dict[str, Any] = {} if lane is None else {"stream_id": lane}
    if previous is not None:
        fields["previous_response_id"] = previous
    for _ in range(count):
        await wire.create(store=chance.random() < 0.3, **fields)
    return count


async def _leave(wire: Wire, chance: random.Random) -> None:
    connection = wire.ws._response.connection
    assert connection is not None
    assert connection.transport is not None
    how = chance.choice(["frame", "reset", "close"])
    if how == "frame":
        await wire.ws.close()
    elif how == "reset":
        connection.transport.abort()
    else:
        connection.transport.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_left_of_many_connections(seed: int) -> None:
    provider = ScriptedProvider("a", stream(*[chunk(content="word ")] * WORDS, finish()))
    async with house(provider, store=MemoryStore()) as home:
        files = open_files()
        seen = await asyncio.gather(*(talk(home, seed * 1000 + number) for number in range(CONNECTIONS)))
        assert sum(seen) > CONNECTIONS
        sockets = home.app._websockets
        await until(lambda: not sockets._connections and not home.pipeline.running)
        assert home.app._running.count == 0
        assert sockets._room.bytes == 0
        assert not sockets._room._memories
        assert home.watcher.began == len(home.watcher.ended)
        assert {one.outcome for one in home.watcher.ended} == {"completed", "cancelled"}
        assert all(one.released or one.closed.is_set() for one in provider.client.responses)
        await until(lambda: open_files() <= files + 5)  # connections that a client keeps for later


async def test_a_kept_response_that_was_deleted_is_gone_on_its_connection_too() -> None:
    provider = ScriptedProvider("a", stream(chunk(content="word "), finish()))
    async with house(provider, store=MemoryStore()) as home, wired(home) as wire:
        kept = (await wire.ask())["response"]["id"]
        assert (await wire.ask(previous_response_id=kept, store=False))["type"] == "response.completed"
        async with home.session.delete(f"{home.url}/responses/{kept}") as response:
            assert response.status == 200
        lost = await wire.ask(previous_response_id=kept, store=False)
    assert lost["error"]["code"] == "previous_response_not_found"
