"""When something is left alone, and what the log says of it."""

from __future__ import annotations

import logging

import pytest

from proxy.counters.breaker import Breaker


def test_8_8_it_opens_closes_and_tells_each_change_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "penstock")
    breaker = Breaker("the Redis", "nothing is limited")
    for _ in range(2):
        breaker.failed(OSError("refused"))
    breaker.answered()
    for _ in range(2):
        breaker.failed(OSError("refused"))
    assert not breaker.open
    for _ in range(50):
        breaker.failed(TimeoutError())
    assert breaker.open
    for _ in range(5):
        breaker.answered()
    assert not breaker.open
    assert [record.getMessage() for record in caplog.records] == [
        "the Redis does not answer (TimeoutError): nothing is limited",
        "the Redis answers again",
    ]
