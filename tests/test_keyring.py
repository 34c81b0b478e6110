"""Keys by their hashes, and a file of them that changes under way."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest

from proxy.config.types import Mistake, Secret, Sources
from proxy.errors import ConfigError, Unauthorized
from proxy.exchange import Key
from proxy.keyring import KeyEntry, Keyring, WatchedKeys, read_keys

NO_ENVIRONMENT = Sources(environ={"KEY": "from-the-environment"})


def test_a_key_and_its_hash_are_the_same() -> None:
    digest = hashlib.sha256(b"secret").hexdigest()
    for entry in (KeyEntry(id="a", key=Secret("secret")), KeyEntry(id="a", hash="sha256:" + digest.upper())):
        ring = Keyring([entry])
        assert ring.find("secret", 0) == Key("a")
        assert ring.find("secret ", 0) is None
        assert ring.find("", 0) is None


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({}, "needs its key or its hash"),
        ({"key": Secret("a"), "hash": "sha256:" + "0" * 64}, "one of the two"),
        ({"hash": "0" * 64}, "no SHA-256"),
        ({"hash": "sha256:12"}, "no SHA-256"),
        ({"key": Secret("a"), "expires": "soon"}, "expires at no date"),
    ],
)
def test_wrong_entries_are_refused(fields: dict[str, object], what: str) -> None:
    with pytest.raises(Mistake, match=what):
        KeyEntry(id="a", **fields)  # type: ignore[arg-type]


def test_entries_that_are_one_are_refused() -> None:
    with pytest.raises(Mistake, match='"a" and "b" are the same key'):
        Keyring([KeyEntry(id="a", key=Secret("x")), KeyEntry(id="b", key=Secret("x"))])
    with pytest.raises(Mistake, match='two keys called "a"'):
        Keyring([KeyEntry(id="a", key=Secret("x")), KeyEntry(id="a", key=Secret("y"))])


def test_a_key_expires_at_its_moment() -> None:
    ring = Keyring([KeyEntry(id="a", key=Secret("x"), expires="1970-01-02")])
    assert ring.find("x", 86_399) == Key("a")
    with pytest.raises(Unauthorized, match="expired"):
        ring.find("x", 86_400)
    zoned = KeyEntry(id="a", key=Secret("x"), expires="1970-01-02T01:00:00+01:00")
    assert zoned.expires_at() == 86_400


def test_mistakes_in_the_file_are_found_by_line(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("- id: a\n  key: env:KEY\n- id: b\n  hsh: x\n- {id: c, key: env:MISSING}\n")
    with pytest.raises(ConfigError) as caught:
        read_keys(path, NO_ENVIRONMENT)
    lines = [problem.line for problem in caught.value.problems]
    assert 4 in lines
    assert 5 in lines


@pytest.mark.parametrize("text", ["", "[]", "keys: []", "- {id: a, key: x}\n- {id: a, key: y}", "- {"])
def test_files_without_good_keys_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_keys(path, NO_ENVIRONMENT)


def test_a_broken_file_keeps_the_old_keys_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    path = tmp_path / "keys.yaml"
    path.write_text("- {id: a, key: env:KEY}")
    keys = WatchedKeys(path, NO_ENVIRONMENT, clock=lambda: now[0])
    assert keys.current().find("from-the-environment", 0) == Key("a")
    with caplog.at_level(logging.INFO):
        path.write_text("- {id: b, key: planted-secret, oops: 1}")
        assert keys.current().find("from-the-environment", 0), "looked at before a second has passed"
        assert not caplog.records
        for _ in range(3):
            now[0] += 1.1
            assert keys.current().find("from-the-environment", 0) == Key("a")
        assert len(caplog.records) == 1
        assert "stay as they were" in caplog.text
        assert "planted-secret" not in caplog.text
        path.unlink()
        for _ in range(3):
            now[0] += 1.1
            assert keys.current().find("from-the-environment", 0) == Key("a")
        assert len(caplog.records) == 2
        path.write_text("- {id: b, key: another}")
        now[0] += 1.1
        assert keys.current().find("another", 0) == Key("b")
        assert keys.current().find("from-the-environment", 0) is None
