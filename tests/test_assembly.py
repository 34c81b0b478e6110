"""From a checked file to a pipeline that can be started."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.assembly import KEY_FILE, assemble
from proxy.config.loader import load_text
from proxy.errors import ConfigError
from proxy.limiting.stage import LimitStage
from proxy.sealing import SealBroken, Sealing
from proxy.stores.conversation_memory import MemoryConversations
from proxy.stores.memory import MemoryStore

FILE = """\
limits: {keepalive_comment: 3s}
upstreams:
  echo: {kind: echo}
  gone: {kind: openai, requires_env: A_VARIABLE_THAT_NOBODY_SETS, api_key: env:A_VARIABLE_THAT_NOBODY_SETS}
models:
  a: [{use: echo/echo, weight: 3}]
  "b-*": [echo/echo-*]
  "c-*": [gone/c-*]
pipeline: [route, stream-translate]
stores: {responses: {kind: memory}}
"""


async def test_a_file_becomes_a_pipeline() -> None:
    pipeline = assemble(load_text(FILE, "test"))
    await pipeline.start()
    try:
        assert [stage.name for stage in pipeline.stages] == ["route", "stream-translate"]
        assert pipeline.keepalive_s == 3.0
        [one] = pipeline.models.resolve("a")
        assert (one.name, one.weight) == ("echo/echo", 3)
        assert [one.name for one in pipeline.models.resolve("b-x")] == ["echo/echo-x"]
        assert pipeline.models.resolve("c-x") == ()
        assert "A_VARIABLE_THAT_NOBODY_SETS" in (pipeline.models.why_unavailable("c-x") or "")
    finally:
        await pipeline.close()


def sealing_of(directory: Path, stores: str, secret: str = "") -> Sealing:
    text = FILE.replace("stores: {responses: {kind: memory}}", f"stores: {{responses: {stores}}}\n{secret}")
    return assemble(load_text(text, str(directory / "pipeline.yaml"))).sealing


def opens(one: Sealing, other: Sealing) -> bool:
    try:
        return one.open(other.seal(b"x", "p"), "p") == b"x"
    except SealBroken:
        return False


def test_beside_a_store_on_disk_stands_the_key_that_all_share(tmp_path: Path) -> None:
    one = sealing_of(tmp_path, "{kind: sqlite, path: kept.db}")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.db-key"]
    assert opens(sealing_of(tmp_path, "{kind: sqlite, path: kept.db}"), one)
    assert not opens(sealing_of(tmp_path, "{kind: sqlite, path: other.db}"), one)


def test_a_key_that_cannot_be_used_is_a_mistake_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "kept.db-key").write_text("short")
    with pytest.raises(ConfigError, match=r"kept\.db-key:1:1: .*it holds no key.*secret:"):
        sealing_of(tmp_path, "{kind: sqlite, path: kept.db}")


def test_a_directory_that_is_not_there_is_left_to_the_store(tmp_path: Path) -> None:
    sealing_of(tmp_path, "{kind: sqlite, path: gone/kept.db}")
    assert list(tmp_path.iterdir()) == []


def test_secrets_of_the_file_go_before_the_key(tmp_path: Path) -> None:
    secrets = "secret: [the-newest-of-the-secrets, the-one-before-that-one]"
    one = sealing_of(tmp_path, "{kind: sqlite, path: kept.db}", secrets)
    assert list(tmp_path.iterdir()) == []
    assert opens(one, Sealing(["the-newest-of-the-secrets"]))
    assert opens(one, Sealing(["the-one-before-that-one"]))
    assert opens(Sealing(["the-newest-of-the-secrets"]), one)


@pytest.mark.parametrize("stores", ["{kind: memory}", "{kind: none}"])
def test_without_a_file_the_workers_share_a_key_all_the_same(
    stores: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not opens(sealing_of(tmp_path, stores), sealing_of(tmp_path, stores))
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "key"))
    assert opens(sealing_of(tmp_path, stores), sealing_of(tmp_path, stores))


def test_upstreams_seal_with_the_pipeline_s_key() -> None:
    pipeline = assemble(load_text(FILE, "test"))
    assert all(provider.sealing is pipeline.sealing for provider in pipeline.providers.values())


async def test_stores_that_are_given_stand_for_those_of_the_file() -> None:
    responses, conversations = MemoryStore(), MemoryConversations()
    pipeline = assemble(load_text(FILE, "test"), store=responses, conversations=conversations)
    assert pipeline.store is responses
    assert pipeline.conversations is conversations


async def test_stages_with_limits_share_the_counters_of_the_file(tmp_path: Path) -> None:
    text = FILE.replace("pipeline: [", "pipeline: [rate-limit: {parallel: 1}, budget: {usd: 1}, ")
    text = text.replace("{kind: memory}}", "{kind: memory}, counters: {kind: shared, path: counted}}")
    pipeline = assemble(load_text(text, str(tmp_path / "pipeline.yaml")))
    first, second = (stage for stage in pipeline.stages if isinstance(stage, LimitStage))
    assert (tmp_path / "counted").exists()
    assert first.counters is second.counters
    assert second.prices is pipeline.prices
    (tmp_path / "notes").write_text("not a table")
    with pytest.raises(ConfigError, match=r"the counters of limits cannot be used: .* is no table of counters"):
        assemble(load_text(text.replace("path: counted", "path: notes"), str(tmp_path / "pipeline.yaml")))
