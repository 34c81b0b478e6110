"""Copies for another model: nobody waits for them, and nobody sees what they answer but those who observe."""

from __future__ import annotations

import asyncio

import pytest

from proxy.errors import BadRequest, UpstreamUnreachable
from proxy.exchange import Exchange
from proxy.mirroring import MARK, Mirrors
from proxy.providers.provider import Deployment, Plan
from proxy.routing.config import Mirror
from stages.route import Route, RouteConfig
from tests.support.drive import asking, exchange_of
from tests.support.house import House, house
from tests.support.routes import Planner, deployment
from tests.support.scripted import HELLO, WHOLE, ScriptedProvider, body, fails, stream, text_of


def mirrored(main: ScriptedProvider, other: ScriptedProvider):  # type: ignore[no-untyped-def]
    models = {"m": [Deployment(main, "up")], "shadow": [Deployment(other, "new")]}
    return house(main, other, models=models, route=Route(RouteConfig(mirror=Mirror(to="shadow"))))


async def copied(home: House) -> Exchange:
    """Returns the copy, once both exchanges are over."""
    await home.settled(2)
    (copy,) = [one for one in home.watcher.ended if MARK in one.marks]
    return copy


@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_copy_goes_to_the_mirror_and_nobody_waits_for_it(path: str, streamed: bool) -> None:
    speak = asyncio.Event()
    answer = stream(*HELLO) if streamed else body(WHOLE)
    main, other = ScriptedProvider("a", answer), ScriptedProvider("b", stream(speak, *HELLO) if streamed else answer)
    async with mirrored(main, other) as home:
        status, headers, data = await home.ask(path, stream=streamed)
        assert (status, headers["x-penstock-upstream"]) == (200, "a")
        assert text_of(data) == "Hello" if streamed and path == "/responses" else b"Hel" in data
        exchange = home.watcher.ended[0]
        assert MARK not in exchange.marks
        speak.set()
        copy = await copied(home)
    assert (copy.id, copy.marks[MARK]) == (f"{exchange.id}-mirror", exchange.id)
    assert copy.outcome == "completed"
    assert [one.upstream for one in copy.attempts] == ["b"]
    assert (copy.keeps, copy.asked_model) == (False, "m")


@pytest.mark.parametrize("script", [fails(UpstreamUnreachable("refused")), body(b"{}", 500)])
async def test_a_mirror_that_fails_harms_nobody_and_is_asked_once(script: object) -> None:
    main, other = ScriptedProvider("a", stream(*HELLO)), ScriptedProvider("b", script)  # type: ignore[arg-type]
    async with mirrored(main, other) as home:
        status, headers, data = await home.ask(stream=True)
        copy = await copied(home)
    assert (status, text_of(data), copy.outcome) == (200, "Hello", "failed")
    assert "x-penstock-attempts" not in headers
    assert len(other.client.requests) == 1


async def test_copies_beyond_the_bound_are_dropped_and_the_rest_ends_with_the_server() -> None:
    began, over = list[str](), list[str]()

    async def serve(exchange: Exchange) -> None:
        began.append(exchange.id)
        try:
            await asyncio.Event().wait()
        finally:
            over.append(exchange.id)

    model = Planner([deployment("a")])

    def plan(copy: Exchange) -> Plan:
        return model.plan(copy)

    def refused(copy: Exchange) -> Plan:
        raise BadRequest("nobody")

    mirrors = Mirrors(serve, most=2)
    mirrors.offer(exchange_of(asking()), refused)
    assert (len(mirrors), mirrors.dropped) == (0, 0)
    for _ in range(5):
        mirrors.offer(exchange_of(asking()), plan)
    await asyncio.sleep(0)
    assert (len(mirrors), mirrors.dropped, len(began)) == (2, 3, 2)
    assert [one.value for one in mirrors.measures()] == [2, 3]
    await mirrors.close()
    assert (len(mirrors), over) == (0, began)


async def test_a_mirror_that_hangs_never_slows_the_primary() -> None:
    main, other = ScriptedProvider("a", stream(*HELLO)), ScriptedProvider("b", stream(asyncio.Event()))
    async with mirrored(main, other) as home:
        for count in range(100):
            assert text_of((await home.ask(stream=True))[2]) == "Hello"
            await home.settled(count + 1)
        assert (len(home.pipeline.mirrors), home.pipeline.mirrors.dropped) == (64, 36)
    assert len(other.client.requests) == 64
