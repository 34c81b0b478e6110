"""What `GET /admin/limits` shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from proxy.counters import Demand, Limit, LocalCounters
from proxy.limiting.budget_config import BudgetConfig
from proxy.limiting.stage import LimitStage, join_neighbours
from proxy.pricing.book import PriceBook
from proxy.pricing.own import OwnPrice
from proxy.pricing.rates import rate_card
from proxy.server.admin import Admin
from proxy.server.admin_limits import limit_routes
from proxy.server.connection import Server
from proxy.server.peers import Peers
from stages.budget import Budget
from stages.log import Log
from stages.rate_limit import RateLimit, RateLimitConfig
from tests.support.house import House, house
from tests.support.scripted import ScriptedProvider, chunk, finish, stream

PRICES = PriceBook([OwnPrice("m", 1, rate_card({"input": 1_000_000, "output": 2_000_000}), ("p/up",))])


async def test_every_counter_is_shown_once_with_who_holds_what() -> None:
    counters = LocalCounters(lambda: 6000.0)
    stages = [RateLimit(RateLimitConfig(requests=1)), Budget(BudgetConfig(usd=1))]
    for stage in stages:
        stage.counters = counters
    money = Demand("budget", Limit(unit="usd", most=2_500_000_000, window_s=60), 500_000_000)
    await counters.settle(await counters.reserve([money]), [1_250_000_000])
    await counters.reserve([money, Demand("a place", Limit(unit="parallel", most=3), 1)])
    reply = await limit_routes([Log(), *stages], Peers(None, 0))["/admin/limits"]["GET"](
        make_mocked_request("GET", "/admin/limits")
    )
    shown = msgspec.json.decode(reply.body)
    assert shown["object"] == "list"
    place, budget = shown["data"]
    who = budget["holders"][0]["who"]
    assert budget == {
        "counter": "budget",
        "unit": "usd",
        "limit": 2.5,
        "window_s": 60,
        "period": None,
        "used": 1.25,
        "held": 0.5,
        "remaining": 0.75,
        "holders": [{"who": who, "amount": 0.5}],
    }
    assert (place["limit"], place["held"], place["window_s"]) == (3, 1, None)


@asynccontextmanager
async def worker(number: int, directory: Path, gate: asyncio.Event) -> AsyncIterator[House]:
    """Runs a worker of a host whose streams stop until the gate is open."""
    limits: list[LimitStage] = [
        RateLimit(RateLimitConfig(per="ip", tokens=10_000)),
        Budget(BudgetConfig(per="ip", usd=1)),
    ]
    counters = LocalCounters()
    for one in limits:
        one.counters, one.prices = counters, PRICES
    join_neighbours(limits)
    peers = Peers(directory, number)
    provider = ScriptedProvider("p", stream(chunk(content="x"), gate, finish()))
    async with house(provider, stages=limits, peers=peers) as home:
        home.app.mount(Admin("the-admin-key", limit_routes(limits, peers)))
        server = Server(home.app.handle_from_peer, access_log=None, auto_decompress=False)
        listening = await asyncio.get_running_loop().create_unix_server(server, directory / f"{number}.sock")
        yield home
        listening.close()
        await server.shutdown(1)


async def test_what_the_exchanges_of_all_workers_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.server.admin_limits._MOST_SHOWN", 1)
    gate = asyncio.Event()

    async def shown(home: House) -> dict[str, Any]:
        headers = {"authorization": "Bearer the-admin-key"}
        async with home.session.get(f"{home.url.removesuffix('/v1')}/admin/limits", headers=headers) as response:
            assert response.status == 200
            found: dict[str, Any] = await response.json()
            return found

    async with worker(0, tmp_path, gate) as first, worker(1, tmp_path, gate) as second:
        (tmp_path / "2.sock").touch()  # of a worker that is gone
        running = []
        for home in (first, second, second):
            reader, writer = await home.connect(max_output_tokens=100)
            async with asyncio.timeout(10):
                await reader.readuntil(b'"delta":"x"')
            running.append(writer)
        found = await shown(first)
        assert await shown(second) | {"holds": 0, "data": 0} == found | {"holds": 0, "data": 0}
        assert found["holds_left_out"] == 1
        ids = {hold["exchange"] for hold in found["holds"]}
        assert len(ids) == 2
        for id in ids:
            holds = [hold for hold in found["holds"] if hold["exchange"] == id]
            tokens, money = sorted(holds, key=lambda hold: hold["unit"])
            assert (tokens["unit"], tokens["amount"], tokens["subject"]) == ("tokens", 108, "ip=127.0.0.1")
            assert (money["unit"], money["amount"]) == ("usd", 0.000208)
            assert 0 <= money["age_s"] < 600
        gate.set()
        for writer in running:
            writer.close()
        await first.settled()
        await second.settled(2)
        found = await shown(first)
        assert (found["holds"], found["holds_left_out"]) == ([], 0)
