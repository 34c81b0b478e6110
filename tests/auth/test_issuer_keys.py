"""Public keys from a file and from a server that changes them, is slow to, or is gone."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from proxy.auth.issuer_keys import FileKeys, ServerKeys
from proxy.auth.jwt_config import JwtConfig
from proxy.errors import ConfigError, Overloaded
from tests.support.issuer import Issuer


async def fetched(keys: ServerKeys) -> None:
    while keys._work is not None:
        await asyncio.wait([keys._work])


async def test_keys_are_fetched_ahead_and_rarely():
    issuer, now = Issuer(), [0.0]
    async with issuer.serving() as url:
        keys = ServerKeys(JwtConfig(issuer="me", audience="a", jwks_url=url), lambda: now[0])
        keys.start()
        assert keys.now() is None
        first = await keys.again()
        assert first is keys.now()
        now[0] = 5.0
        assert await asyncio.gather(*(keys.again() for _ in range(20))) == [first] * 20
        assert issuer.asked == ["/keys"]
        now[0] = 601.0
        assert keys.now() is first, "nobody waits for fresh ones"
        await fetched(keys)
        assert keys.now() is first, "they are the same"
        assert len(issuer.asked) == 2
        issuer.rotate("k2")
        now[0] = 620.0
        many = await asyncio.gather(*(keys.again() for _ in range(20)))
        assert len(issuer.asked) == 3
        assert all(one.of("k2", "ES256") for one in many)
        await keys.close()


async def test_keys_that_were_given_last_hold_while_the_server_is_gone(caplog: pytest.LogCaptureFixture):
    issuer, now = Issuer(), [0.0]
    async with issuer.serving():
        keys = ServerKeys(JwtConfig(issuer=issuer.name, audience="a"), lambda: now[0])
        known = await keys.again()
        assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
        issuer.broken = True
        now[0] = 601.0
        assert keys.now() is known
        await fetched(keys)
        for _ in range(10):
            assert await keys.again() is known
        assert len(issuer.asked) == 3
        issuer.broken = False
        now[0] = 612.0
        keys.now()
        await fetched(keys)
        assert len(issuer.asked) == 5
        await keys.close()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "those known so far hold: it answered 500" in caplog.text
    assert "planted-secret" not in caplog.text


async def test_without_any_keys_clients_are_told_to_come_again():
    issuer = Issuer()
    async with issuer.serving() as url:
        issuer.broken = True
        keys = ServerKeys(JwtConfig(issuer="me", audience="a", jwks_url=url), lambda: 0.0)
        for _ in range(3):
            with pytest.raises(Overloaded):
                await keys.again()
        assert len(issuer.asked) == 1
        await keys.close()


async def test_a_configuration_of_another_issuer_is_refused(caplog: pytest.LogCaptureFixture):
    issuer = Issuer()
    async with issuer.serving():
        keys = ServerKeys(JwtConfig(issuer=issuer.name + "/", audience="a"))
        with pytest.raises(Overloaded):
            await keys.again()
    assert "another issuer" in caplog.text


async def test_a_file_is_read_again_when_it_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    issuer, now, path = Issuer(), [0.0], tmp_path / "keys.json"
    keys = FileKeys(path, lambda: now[0])
    with pytest.raises(ConfigError, match="No such file"):
        keys.start()
    path.write_bytes(issuer.key_set())
    keys.start()
    first = keys.now()
    assert first is not None
    issuer.rotate("k2")
    path.write_bytes(issuer.key_set())
    assert keys.now() is first
    now[0] = 2.0
    second = await keys.again()
    assert second.of("k2", "ES256")
    path.write_text("{")
    for _ in range(3):
        now[0] += 2.0
        assert keys.now() is second
    assert len(caplog.records) == 1
    with pytest.raises(ConfigError, match="cannot be used"):
        FileKeys(path).start()
