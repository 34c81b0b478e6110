"""Conversations of three turns with thinking and calls at every provider, and moved from each provider to each other.

Thinking comes back to its maker byte for byte, in its place, and to nobody else; what was said, called and given back
goes everywhere; and the client is told when thinking could not be carried over.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.config.file import UpstreamEntry
from proxy.config.loader import load_text
from proxy.config.types import Sources
from proxy.providers.provider import Deployment
from proxy.stores.memory import MemoryStore
from tests.support.google_accounts import TokenServer, service_account
from tests.support.house import House, house
from tests.support.places import LAST_TURN, PLACES, Entry, Place, Said, World
from tests.support.scripted import events_of

TOOL = {"type": "function", "name": "get", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}
ASKED: dict[str, Any] = {"tools": [TOOL], "reasoning": {"effort": "low", "summary": "auto"}, "max_output_tokens": 9000}
STATELESS = {"store": False, "include": ["reasoning.encrypted_content"]}
LOST = "input: reasoning"
LEAVES_NOTHING = ("chat",)
"""Places whose models show no thinking: nothing of it can be lost."""

Items = list[dict[str, Any]]


@asynccontextmanager
async def everywhere() -> AsyncIterator[tuple[House, World]]:
    """Runs a server whose models are named as the places that serve them."""
    tokens = TokenServer()
    async with World() as world, tokens.upstream:
        lines = [f"  {one.name}: {world.settings(one)}" for one in PLACES]
        models = [f"  {one.name}: {one.name}/{one.model}" for one in PLACES]
        text = "\n".join(["upstreams:", *lines, "models:", *models, "pipeline: [route, stream-translate]"])
        sources = Sources({"ACCOUNT": service_account(tokens.upstream.port)})
        config = load_text(text, "test", sources=sources)
        providers = {name: _opened(entry) for name, entry in config.upstreams.items()}
        table = {one.name: [Deployment(providers[one.name], one.model)] for one in PLACES}
        async with house(*providers.values(), models=table, store=MemoryStore()) as home:
            yield home, world


def _opened(entry: UpstreamEntry) -> Any:
    return entry.provider(entry.name, entry.config)


async def ask(home: House, stream: bool, **fields: Any) -> tuple[dict[str, Any], bool]:
    """Returns the Response, and whether the client was told that thinking was lost."""
    status, headers, data = await home.ask(stream=stream, **ASKED, **fields)
    assert status == 200, data
    made: dict[str, Any] = events_of(data)[-2][1]["response"] if stream else json.loads(data)
    assert made["status"] == "completed"
    return made, LOST in headers.get("x-penstock-ignored-params", "")


def results(response: dict[str, Any]) -> Items:
    """Returns what came of a response's calls."""
    return [
        {"type": "function_call_output", "call_id": item["call_id"], "output": f"did {item['call_id']}"}
        for item in response["output"]
        if item["type"] == "function_call"
    ]


class Client:
    """A conversation as it is so far, with one who keeps responses, or with one who keeps all itself."""

    def __init__(self, home: House, keeps: bool, stream: bool) -> None:
        self.home = home
        self.keeps = keeps
        self.stream = stream
        self.items: Items = [{"role": "user", "content": "Go."}]
        self.last: dict[str, Any] | None = None
        self.lost = False

    async def turn(self, place: Place) -> Client:
        """Returns the conversation with one turn more, at a place; this one stays as it is."""
        new = results(self.last) if self.last is not None else self.items
        items = self.items if self.last is None else [*self.items, *self.last["output"], *new]
        after = Client(self.home, self.keeps, self.stream)
        after.items = items
        if self.keeps:
            before = {} if self.last is None else {"previous_response_id": self.last["id"]}
            after.last, after.lost = await ask(self.home, self.stream, model=place.name, input=new, **before)
        else:
            after.last, after.lost = await ask(self.home, self.stream, model=place.name, input=items, **STATELESS)
        return after


def expected(place: Place, before: list[Place]) -> list[Entry]:
    """Returns what a place must be sent behind turns at other places."""
    made: list[Entry] = [("user", "Go.")]
    for turn, maker in enumerate(before, 1):
        said = Said(maker.name, turn)
        secret = [("secret", maker.secret(turn))] if reads(place, maker) else []
        text, call = ("text", said.text), ("call", said.call_id, said.at)
        made += [text, *secret, call] if place.wire.before == "call" else [*secret, text, call]
        made.append(("result", said.call_id, f"did {said.call_id}"))
    return made


def reads(place: Place, maker: Place) -> bool:
    """Tells whether a place can read what another one has thought."""
    return bool(maker.family) and place.family == maker.family


def check(world: World, client: Client, place: Place, before: list[Place]) -> None:
    """Checks what a place was sent last, and what the client was told."""
    name, raw = world.requests[-1]
    case = " -> ".join(one.name for one in [*before, place])
    assert name == place.name, case
    assert place.wire.entries(json.loads(raw)) == expected(place, before), case
    foreign = [(one, turn) for turn, one in enumerate(before, 1) if not reads(place, one)]
    for maker, turn in foreign:
        assert Said(maker.name, turn).secret.encode() not in raw, case
        assert b"pst2." not in raw, case
        if place.family != "chat":  # DeepSeek's own wire shows thinking, and demands some
            assert Said(maker.name, turn).thought.encode() not in raw, case
    assert client.lost is any(maker.name not in LEAVES_NOTHING for maker, _ in foreign), case


MODES = pytest.mark.parametrize(
    ("keeps", "stream"), [pytest.param(True, True, id="kept"), pytest.param(False, False, id="stateless")]
)
"""Each way of keeping a conversation, one of them streamed."""


@MODES
async def test_three_turns_at_every_place(keeps: bool, stream: bool) -> None:
    async with everywhere() as (home, world):
        for place in PLACES:
            client = Client(home, keeps, stream)
            for turn in range(LAST_TURN):
                client = await client.turn(place)
                check(world, client, place, [place] * turn)
            assert client.last is not None
            texts = [item["content"][0]["text"] for item in client.last["output"] if item["type"] == "message"]
            assert texts == [Said(place.name, LAST_TURN).text]


@MODES
async def test_a_chain_moves_from_each_place_to_each_other_and_back(keeps: bool, stream: bool) -> None:
    async with everywhere() as (home, world):
        for first in PLACES:
            begun = await Client(home, keeps, stream).turn(first)
            for second in PLACES:
                if second is first:
                    continue
                moved = await begun.turn(second)
                check(world, moved, second, [first])
                back = await moved.turn(first)
                check(world, back, first, [first, second])
