"""What counters answer."""

from __future__ import annotations

from proxy.counters import Counters, Grant, LocalCounters


def test_a_fresh_grant_holds_nothing() -> None:
    grant = Grant(b"a")
    assert (grant.refused_by, grant.held, grant.retry_after_s) == (None, False, 0.0)


def test_implementations_offer_the_protocol() -> None:
    counters: Counters = LocalCounters()
    counters.forget_worker(0)
    counters.close()
