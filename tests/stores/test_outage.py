"""One line for each change, not one for each call."""

from __future__ import annotations

import pytest

from proxy.stores.outage import Outage, tell
from proxy.stores.store import StoreFailed, StoreUnavailable


def test_an_outage_is_told_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("the bucket")
    outage.answered()
    for _ in range(2):
        for number in range(3):
            error = StoreUnavailable(f"the bucket: no answer {number}")
            outage.failed(error)
            tell(error)
        outage.answered()
        outage.answered()
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert lines == [("ERROR", "the bucket: no answer 0"), ("WARNING", "the bucket answers again")] * 2


def test_what_nobody_has_told_is_told_each_time(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        tell(StoreFailed("a response is damaged"))
    assert [record.getMessage() for record in caplog.records] == [
        "the response store failed: a response is damaged"
    ] * 2
