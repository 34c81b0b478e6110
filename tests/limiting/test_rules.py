"""What a client is told of a limit."""

from __future__ import annotations

import msgspec
import pytest

from proxy.counters import Demand, Limit, Standing
from proxy.limiting.rules import Claim, Rule, demands, dollars, duration, refused, tell
from tests.support.drive import exchange_of

MONEY = Rule("budget", ("team",), Limit(unit="usd", most=250_000_000_000, window_s=86400), "1d")
REQUESTS = Rule("rate-limit", ("key",), Limit(unit="requests", most=10, window_s=60), "1m", "mine")


def test_counters_have_names_that_tell_what_they_count() -> None:
    assert MONEY.counter(exchange_of()) == "budget usd/86400s per team: ip=10.0.0.1"
    assert REQUESTS.counter(exchange_of()) == "rate-limit:mine requests/60s per key: ip=10.0.0.1"
    places = Rule("rate-limit", ("model",), Limit(unit="parallel", most=1))
    asked = demands(exchange_of(), [Claim(REQUESTS, 1), Claim(places, 3)])
    assert asked == [
        Demand("rate-limit:mine requests/60s per key: ip=10.0.0.1", REQUESTS.limit, 1),
        Demand("rate-limit parallel per model: model=m", places.limit, 3),
    ]


def test_a_budget_that_is_used_up_is_a_quota_and_names_nobody() -> None:
    reply = refused(Claim(MONEY, 50_000_000), Standing(200_000_000_000, 49_990_000_000, 10_000_000, 3, 1800.0))
    assert (reply.status, reply.headers["retry-after"], reply.headers["x-should-retry"]) == (429, "1800", "false")
    assert msgspec.json.decode(reply.body)["error"] == {
        "message": "The budget of your team is used up: $250 in 1d, $49.99 of them held by requests that still run.",
        "type": "insufficient_quota",
        "param": None,
        "code": "insufficient_quota",
    }
    reply = refused(Claim(MONEY, 251_000_000_000), Standing(0, 0, 0))
    assert b"This request may cost $251, and the budget of your team is $250 in 1d." in reply.body
    assert "retry-after" not in reply.headers


def test_what_the_upstream_or_nobody_understands_is_replaced() -> None:
    headers = {"x-ratelimit-remaining-requests": "lots"}
    tell(headers, [Claim(REQUESTS, 1), Claim(MONEY, 1)], [Standing(1, 0, 9, 2.0), Standing(0, 0, 0)])
    assert headers == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "2s",
    }


@pytest.mark.parametrize(
    ("nano", "text"), [(0, "0"), (10**9, "1"), (1_500_000_000, "1.50"), (12_345_678, "0.012345678"), (10**7, "0.01")]
)
def test_money_is_written_to_the_cent_or_below(nano: int, text: str) -> None:
    assert dollars(nano) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "1ms"),
        (0.017, "17ms"),
        (1, "1s"),
        (8.64, "8.64s"),
        (59.999, "1m0s"),
        (360, "6m0s"),
        (3600, "1h0m0s"),
    ],
)
def test_durations_are_written_as_openai_does(seconds: float, text: str) -> None:
    assert duration(seconds) == text
