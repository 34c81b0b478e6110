"""What is refused of Redis's settings, wherever they stand."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.types import Duration, Mistake, Secret
from proxy.counters.config import RedisConfig
from proxy.stores.config import RedisStoreConfig


@pytest.mark.parametrize("make", [RedisConfig, RedisStoreConfig])
def test_everything_in_redis_has_the_same_rules(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("redis://127.0.0.1:1/0", "rediss://h", "unix:///run/redis.sock"):
        make(url=Secret(url))
    with pytest.raises(Mistake, match="does not begin with redis://") as found:
        make(url=Secret("postgres://user:planted@x"))
    assert "planted" not in found.value.what + found.value.fix
    with pytest.raises(Mistake, match="never answer in time"):
        make(url=Secret("redis://h"), timeout=Duration(0))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Mistake, match="package that is not installed") as found:
        make(url=Secret("redis://h"))
    assert "penstock[redis]" in found.value.fix
