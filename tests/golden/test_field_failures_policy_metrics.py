"""One test for each failure reported from the field that concerns metrics and the ledger, as far as a server shows it.

The numbers are those of the review list `field-failures.md`. Others of its entries stand beside the code: 9.2 and 9.6
in tests/ledger/test_row.py, 9.3 in test_field_failures_providers.py, 9.4 and 9.5 in tests/e2e/test_costs.py.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

from proxy.events import Event, Finish
from proxy.exchange import Exchange
from proxy.ledger.ledger import Ledger
from proxy.ledger.spend import Question
from proxy.ledger.stage import LedgerStage
from proxy.pipeline import Settings
from proxy.pricing.book import PriceBook
from proxy.pricing.own import OwnPrice
from proxy.pricing.rates import rate_card
from proxy.providers.echo.provider import Echo, EchoConfig
from proxy.providers.provider import Deployment
from proxy.stage import ResponseFilter, Stage
from stages.metrics import Metrics
from tests.support.books import numbers
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, chunk, finish, stream

PRICES = PriceBook([OwnPrice("m", 1, rate_card({"input": 1_000_000, "output": 2_000_000}), ("p/up",))])
ECHO = Echo("e", EchoConfig())


class HoldBack(Stage):
    """Keeps the text to itself until the answer ends, as a guardrail may; notes when it came and when it went."""

    name = "hold-back"

    def __init__(self) -> None:
        super().__init__()
        self.came = asyncio.Event()
        self.came_at = self.released_at = 0.0

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return _Held(self)


class _Held(ResponseFilter):
    def __init__(self, stage: HoldBack) -> None:
        self.stage = stage
        self.held: list[Event] = []

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        self.held += events
        if not any(isinstance(one, Finish) for one in events):
            self.stage.came_at = time.monotonic()
            self.stage.came.set()
            return []
        self.stage.released_at = time.monotonic()
        return self.held


async def test_10_5_the_first_token_is_timed_when_it_is_released() -> None:
    go_on = asyncio.Event()
    provider = ScriptedProvider("p", stream(chunk(content="held"), go_on, finish()))
    async with house(provider, stages=[metrics := Metrics(), hold := HoldBack()]) as home:
        asking = asyncio.create_task(home.ask(stream=True))
        async with asyncio.timeout(10):
            await hold.came.wait()
            go_on.set()
            await asking
        timing = (await home.settled()).timing
        told = numbers(await metrics.exposition())
    assert timing.first_event is not None
    assert hold.came_at < hold.released_at <= timing.first_event
    seconds = told['penstock_time_to_first_token_seconds_sum{model="m",upstream="p"}']
    assert abs(seconds - (timing.first_event - timing.started)) < 1e-9


async def test_12_4_clients_cannot_make_series_without_end() -> None:
    models = {"m": [Deployment(ECHO, "echo")], "echo-*": [Deployment(ECHO, "echo-*")]}
    async with house(ECHO, models=models, stages=[metrics := Metrics()]) as home:
        for number in range(30):
            await home.ask(model=f"typo-{number}", user=f"user-{number}")
            await home.ask(model=f"echo-{number}", user=f"user-{number}", metadata={"tag": f"tag-{number}"})
        told = "\n".join(numbers(await metrics.exposition()))
    assert 'model="other"' in told
    assert 'model="echo-*"' in told
    assert not any(mark in told for mark in ("typo-", "user-", "tag-", 'model="echo-1'))


async def test_12_5_a_ledger_that_is_locked_holds_up_no_request(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db", keep_s=3600)
    async with house(ECHO, models={"m": [Deployment(ECHO, "echo")]}, stages=[LedgerStage(ledger)]) as home:
        await home.ask()
        await ledger.flush()
        other = sqlite3.connect(ledger.path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(20):
            assert (await home.ask())[0] == 200
        assert ledger.waiting == 20
        other.execute("ROLLBACK")
        other.close()
        assert [one.requests for one in await ledger.spend(Question())] == [21]


async def test_9_1_a_client_that_leaves_has_a_row_with_an_estimate(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db", keep_s=3600)
    provider = ScriptedProvider("p", stream(chunk(content="x" * 400), asyncio.Event()))
    async with house(provider, stages=[LedgerStage(ledger)], settings=Settings(prices=PRICES)) as home:
        reader, writer = await home.connect(input="y" * 4000)
        async with asyncio.timeout(10):
            await reader.readuntil(b"x" * 400)
        writer.close()
        exchange = await home.settled()
        (row,) = await ledger.spend(Question(by=("model",)))
    assert exchange.outcome == "cancelled"
    assert (row.requests, row.estimated, row.output) == (1, 1, 100)
    assert row.nano_dollars == row.input * 1000 + row.output * 2000
