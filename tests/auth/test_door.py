"""Several ways in at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.auth.attributes import KeyAttributes
from proxy.auth.door import STORE, Door
from proxy.auth.jwt_config import JwtConfig
from proxy.auth.key_store import KeyStore
from proxy.config.types import Secret
from proxy.errors import ConfigError, Overloaded, Unauthorized
from proxy.exchange import Key
from proxy.keyring import KeyEntry
from tests.support.issuer import AUDIENCE, Issuer


async def test_every_way_opens_and_nothing_else_does(tmp_path: Path):
    issuer = Issuer()
    (tmp_path / "issuer.json").write_bytes(issuer.key_set())
    (tmp_path / "keys.yaml").write_text("- {id: of-a-file, key: key-of-the-file, team: t, user: u, tags: [x]}")
    _, stored = KeyStore(tmp_path / "store.db").create("of-the-store", KeyAttributes(owner="o"), "a test")
    keys = (KeyEntry(id="here", key=Secret("key-that-stands-here")), "keys.yaml", STORE)
    door = Door(keys, [JwtConfig(issuer=issuer.name, audience=AUDIENCE, keys_file="issuer.json")])
    door.open(tmp_path, tmp_path / "store.db")
    for secret, key in (
        ("key-that-stands-here", Key("here")),
        ("key-of-the-file", Key("of-a-file", team="t", user="u", tags=("x",))),
        (stored, Key("of-the-store", "o")),
        (issuer.token(), Key("jwt:alice", user="alice")),
    ):
        assert await door.admit({"authorization": f"Bearer {secret}"}, 0.0) == key
        assert door.at_once({"authorization": f"Bearer  {secret} "}, 0.0) == (None if "." in secret else key)
        for headers in ({"authorization": f"Bearer {secret}x"}, {"authorization": secret}, {"x-api-key": secret}, {}):
            assert door.at_once(headers, 0.0) is None
        assert await door.admit({"authorization": "Bearer wrong", "x-api-key": secret}, 0.0) == key
        with pytest.raises(Unauthorized, match="Incorrect API key provided in the header 'api-key'"):
            await door.admit({"api-key": secret[:-1] if "." not in secret else "x" + secret}, 0.0)
    await door.close()


async def test_what_cannot_be_read_is_told_before_any_traffic(tmp_path: Path):
    (tmp_path / "text.db").write_text("no database, but long enough to be looked at" * 50)
    with pytest.raises(ConfigError, match="the key store cannot be used"):
        Door((STORE,), ()).open(tmp_path, tmp_path / "text.db")
    with pytest.raises(ConfigError, match="no such file"):
        Door(("keys.yaml",), ()).open(tmp_path, tmp_path / "store.db")
    issuer = JwtConfig(issuer="me", audience="a", keys_file="none.json")
    with pytest.raises(ConfigError, match="public keys cannot be used"):
        Door((), (issuer,)).open(tmp_path, tmp_path / "store.db")


async def test_keys_of_one_id_from_two_places_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    entries = [KeyEntry(id=id, key=Secret(f"a-key-called-{id}")) for id in ("a", "b")]
    store = KeyStore(tmp_path / "store.db")
    for id in ("b", "c"):
        store.create(id, KeyAttributes(), "a test")
    door = Door((*entries, STORE), ())
    door.open(tmp_path, store.path)
    assert caplog.messages == ["keys of several places are called b: they share limits and responses"]
    await door.close()


async def test_keys_open_while_the_issuer_is_gone(tmp_path: Path):
    issuer = Issuer()
    async with issuer.serving() as url:
        issuer.broken = True
        entry = KeyEntry(id="here", key=Secret("key-that-stands-here"))
        door = Door((entry,), [JwtConfig(issuer=issuer.name, audience=AUDIENCE, jwks_url=url)])
        door.open(tmp_path, tmp_path / "store.db")
        assert await door.admit({"x-api-key": "key-that-stands-here"}, 0.0) == Key("here")
        with pytest.raises(Overloaded):
            await door.admit({"x-api-key": issuer.token()}, 0.0)
        await door.close()
    assert not (tmp_path / "store.db").exists(), "nobody asked for it"
