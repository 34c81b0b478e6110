"""How long stages take with a request, and who is told."""

from __future__ import annotations

import re

import pytest

from proxy.exchange import Attempt, Exchange
from proxy.stage import Stage
from proxy.stage_times import asked, own_s, received, server_timing
from tests.support.drive import exchange_of


class Slow(Stage):
    name = "slow stage"

    async def on_request(self, exchange: Exchange) -> None:
        if exchange.marks:
            raise ValueError("no")


async def test_only_who_asks_is_told() -> None:
    for headers, always, told in (({}, False, False), ({"x-penstock-timing": "1"}, False, True), ({}, True, True)):
        exchange = exchange_of(headers=headers)
        received(exchange, always=always)
        await asked(Slow(), exchange)
        assert (exchange.times is not None, exchange.shows_times) == (told, told)


async def test_a_stage_that_fails_has_taken_its_time_too_and_attempts_add_up() -> None:
    exchange = exchange_of()
    exchange.times = {}
    await asked(Slow(), exchange)
    once = exchange.times["slow stage"]
    exchange.marks["fail"] = True
    with pytest.raises(ValueError, match="no"):
        await asked(Slow(), exchange)
    assert exchange.times["slow stage"] > once > 0


def test_the_header_is_one_that_browsers_read() -> None:
    exchange = exchange_of()
    exchange.times = {"slow stage": 0.0125, "route": 0.001}
    timing = exchange.timing
    timing.upstream_sent, timing.upstream_head = timing.started + 1, timing.started + 1.5
    value = re.sub(r"total;dur=[\d.]+$", "total;dur=N", server_timing(exchange))
    assert value == "slow_stage;dur=12.500, route;dur=1.000, upstream;dur=500.000, total;dur=N"


def test_own_time_is_without_uploads_and_without_upstreams() -> None:
    exchange = exchange_of()
    timing = exchange.timing
    timing.received = timing.started + 10  # a slow upload
    exchange.attempts = [Attempt("a", "m", timing.started + 10.25), Attempt("b", "m", timing.started + 20)]
    assert own_s(exchange) is None
    timing.upstream_sent = timing.started + 20.5
    assert own_s(exchange) == pytest.approx(0.75)
    exchange.attempts = []
    timing.ended = timing.started + 12
    assert own_s(exchange) == pytest.approx(2)
