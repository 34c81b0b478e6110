"""The stage `metrics`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from proxy.metrics.pulse import Pulse
from stages.metrics import Metrics
from tests.support.books import numbers
from tests.support.drive import asking, drive, exchange_of, texts


async def test_it_counts_what_is_open_and_what_has_ended() -> None:
    stage = Metrics()
    await stage.start()
    try:
        open_one = exchange_of(asking(stream=True))
        await stage.on_request(open_one)
        await drive(stage, events=texts("hello"))
        told = numbers(await stage.exposition())
    finally:
        await stage.close()
    assert isinstance(open_one.pulse, Pulse)
    assert open_one.times == {}
    assert (told["penstock_open_requests"], told["penstock_open_streams"]) == (1, 1)
    assert told['penstock_requests_total{dialect="responses",model="other",outcome="completed",upstream="none"}'] == 1


async def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="prometheus-client"):
        await Metrics().start()


async def test_workers_that_cannot_share_their_numbers_do_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_PEERS", str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match="cannot share what they count"):
        await Metrics().start()
