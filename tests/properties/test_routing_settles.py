"""However exchanges end, nothing of them is left on the board: no request in flight, no probe under way."""

from __future__ import annotations

import asyncio
import random

from proxy.config.types import Duration
from proxy.errors import UpstreamCut, UpstreamError, UpstreamUnreachable
from proxy.providers.provider import Deployment
from proxy.routing.config import Fallback, Hedge, Mirror
from proxy.upstream.client import UpstreamRequest
from stages.route import Route, RouteConfig
from tests.support.house import House, house
from tests.support.passing import answers, endpoint, upstream
from tests.support.scripted import HELLO, WHOLE, Script, ScriptedProvider, ScriptedResponse, body, chunk, fails, stream

COUNT = 120


def moods(seed: int) -> Script:
    """Returns an upstream that answers, fails or says nothing for a while, as it happens."""
    dice = random.Random(seed)
    never = asyncio.Event()
    scripts: list[Script] = [
        stream(*HELLO),
        body(WHOLE),
        body(b"{}", 503),
        body(b"{}", 400),
        body(b"{}", 429),
        fails(UpstreamUnreachable("refused")),
        stream(UpstreamCut("cut")),
        stream(chunk(content="Hel"), UpstreamCut("cut")),
        stream(never),
        stream(chunk(content="Hel"), never),
    ]

    def script(request: UpstreamRequest) -> ScriptedResponse | UpstreamError:
        return dice.choice(scripts)(request)

    return script


async def leave(home: House, dice: random.Random) -> None:
    """Asks, and leaves after a moment, if the answer is not there by then."""
    path, fields = dice.choice([("/responses", {"stream": True}), ("/chat/completions", {"stream": True})])
    try:
        async with asyncio.timeout(dice.uniform(0.01, 0.15)):
            await home.ask(path, **fields)
    except TimeoutError:
        return


async def test_nothing_stays_in_flight_whatever_happens() -> None:
    dice = random.Random(11)
    ups = [ScriptedProvider(name, moods(seed)) for seed, name in enumerate("abcd")]
    models = {"m": [Deployment(one, "x") for one in ups[:3]], "n": [Deployment(one, "y") for one in ups[2:]]}
    route = Route(
        RouteConfig(
            strategy="latency",
            sticky=True,
            cooldown=Duration(0.03),
            cooldown_after=1,
            max_wait=Duration(0.1),
            fallbacks=(Fallback(from_="m", to=("n",)),),
            hedge=Hedge(after=Duration(0.01)),
            mirror=Mirror(to="n", percent=20),
        )
    )
    async with house(*ups, models=models, route=route) as home:
        async with asyncio.TaskGroup() as group:
            for _ in range(COUNT):
                group.create_task(leave(home, dice))
                await asyncio.sleep(0)
        await home.app.drained(10)
        await home.pipeline.mirrors.close()
        await home.app.drained(10)
        standings = list(route.board.standings())
    assert sum(one.attempts for one in standings) > COUNT
    assert [(one.deployment, one.in_flight) for one in standings if one.in_flight] == []
    assert [one.deployment for one in standings if route.board.of(one.deployment).probing] == []


async def test_what_is_passed_on_counts_like_all_else() -> None:
    async with (
        endpoint(answers({"error": {"message": "busy"}}, status=503)) as bad,
        endpoint(answers({"data": []})) as up,
    ):
        route = Route(RouteConfig(cooldown_after=1))
        providers = [upstream(bad, "a"), upstream(up, "b")]
        models = {"m": [Deployment(providers[0], "x", 1e9), Deployment(providers[1], "x")]}
        async with house(*providers, models=models, route=route) as home:
            attempts = [(await home.ask("/embeddings"))[1].get("x-penstock-attempts") for _ in range(3)]
    assert attempts == ["2", None, None]
    assert [(one.in_flight, one.attempts, one.failed) for one in route.board.standings()] == [(0, 1, 1), (0, 3, 0)]
