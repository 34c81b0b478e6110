"""A file of one's own, called."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.loader import load_text
from proxy.errors import ConfigError, ConfigMissing
from proxy.inprocess.penstock import Penstock
from tests.support.inprocess import ECHO

ON_DISK = ECHO.replace("{kind: memory}", "{kind: sqlite, path: ./own.db}")


def test_a_file_and_what_it_keeps(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(ON_DISK)
    with Penstock.from_file(file) as penstock:
        first = penstock.responses("Hello.", "m")
    assert (tmp_path / "own.db").exists()
    with Penstock.from_file(str(file)) as again:
        assert again.get_responses(first.id).output_text == "Hello."
        assert again.responses("and", "m", previous_response_id=first.id).status == "completed"


async def test_a_store_on_disk_is_shared_by_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with Penstock.from_config(load_text(ON_DISK, "own.yaml")) as penstock:
        made = await penstock.aresponses("Hello.", "m")
        with penstock:
            assert penstock.get_responses(made.id).output_text == "Hello."


def test_what_is_wrong_with_the_file_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"text:1:\d+: upstreams\.echo: unknown kind"):
        Penstock.from_text(ECHO.replace("kind: echo", "kind: ecco"))
    with pytest.raises(ConfigMissing):
        Penstock.from_file(tmp_path / "none.yaml")


def test_what_is_doubtful_in_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    late = "route, auth: {keys: [{id: a, key: a-key-of-somebody}]}, stream-translate"
    Penstock.from_text(ECHO.replace("route, stream-translate", late))
    assert "text:4" in caplog.text
    assert "every attempt asks for the key again" in caplog.text


def test_a_closed_one_is_opened_again_when_it_is_asked() -> None:
    penstock = Penstock.from_text(ECHO)
    with penstock:
        first = penstock.responses("Hello.", "m")
    assert penstock.get_responses(first.id) == first
    penstock.close()
    penstock.close()


def test_what_cannot_start_is_said_when_it_is_opened() -> None:
    file = ECHO.replace("pipeline: [", "pipeline: [auth: {keys: ./no-such-keys.yaml}, ")
    with pytest.raises(ConfigError, match="no-such-keys"), Penstock.from_text(file):
        pass
