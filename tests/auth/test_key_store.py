"""The file of the keys: what is in it, what is not, and who may change what."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.auth.attributes import KeyAttributes
from proxy.auth.key_store import KeyRefused, KeyStore, KeyStoreFailed, UnknownKey, connect, prefix_of
from proxy.keyring import digest_of

WHO = "a test"


def everything_in(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.iterdir()))


def test_a_key_is_made_shown_once_and_kept_as_its_hash(tmp_path: Path):
    store = KeyStore(tmp_path / "keys.db", now=lambda: 100.0)
    record, secret = store.create("ci", KeyAttributes(owner="research"), WHO)
    assert (record.id, record.prefix, record.created) == ("ci", secret[:9], 100.0)
    assert store.get("ci") == record
    assert len(secret) == 43
    with connect(store.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert digest_of(secret) in everything_in(tmp_path)
    assert secret.encode() not in everything_in(tmp_path)
    assert secret[9:].encode() not in everything_in(tmp_path)
    assert secret not in repr(store.every())
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_secrets_and_ids_that_are_made_up_differ(tmp_path: Path):
    store = KeyStore(tmp_path / "keys.db")
    made = [store.create(None, KeyAttributes(), WHO) for _ in range(5)]
    assert len({secret for _, secret in made}) == len({record.id for record, _ in made}) == 5
    assert [record.id for record in store.every()] == [record.id for record, _ in made]


def test_an_id_is_never_given_twice(tmp_path: Path):
    store = KeyStore(tmp_path / "keys.db")
    store.create("ci", KeyAttributes(), WHO)
    store.revoke("ci", WHO)
    with pytest.raises(KeyRefused, match="is, or was"):
        store.create("ci", KeyAttributes(), WHO)
    for wrong in ("", "a/b", " a", "-a", "a" * 65, "ä", "a\n"):
        with pytest.raises(KeyRefused, match="An id is"):
            store.create(wrong, KeyAttributes(), WHO)
    assert [one.id for one in store.every()] == ["ci"]


def test_rotation_gives_a_new_secret_and_the_old_one_its_time(tmp_path: Path):
    now = [100.0]
    store = KeyStore(tmp_path / "keys.db", now=lambda: now[0])
    _, first = store.create("ci", KeyAttributes(), WHO)
    now[0] = 200.0
    record, second = store.rotate("ci", 60.0, WHO)
    assert second != first
    assert (record.prefix, record.rotated, record.old_until) == (prefix_of(second), 200.0, 260.0)
    with pytest.raises(KeyRefused, match="ten years"):
        store.rotate("ci", 1e300, WHO)
    assert store.get("ci") == record


def test_a_revoked_key_stays_revoked(tmp_path: Path):
    now = [100.0]
    store = KeyStore(tmp_path / "keys.db", now=lambda: now[0])
    store.create("ci", KeyAttributes(), WHO)
    now[0] = 200.0
    assert store.revoke("ci", WHO).revoked == 200.0
    now[0] = 300.0
    assert store.revoke("ci", WHO).revoked == 200.0
    with pytest.raises(KeyRefused, match="has been revoked"):
        store.rotate("ci", 0.0, WHO)
    with pytest.raises(KeyRefused, match="has been revoked"):
        store.change("ci", lambda present: present, WHO)
    assert store.get("ci").status(0.0) == "revoked"
    assert [(one.what, one.at) for one in store.changes("ci")] == [("create", 100), ("revoke", 200), ("revoke", 300)]


def test_attributes_change_from_what_they_are(tmp_path: Path):
    store = KeyStore(tmp_path / "keys.db")
    store.create("ci", KeyAttributes(owner="a", expires="1970-01-02"), WHO)
    record = store.change("ci", lambda present: KeyAttributes(owner=f"{present.owner}b"), WHO)
    assert record.attributes == KeyAttributes(owner="ab")
    assert store.get("ci").attributes == KeyAttributes(owner="ab")


def test_a_key_that_has_expired_says_so(tmp_path: Path):
    record, _ = KeyStore(tmp_path / "keys.db").create("ci", KeyAttributes(expires="1970-01-02"), WHO)
    assert (record.status(86_399.0), record.status(86_400.0)) == ("active", "expired")


def test_what_fails_is_undone(tmp_path: Path):
    store = KeyStore(tmp_path / "keys.db")
    store.create("ci", KeyAttributes(), WHO)

    def fail(present: KeyAttributes) -> KeyAttributes:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        store.change("ci", fail, WHO)
    for work in (lambda: store.get("x"), lambda: store.revoke("x", WHO), lambda: store.rotate("x", 0, WHO)):
        with pytest.raises(UnknownKey, match="'x'"):
            work()
    assert [one.what for one in store.changes("ci")] == ["create"]
    assert store.changes("x") == []


def test_files_that_are_none_of_ours_are_left_alone(tmp_path: Path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(KeyStoreFailed, match="another program"):
        KeyStore(path).every()
    assert path.read_bytes() == before
    (tmp_path / "text").write_text("no database at all, and long enough to be looked at" * 50)
    with pytest.raises(KeyStoreFailed, match="text"):
        KeyStore(tmp_path / "text").every()
    with pytest.raises(KeyStoreFailed, match="No such file"):
        KeyStore(tmp_path / "nowhere" / "keys.db").every()
    with connect(tmp_path / "newer.db") as newer:
        newer.execute("PRAGMA user_version = 9")
    with pytest.raises(KeyStoreFailed, match="schema 9"):
        KeyStore(tmp_path / "newer.db").every()


def test_many_may_make_the_file_and_keys_at_once(tmp_path: Path):
    store = KeyStore(tmp_path / "keys.db")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.create(None, KeyAttributes(), WHO), range(16)))
    assert len(store.every()) == 16
