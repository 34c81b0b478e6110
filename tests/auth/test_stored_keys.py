"""Keys of the store in a worker's memory, while others change them."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from pathlib import Path

import pytest

from proxy.auth.attributes import KeyAttributes
from proxy.auth.key_store import KeyStore, KeyStoreFailed
from proxy.auth.stored_keys import StoredKeys
from proxy.errors import Unauthorized
from proxy.exchange import Key

WHO = "a test"


class Setting:
    """A store at Unix time 1000, a worker's view of it, and the clock of the worker."""

    def __init__(self, directory: Path) -> None:
        self.store = KeyStore(directory / "keys.db", now=lambda: 1000.0)
        self.now = 0.0
        self.keys = StoredKeys(self.store.path, clock=lambda: self.now)
        self.keys.open()

    def find(self, secret: str, at: float = 1000.0) -> Key | str | None:
        try:
            return self.keys.find(secret, at)
        except Unauthorized as error:
            return error.message

    def later(self) -> None:
        self.now += 0.6


@pytest.fixture
def setting(tmp_path: Path):
    made = Setting(tmp_path)
    yield made
    made.keys.close()


def test_every_change_is_seen_within_a_second_and_none_by_every_request(setting: Setting):
    _, secret = setting.store.create("ci", KeyAttributes(owner="a"), WHO)
    assert setting.find(secret) is None, "it was looked at a moment ago"
    setting.later()
    assert setting.find(secret) == Key("ci", "a")
    setting.store.change("ci", lambda _: KeyAttributes(owner="b"), WHO)
    assert setting.find(secret) == Key("ci", "a")
    setting.later()
    assert setting.find(secret) == Key("ci", "b")
    setting.store.revoke("ci", WHO)
    setting.keys.look_at_once()
    assert setting.find(secret) == "The API key 'ci' has been revoked."


def test_only_rows_that_are_new_are_read(setting: Setting, monkeypatch: pytest.MonkeyPatch):
    secrets = [setting.store.create(None, KeyAttributes(), WHO)[1] for _ in range(3)]
    setting.later()
    assert all(setting.find(secret) for secret in secrets)
    taken: list[str] = []
    monkeypatch.setattr(setting.keys, "_take", lambda id, *rest: taken.append(id))
    setting.store.create("new", KeyAttributes(), WHO)
    setting.later()
    setting.find("x")
    setting.later()
    setting.find("x")
    assert taken == ["new"]


def test_the_old_secret_works_as_long_as_it_may(setting: Setting):
    _, first = setting.store.create("ci", KeyAttributes(), WHO)
    _, second = setting.store.rotate("ci", 60.0, WHO)
    setting.later()
    assert setting.find(first, 1059.0) == setting.find(second, 1059.0) == Key("ci")
    assert setting.find(first, 1060.0) == "The API key 'ci' has been replaced by a new one."
    assert setting.find(second, 1060.0) == Key("ci")
    _, third = setting.store.rotate("ci", 0.0, WHO)
    setting.later()
    assert setting.find(first, 1001.0) is None, "of three secrets the first is forgotten"
    assert setting.find(second, 1000.0) == "The API key 'ci' has been replaced by a new one."
    assert setting.find(third) == Key("ci")
    setting.store.revoke("ci", WHO)
    setting.later()
    assert setting.find(second) == setting.find(third) == "The API key 'ci' has been revoked."


def test_a_key_expires_with_both_of_its_secrets(setting: Setting):
    _, first = setting.store.create("ci", KeyAttributes(expires="1970-01-01T00:20:00"), WHO)
    _, second = setting.store.rotate("ci", 10_000.0, WHO)
    setting.later()
    assert setting.find(first, 1199.0) == setting.find(second, 1199.0) == Key("ci")
    assert setting.find(second, 1200.0) == "The API key 'ci' has expired."
    assert isinstance(setting.find(first, 1200.0), str)


def test_keys_outlive_a_restart(setting: Setting):
    _, secret = setting.store.create("ci", KeyAttributes(tags=("a",)), WHO)
    again = StoredKeys(setting.store.path)
    again.open()
    assert again.find(secret, 0.0) == Key("ci", tags=("a",))
    again.close()


def test_a_file_that_is_put_back_is_read_whole(setting: Setting, tmp_path: Path):
    _, old = setting.store.create("old", KeyAttributes(), WHO)
    with sqlite3.connect(setting.store.path) as connection:
        connection.execute(f"VACUUM INTO '{tmp_path / 'copy.db'}'")
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        copy.execute(f"PRAGMA application_id = {0x504B6579}")
    _, new = setting.store.create("new", KeyAttributes(), WHO)
    setting.later()
    assert setting.find(old)
    assert setting.find(new)
    for beside in ("-wal", "-shm"):
        setting.store.path.with_name(f"keys.db{beside}").unlink(missing_ok=True)
    shutil.move(tmp_path / "copy.db", setting.store.path)
    setting.later()
    assert setting.find(old) == Key("old")
    assert setting.find(new) is None


def test_a_file_that_is_gone_leaves_the_keys_and_is_told_once(setting: Setting, caplog: pytest.LogCaptureFixture):
    _, secret = setting.store.create("ci", KeyAttributes(), WHO)
    setting.later()
    assert setting.find(secret) == Key("ci")
    aside = setting.store.path.rename(setting.store.path.with_name("aside"))
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            setting.later()
            assert setting.find(secret) == Key("ci")
    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == ["the keys stay as they were"]
    assert not setting.store.path.exists()
    aside.rename(setting.store.path)
    setting.later()
    assert setting.find(secret) == Key("ci")


def test_a_store_that_cannot_be_read_is_refused_at_the_start(tmp_path: Path):
    with pytest.raises(KeyStoreFailed, match="No such file"):
        StoredKeys(tmp_path / "nowhere" / "keys.db").open()
    _, _ = KeyStore(tmp_path / "keys.db").create("ci", KeyAttributes(), WHO)
    with sqlite3.connect(tmp_path / "keys.db") as connection:
        connection.execute("UPDATE keys SET attributes = '{\"newer\": 1}'")
    with pytest.raises(KeyStoreFailed, match="newer"):
        StoredKeys(tmp_path / "keys.db").open()
