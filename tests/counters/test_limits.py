"""What counters are asked, and what they answer."""

from __future__ import annotations

from pathlib import Path

from proxy.counters import Counters, Grant, Limit, LocalCounters, SharedCounters
from proxy.counters.redis_counters import RedisCounters, RedisSettings


def test_a_slot_is_a_thirtieth_of_the_window() -> None:
    assert Limit(unit="tokens", most=1, window_s=60).slot_us == 2_000_000
    assert Limit(unit="parallel", most=1).slot_us > 1 << 60, "what has no window never leaves it"


def test_a_fresh_grant_holds_nothing() -> None:
    grant = Grant((), [])
    assert (grant.refused, grant.taken) == (None, None)


def test_implementations_offer_the_protocol(tmp_path: Path) -> None:
    shared = SharedCounters(str(tmp_path / "counters"), rows=16)
    every: list[Counters] = [LocalCounters(), shared, RedisCounters(RedisSettings(url="redis://x"), LocalCounters())]
    assert len(every) == 3
    shared.unmap()
