"""The stage as the engine knows it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from proxy.metrics.measure import Measure
from proxy.metrics.stage import MetricsStage
from stages.metrics import Metrics
from tests.support.books import numbers


class Telling:
    def measures(self) -> Iterable[Measure]:
        yield Measure("penstock_told", "gauge", "Told.", 5)


class Broken:
    def measures(self) -> Iterable[Measure]:
        raise RuntimeError("nothing to tell")


async def test_parts_tell_of_themselves_and_one_that_cannot_disturbs_none(caplog: pytest.LogCaptureFixture) -> None:
    stage: MetricsStage = Metrics()
    stage.parts = (Broken(), Telling(), object(), None)
    await stage.start()
    try:
        assert numbers(await stage.exposition())["penstock_told"] == 5
    finally:
        await stage.close()
    assert "Broken could not be measured" in caplog.text
