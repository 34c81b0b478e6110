"""Who is counted with whom, what a client is told, and that every slot comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy.config.types import Duration
from proxy.counters import LocalCounters
from proxy.errors import ConfigError, UpstreamCut
from proxy.events import UpstreamFailed
from proxy.exchange import Key
from proxy.reply import Reply
from stages.rate_limit import RateLimit, RateLimitConfig, duration
from tests.support.drive import Driven, asking, drive, exchange_of, texts


class Limited:
    """A stage on a clock of its own."""

    def __init__(self, **config: Any) -> None:
        self.now = 6000.0
        self.stage = RateLimit(RateLimitConfig(**config), LocalCounters(lambda: self.now))

    async def ask(self, key: str | None = "a", address: str = "10.0.0.1", model: str = "m") -> Driven:
        exchange = exchange_of(asking(model=model), key=Key(key) if key else None, address=address)
        return await drive(self.stage, exchange, texts("hello"))


def limit_headers(driven: Driven) -> list[str]:
    return [driven.head.headers[f"x-ratelimit-{name}-requests"] for name in ("limit", "remaining", "reset")]


async def test_the_client_is_told_how_it_stands() -> None:
    limited = Limited(requests_per_minute=2)
    assert limit_headers(await limited.ask()) == ["2", "1", "1m2s"]
    limited.now += 10
    assert limit_headers(await limited.ask()) == ["2", "0", "1m2s"]
    limited.now += 0.5
    refused = await limited.ask()
    assert refused.head.status == 429
    assert limit_headers(refused) == ["2", "0", "1m1.5s"]
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


@pytest.mark.parametrize(
    ("per", "same", "other"),
    [
        ("key", {"address": "10.9.9.9", "model": "x"}, {"key": "b"}),
        ("key", {"address": "10.9.9.9"}, {"key": None}),
        ("ip", {"key": "b", "model": "x"}, {"address": "10.9.9.9"}),
        ("model", {"key": "b", "address": "10.9.9.9"}, {"model": "x"}),
    ],
)
async def test_who_is_counted_with_whom(per: str, same: dict[str, Any], other: dict[str, Any]) -> None:
    limited = Limited(per=per, requests=1, window=Duration(10))
    assert (await limited.ask()).reply is None
    assert (await limited.ask(**same)).head.status == 429
    assert (await limited.ask(**other)).reply is None


async def test_without_a_key_the_address_counts() -> None:
    limited = Limited(per="key", requests=1)
    assert (await limited.ask(key=None)).reply is None
    assert (await limited.ask(key=None)).head.status == 429
    assert (await limited.ask(key=None, address="10.0.0.2")).reply is None
    assert (await limited.ask(key="ip 10.0.0.1")).reply is None, "a key's name must not collide with an address"


async def test_slots_come_back_however_it_ends() -> None:
    limited = Limited(parallel=2)
    for _ in range(5):
        await drive(limited.stage, exchange_of(), [UpstreamFailed(UpstreamCut("cut"))])
    exchange = exchange_of()
    running = [await limited.stage.on_request(exchange) for _ in range(2)]
    refused = await limited.stage.on_request(exchange)
    assert isinstance(refused, Reply)
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert b"2 requests are running already" in refused.body
    assert "x-ratelimit-limit-requests" not in refused.headers
    for one in running:
        assert not isinstance(one, Reply)
        assert one is not None
        await one.on_end(exchange)
        await one.on_end(exchange)
    again = await asyncio.gather(*(limited.stage.on_request(exchange_of()) for _ in range(5)))
    assert sum(isinstance(one, Reply) for one in again) == 3


async def test_the_nearest_of_several_limits_is_shown() -> None:
    counters = LocalCounters(lambda: 6000.0)
    wide = RateLimit(RateLimitConfig(requests=100, per="ip"), counters)
    narrow = RateLimit(RateLimitConfig(requests=5, per="model"), counters)
    for order in ((wide, narrow), (narrow, wide)):
        exchange = exchange_of(asking(model=order[0].config.per))
        for stage in order:
            await stage.on_request(exchange)
        assert exchange.response_headers["x-ratelimit-limit-requests"] == "5"


async def test_a_second_stage_counts_for_itself_by_its_name() -> None:
    counters = LocalCounters(lambda: 6000.0)
    for name in ("", "other"):
        stage = RateLimit(RateLimitConfig(requests=1, name=name), counters)
        assert (await drive(stage, exchange_of())).reply is None
        assert (await drive(stage, exchange_of())).head.status == 429


async def test_a_new_pipeline_hands_out_no_fresh_quota() -> None:
    refused = []
    for _ in range(2):
        stage = RateLimit(RateLimitConfig(requests=1, name="of this test"))
        await stage.start()
        refused.append((await drive(stage, exchange_of())).reply is not None)
    assert refused == [False, True]


async def test_a_table_that_cannot_be_used_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("proxy.counters._of_process", {})
    monkeypatch.setenv("PENSTOCK_COUNTERS", str(tmp_path / "absent" / "counters"))
    with pytest.raises(ConfigError, match="the workers' counters cannot be used"):
        await RateLimit(RateLimitConfig(requests=1)).start()


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({}, "nothing is limited"),
        ({"requests": 1, "requests_per_minute": 1}, "say the same thing"),
        ({"requests_per_minute": 1, "window": Duration(5)}, "counts in minutes"),
        ({"requests": 1, "window": Duration(0.5)}, "shorter than a second"),
    ],
)
def test_limits_that_make_no_sense_are_refused(config: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        RateLimitConfig(**config)


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
