"""What is left of a file once it is loaded."""

from __future__ import annotations

import os

from proxy.config.file import Config, Limits, StageEntry, processors
from proxy.config.listen import Listen
from proxy.config.problems import Place
from proxy.stores.config import StoresConfig
from tests.support.fake_registry import STAGES


def config(*stages: str) -> Config:
    entries = tuple(StageEntry(name, STAGES[name], STAGES["log"].Config(), Place(1, 1)) for name in stages)
    return Config(
        file="f",
        listen=Listen(),
        workers=1,
        limits=Limits(),
        stores=StoresConfig(),
        upstreams={},
        models={},
        pipeline=entries,
    )


def test_who_asks_for_keys():
    assert config("auth", "route").asks_for_keys
    assert not config("route", "log").asks_for_keys


def test_processors_are_those_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert processors() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors() == 1
