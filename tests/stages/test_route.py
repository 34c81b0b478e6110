"""What `route` makes of its settings, and how its answers come about."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from proxy.assembly import assemble
from proxy.config.loader import load_text
from proxy.config.types import Duration
from proxy.errors import BadRequest
from proxy.exchange import Exchange
from proxy.models import ModelTable
from proxy.providers.provider import Deployment, TimeoutChanges
from proxy.routing.plan import RoutePlan
from proxy.stores.memory import MemoryStore
from stages.route import Fallback, Mirror, Route, RouteConfig
from tests.support.drive import asking, exchange_of
from tests.support.house import house
from tests.support.scripted import HELLO, ScriptedProvider, body, chunk, finish, stream


def exchange(model: str = "m") -> Exchange:
    return exchange_of(asking(model=model))


async def test_a_fallback_model_answers_under_the_name_that_was_asked_for() -> None:
    bad, good = ScriptedProvider("a", body(b"{}", 503)), ScriptedProvider("b", stream(chunk(content="x"), finish()))
    models = {"m": [Deployment(bad, "up")], "spare": [Deployment(good, "other")]}
    route = Route(RouteConfig(fallbacks=(Fallback(from_="m*", to=("missing", "spare")),)))
    async with house(bad, good, models=models, route=route) as home:
        status, headers, data = await home.ask(stream=True)
    assert status == 200
    assert headers["x-penstock-upstream-model"] == "other"
    assert b'"model":"m"' in data
    assert b'"model":"spare"' not in data


@pytest.mark.parametrize("unavailable", [{}, {"gone-*": "OPENAI_API_KEY is not set"}])
async def test_a_model_that_nothing_serves_is_refused(unavailable: dict[str, str]) -> None:
    asked = exchange("gone-1")
    asked.models = ModelTable({}, unavailable)
    with pytest.raises(BadRequest) as caught:
        await Route().on_request(asked)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "model", "model_not_found")
    assert all(reason in caught.value.message for reason in unavailable.values())


async def test_the_cheapest_is_asked_by_the_prices_of_the_file() -> None:
    text = """upstreams: {a: {kind: echo}, b: {kind: echo}}
models: {m: [a/dear, b/cheap]}
prices: {a/dear: {input: 2, output: 2}, b/cheap: {input: 1, output: 1}}
pipeline: [{route: {strategy: cost}}, stream-translate]
"""
    pipeline = assemble(load_text(text, "p.yaml"))
    (route,) = [one for one in pipeline.stages if isinstance(one, Route)]
    for _ in range(8):
        asked = exchange()
        asked.models = pipeline.models
        await route.on_request(asked)
        assert asked.plan is not None
        found = await asked.plan.next(None)
        assert found is not None
        assert found.model == "cheap"


async def test_so_many_of_a_hundred_requests_are_mirrored() -> None:
    provider = ScriptedProvider("a", stream(*HELLO))
    route = Route(RouteConfig(mirror=Mirror(to="n", percent=20)))
    models = ModelTable({"m": [Deployment(provider, "up")], "n": [Deployment(provider, "other")]})
    found = Counter[bool]()
    for _ in range(4000):
        asked = exchange()
        asked.models = models
        await route.on_request(asked)
        assert asked.plan is not None
        found[asked.plan.mirror is not None] += 1
        if asked.plan.mirror is not None:
            plan = asked.plan.mirror(asked)
            assert isinstance(plan, RoutePlan)
            assert (await plan.next(None) or models.resolve("m")[0]).model == "other"
    assert 0.17 < found[True] / 4000 < 0.23


async def test_limits_of_time_are_those_of_the_route() -> None:
    slow = ScriptedProvider("a", stream(*[chunk(content="x")] * 2, finish()))
    route = Route(RouteConfig(timeouts=TimeoutChanges(first_byte=Duration(7), first_token=Duration(8))))
    seen = []
    send = slow.client.send

    async def note(request, timeouts):  # type: ignore[no-untyped-def]
        seen.append(timeouts)
        return await send(request, timeouts)

    slow.client.send = note  # type: ignore[method-assign]
    async with house(slow, route=route) as home:
        await home.ask(stream=True)
    assert (seen[0].first_byte, seen[0].first_token, seen[0].connect) == (7, 8, 5)


async def test_a_chain_stays_with_its_deployment_and_moves_with_its_history_when_that_is_down() -> None:
    ups = [ScriptedProvider(name, stream(*HELLO)) for name in "abcde"]
    sticky = Route(RouteConfig(sticky=True, cooldown_after=1))
    async with house(
        *ups, models={"m": [Deployment(one, "up") for one in ups]}, route=sticky, store=MemoryStore()
    ) as home:
        previous, makers = None, set()
        for _ in range(8):
            fields = {} if previous is None else {"previous_response_id": previous}
            _, headers, data = await home.ask(stream=True, **fields)
            previous = json.loads(data.split(b"data: ")[1].split(b"\n")[0])["response"]["id"]
            makers.add(headers["x-penstock-upstream"])
        (maker,) = makers
        dead = next(one for one in ups if one.name == maker)
        dead.client.scripts = [body(b'{"error": {"message": "gone"}}', 500)]
        status, headers, _ = await home.ask(stream=True, previous_response_id=previous)
        assert (status, headers["x-penstock-attempts"]) == (200, "2")
        moved = headers["x-penstock-upstream"]
        assert moved != maker
        status, headers, _ = await home.ask(stream=True, previous_response_id=(await home.settled(9)).response_id)
        assert (status, headers["x-penstock-upstream"]) == (200, moved)
        assert "x-penstock-attempts" not in headers
