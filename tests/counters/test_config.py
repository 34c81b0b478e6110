"""What `stores.counters` may say, and that counters belong to the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.types import Duration, Mistake, Secret
from proxy.counters import LocalCounters, SharedCounters
from proxy.counters.config import TABLE, RedisConfig, SharedConfig, make_counters
from proxy.counters.redis_counters import RedisCounters


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.counters.config._of_process", {})
    monkeypatch.delenv(TABLE, raising=False)


def test_a_process_has_one_table_however_often_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert isinstance(make_counters(SharedConfig(), None, tmp_path), LocalCounters)
    assert make_counters(SharedConfig(), None, tmp_path) is make_counters(SharedConfig(), None, tmp_path)
    beside = make_counters(SharedConfig(), tmp_path / "kept.db", tmp_path)
    assert isinstance(beside, SharedCounters)
    assert (tmp_path / "kept.db-counters").exists()
    assert make_counters(SharedConfig(path="kept.db-counters"), None, tmp_path) is beside
    monkeypatch.setenv(TABLE, str(tmp_path / "of-the-workers"))
    workers = make_counters(SharedConfig(), None, tmp_path)
    assert isinstance(workers, SharedCounters)
    monkeypatch.setattr("os.getpid", lambda: -1)
    child = make_counters(SharedConfig(), None, tmp_path)
    assert child is not workers, "inherited from another process by a fork"
    for counters in (beside, workers, child):
        assert isinstance(counters, SharedCounters)
        counters.unmap()


def test_redis(tmp_path: Path) -> None:
    config = RedisConfig(url=Secret("redis://127.0.0.1:1/0"))
    assert isinstance(make_counters(config, None, tmp_path), RedisCounters)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(Mistake, match="lease is shorter"):
        SharedConfig(lease=Duration(0.5))
