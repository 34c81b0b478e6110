"""Who is counted with whom, what a client is told, and that everything comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from proxy.config.types import Duration
from proxy.counters import LocalCounters
from proxy.errors import UpstreamCut
from proxy.events import UpstreamFailed, Usage
from proxy.exchange import Attempt, Exchange, Key
from proxy.limiting.own import OwnLimits
from proxy.limiting.stage import join_neighbours
from proxy.reply import Reply
from stages.rate_limit import RateLimit, RateLimitConfig, WindowLimit
from tests.support.drive import Driven, asking, chatting, drive, exchange_of, texts


def limiting(counters: LocalCounters | None = None, **config: Any) -> RateLimit:
    stage = RateLimit(RateLimitConfig(**config))
    stage.counters = counters or LocalCounters(lambda: 6000.0)
    return stage


class Limited:
    """A stage on a clock of its own."""

    def __init__(self, **config: Any) -> None:
        self.now = 6000.0
        self.stage = limiting(LocalCounters(lambda: self.now), **config)

    async def ask(
        self, key: Key | str | None = "a", address: str = "10.0.0.1", model: str = "m", **fields: Any
    ) -> Driven:
        who = Key(key) if isinstance(key, str) else key
        exchange = exchange_of(asking(**{"model": model, **fields}), key=who, address=address)
        return await drive(self.stage, exchange, texts("hello"))


def headers(driven: Driven, unit: str = "requests") -> list[str]:
    return [driven.head.headers[f"x-ratelimit-{name}-{unit}"] for name in ("limit", "remaining", "reset")]


async def test_the_client_is_told_how_it_stands() -> None:
    limited = Limited(requests_per_minute=2)
    assert headers(await limited.ask()) == ["2", "1", "1m2s"]
    limited.now += 10
    assert headers(await limited.ask()) == ["2", "0", "1m2s"]
    limited.now += 0.5
    refused = await limited.ask()
    assert refused.head.status == 429
    assert headers(refused) == ["2", "0", "1m1.5s"]
    assert refused.head.headers["retry-after"] == "52"
    assert refused.reply is not None
    assert msgspec.json.decode(refused.reply.body)["error"] == {
        "message": "Rate limit reached for your API key: 2 requests in 1m. Try again in 51.5s.",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    limited.now += 52
    assert (await limited.ask()).reply is None


TEAM = Key("a", team="red", user="ann")


@pytest.mark.parametrize(
    ("per", "same", "other"),
    [
        ("key", {"address": "10.9.9.9", "model": "x"}, {"key": "b"}),
        ("key", {"address": "10.9.9.9"}, {"key": None}),
        ("ip", {"key": "b", "model": "x"}, {"address": "10.9.9.9"}),
        ("model", {"key": "b", "address": "10.9.9.9"}, {"model": "x"}),
        ("team", {"key": Key("b", team="red")}, {"key": Key("b", team="blue")}),
        ("team", {"key": Key("b", owner="red")}, {"key": Key("b")}),
        ("user", {"key": Key("b", user="ann")}, {"key": Key("a", team="red", user="bob")}),
        ("end_user", {"user": None}, {"user": "u1"}),
        (("key", "model"), {"address": "10.9.9.9"}, {"model": "x"}),
        (("team", "ip"), {"key": Key("b", team="red")}, {"address": "10.9.9.9"}),
    ],
)
async def test_who_is_counted_with_whom(per: Any, same: dict[str, Any], other: dict[str, Any]) -> None:
    limited = Limited(per=per, requests=1, window=Duration(10))
    assert (await limited.ask(key=TEAM)).reply is None
    assert (await limited.ask(**{"key": TEAM, **same})).head.status == 429
    assert (await limited.ask(**{"key": TEAM, **other})).reply is None


async def test_without_a_key_the_address_counts() -> None:
    limited = Limited(per="key", requests=1)
    assert (await limited.ask(key=None)).reply is None
    assert (await limited.ask(key=None)).head.status == 429
    assert (await limited.ask(key=None, address="10.0.0.2")).reply is None
    assert (await limited.ask(key="ip=10.0.0.1")).reply is None, "a key's name must not collide with an address"


async def test_8_3_slots_come_back_however_it_ends() -> None:
    stage = limiting(parallel=2)
    for _ in range(5):
        await drive(stage, exchange_of(), [UpstreamFailed(UpstreamCut("cut"))])
    exchange = exchange_of()
    running = [await stage.on_request(exchange) for _ in range(2)]
    refused = await stage.on_request(exchange_of())
    assert isinstance(refused, Reply)
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert b"2 requests are running already" in refused.body
    assert "x-ratelimit-limit-requests" not in refused.headers
    for one in running:
        assert not isinstance(one, Reply)
        assert one is not None
        await one.on_end(exchange)
        await one.on_end(exchange)
    again = await asyncio.gather(*(stage.on_request(exchange_of()) for _ in range(5)))
    assert sum(isinstance(one, Reply) for one in again) == 3


async def ending(stage: RateLimit, exchange: Exchange, *usages: Usage | None) -> None:
    """Lets an exchange in, and ends it after attempts that have used so much."""
    admitted = await stage.on_request(exchange)
    assert admitted is not None
    assert not isinstance(admitted, Reply)
    exchange.attempts = [Attempt("u", "m", 0.0, usage=one) for one in usages]
    await admitted.on_end(exchange)


async def test_tokens_are_reserved_then_settled_by_what_was_used() -> None:
    stage = limiting(tokens_per_minute=1000, assume_output=500)
    exchange = exchange_of(asking("x" * 400, max_output_tokens=300))
    await ending(stage, exchange, Usage(120, 80, total_tokens=200))
    assert exchange.response_headers["x-ratelimit-remaining-tokens"] == str(1000 - 300 - 107)
    assert exchange.response_headers["x-ratelimit-reset-tokens"] == "1m0s"
    state = (await stage.counters.snapshot())[0]
    assert (state.used, state.held) == (200, 0)
    await ending(stage, exchange_of(), Usage(10, 20, total_tokens=30), Usage(1, 2))
    assert (await stage.counters.snapshot())[0].used == 233, "what a failed attempt has used counts too"
    await ending(stage, exchange_of(), None)
    assert (await stage.counters.snapshot())[0].used == 233, "nothing was used"
    await ending(stage, exchange_of(chatting("hello", n=2, max_tokens=100)))
    counting = exchange_of(asking("x" * 9999))
    counting.counting = True
    await ending(stage, counting)
    assert (await stage.counters.snapshot())[0].used == 233


async def test_a_request_that_can_never_fit_is_told_so_and_an_assumption_refuses_nobody() -> None:
    stage = limiting(tokens=1000)
    refused = await stage.on_request(exchange_of(asking(max_output_tokens=2000)))
    assert isinstance(refused, Reply)
    assert (refused.status, refused.headers["x-should-retry"]) == (429, "false")
    assert b"Request too large for your API key: it may need 2008 tokens, and 1000 are allowed in 1m" in refused.body
    await ending(stage, exchange_of(asking("x" * 3000)), Usage(900, 50, total_tokens=950))
    late = await stage.on_request(exchange_of())
    assert isinstance(late, Reply)
    assert b"of which 950 are used or held, and this request may need" in late.body


async def test_8_1_ten_at_once_and_three_pass() -> None:
    stage = limiting(tokens_per_minute=1000)
    every = [exchange_of(asking("x" * 372, max_output_tokens=200)) for _ in range(10)]
    results = await asyncio.gather(*map(stage.on_request, every))
    assert sum(isinstance(one, Reply) for one in results) == 7


async def test_several_windows_in_one_stage() -> None:
    limited = Limited(requests_per_minute=2, limits=(WindowLimit(requests=3, window=Duration(3600)),))
    assert [(await limited.ask()).head.status for _ in range(3)] == [200, 200, 429]
    limited.now += 70
    assert (await limited.ask()).head.status == 200
    refused = await limited.ask()
    assert headers(refused)[:2] == ["3", "0"]
    assert refused.reply is not None
    assert b"3 requests in 1h. Try again in" in refused.reply.body


async def test_the_nearest_of_several_limits_is_shown() -> None:
    for order in ((100, 5), (5, 100)):
        exchange = exchange_of()
        for number, most in enumerate(order):
            await limiting(requests=most, name=str(number)).on_request(exchange)
        assert exchange.response_headers["x-ratelimit-limit-requests"] == "5"


async def test_neighbours_decide_at_once_and_others_give_back() -> None:
    counters = LocalCounters(lambda: 6000.0)
    wide, narrow = limiting(counters, requests=100, per="ip"), limiting(counters, requests=1, per="model")
    join_neighbours([wide, narrow])
    first = exchange_of()
    assert await wide.on_request(first) is not None
    assert await narrow.on_request(first) is None, "decided above"
    assert isinstance(await wide.on_request(exchange_of()), Reply)
    assert {state.used for state in await counters.snapshot()} == {1}
    apart = limiting(counters, requests=5, per="key")
    exchange = exchange_of()
    above = await apart.on_request(exchange)
    assert above is not None
    assert not isinstance(above, Reply)
    assert isinstance(await wide.on_request(exchange), Reply)
    await above.on_end(exchange)
    key = next(state for state in await counters.snapshot() if "per key" in state.counter)
    assert key.used == 0, "a request that another limit has refused counts for none"


async def test_a_second_stage_counts_for_itself_by_its_name() -> None:
    counters = LocalCounters(lambda: 6000.0)
    for name in ("", "other"):
        stage = limiting(counters, requests=1, name=name)
        assert (await drive(stage, exchange_of())).reply is None
        assert (await drive(stage, exchange_of())).head.status == 429


async def test_below_route_each_attempt_counts_for_itself() -> None:
    stage = limiting(tokens=10_000)
    exchange = exchange_of()
    filters = []
    for used in (30, 50):
        exchange.attempts.append(Attempt("u", "m", 0.0, usage=Usage(used, 0, total_tokens=used)))
        filters.append(await stage.on_request(exchange))
    for one in reversed(filters):
        assert not isinstance(one, Reply)
        assert one is not None
        await one.on_end(exchange)
    assert (await stage.counters.snapshot())[0].used == 80


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({}, "nothing is limited"),
        ({"requests": 1, "requests_per_minute": 1}, "say the same thing"),
        ({"tokens": 1, "tokens_per_minute": 1}, "say the same thing"),
        ({"requests_per_minute": 1, "window": Duration(5)}, "counts in minutes"),
        ({"requests": 1, "window": Duration(0.5)}, "shorter than a second"),
        ({"requests": 1, "limits": (WindowLimit(requests=2, window=Duration(60)),)}, "same unit and window"),
        ({"requests": 1, "per": ("key", "key")}, "names something twice"),
    ],
)
def test_limits_that_make_no_sense_are_refused(config: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        RateLimitConfig(**config)
    with pytest.raises(ValueError, match="nothing is limited in this window"):
        WindowLimit(window=Duration(60))


async def test_a_keys_own_limits_stand_in_the_place_of_the_stages() -> None:
    own = OwnLimits(requests_per_minute=1, parallel=7, usd=3)
    stage = limiting(requests=5, tokens=10_000)
    claims = stage.claims(exchange_of(key=Key("a", limits=own)))
    assert [(one.rule.limit.unit, one.rule.limit.most) for one in claims] == [
        ("tokens", 10_000), ("requests", 1), ("parallel", 7)
    ]  # fmt: skip
    for key, status in ((Key("a", limits=own), 429), (Key("b"), 200)):
        assert (await drive(stage, exchange_of(key=key), texts("hi"))).head.status == 200
        assert (await drive(stage, exchange_of(key=key), texts("hi"))).head.status == status
    team = limiting(requests=5, per="team")
    assert team.claims(exchange_of(key=Key("a", limits=own)))[0].rule.limit.most == 5
