"""The way down the stages: their order, and answers of their own."""

from __future__ import annotations

import json

from proxy.errors import Forbidden, UpstreamUnreachable
from proxy.exchange import Exchange
from proxy.reply import Reply
from proxy.stage import Head, ResponseFilter, Stage
from tests.support.house import house
from tests.support.scripted import (
    HELLO,
    ScriptedProvider,
    fails,
    stream,
)


class Answers(Stage):
    """Answers every request itself."""

    name = "answers"

    async def on_request(self, exchange: Exchange) -> Reply:
        return Reply.json({"mine": True})


class Refuses(Stage):
    """Refuses every request."""

    name = "refuses"

    async def on_request(self, exchange: Exchange) -> None:
        raise Forbidden("no")


class Order(Stage):
    """Notes when its parts run."""

    def __init__(self, name: str, notes: list[str]) -> None:
        super().__init__()
        self.label, self.notes = name, notes

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        self.notes.append(f"{self.label} request")
        return _Notes(self)


class _Notes(ResponseFilter):
    def __init__(self, stage: Order) -> None:
        self.stage = stage

    async def on_head(self, exchange: Exchange, head: Head) -> None:
        self.stage.notes.append(f"{self.stage.label} head")

    async def on_end(self, exchange: Exchange) -> None:
        self.stage.notes.append(f"{self.stage.label} end")
        raise RuntimeError("a stage's bug at the end keeps no other from ending")


async def test_requests_run_down_and_responses_climb_up() -> None:
    notes: list[str] = []
    provider = ScriptedProvider("a", stream(*HELLO))
    above, between = Order("first", notes), Order("second", notes)
    async with house(provider, stages=[above, between], below=[Order("third", notes)]) as home:
        await home.ask(stream=True)
        await home.settled()
    assert notes == [
        *(f"{one} request" for one in ("first", "second", "third")),
        *(f"{one} head" for one in ("third", "second", "first")),
        *(f"{one} end" for one in ("third", "second", "first")),
    ]


async def test_stages_below_route_run_once_an_attempt_and_end_once_each() -> None:
    notes: list[str] = []
    bad = ScriptedProvider("a", fails(UpstreamUnreachable("refused")))
    async with house(bad, ScriptedProvider("b", stream(*HELLO)), below=[Order("x", notes)]) as home:
        await home.ask(stream=True)
        await home.settled()
    assert notes.count("x request") == 2
    assert notes.count("x end") == 2


async def test_a_reply_answers_at_once_and_those_above_it_see_the_end() -> None:
    notes: list[str] = []
    provider = ScriptedProvider("a", stream(*HELLO))
    async with house(provider, stages=[Order("x", notes), Answers(), Order("never", notes)]) as home:
        status, _, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert (status, json.loads(data)) == (200, {"mine": True})
    assert notes == ["x request", "x head", "x end"]
    assert provider.client.requests == []
    assert exchange.outcome == "completed"


async def test_a_refusal_is_an_error_object_and_is_seen_by_observers() -> None:
    async with house(ScriptedProvider("a", stream(*HELLO)), stages=[Refuses()]) as home:
        status, headers, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert status == 403
    assert json.loads(data)["error"] == {"message": "no", "type": "invalid_request_error", "param": None, "code": None}
    assert headers["x-request-id"] == exchange.id
    assert exchange.outcome == "rejected"
