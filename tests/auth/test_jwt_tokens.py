"""Which tokens open the door, who is behind them, and how often each is checked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization

from proxy.auth.issuer_keys import FileKeys
from proxy.auth.jwt_config import JwtClaims, JwtConfig
from proxy.auth.jwt_tokens import Issuers, Tokens
from proxy.errors import ExchangeError, Forbidden
from proxy.exchange import Key
from proxy.limiting.own import OwnLimits
from tests.support.issuer import AUDIENCE, Issuer, rsa_key

NOW = time.time()


def issuers(directory: Path, *some: Issuer, **fields: Any) -> Issuers:
    made = []
    for number, issuer in enumerate(some):
        path = directory / f"{number}.json"
        path.write_bytes(issuer.key_set())
        config = JwtConfig(
            issuer=issuer.name, audience=AUDIENCE, keys_file=str(path), name=f"jwt{number or ''}", **fields
        )
        made.append(Tokens(config, FileKeys(path)))
    result = Issuers(made)
    result.start()
    return result


async def said(known: Issuers, token: str) -> Key | str | None:
    try:
        return await known.find(token, NOW)
    except ExchangeError as error:
        return f"{error.status} {error.message}".replace(token, "SHOWN")


async def test_a_good_token_says_who_it_is(tmp_path: Path):
    issuer = Issuer()
    claims = JwtClaims(owner="org.name", team="https://acme.example/team", user="email", tags="scope", models="models")
    known = issuers(tmp_path, issuer, claims=claims, limits=OwnLimits(parallel=3))
    token = issuer.token(
        org={"name": "acme"},
        email="alice@acme.example",
        scope="read write",
        models=["local/*", 3, "fast"],
        **{"https://acme.example/team": "blue"},
    )
    expected = Key(
        "jwt:alice",
        "acme",
        ("local/*", "fast"),
        "blue",
        "alice@acme.example",
        OwnLimits(parallel=3),
        ("read", "write"),
    )
    assert await said(known, token) == expected
    assert await said(issuers(tmp_path, issuer), issuer.token(aud=["x", AUDIENCE])) == Key("jwt:alice", user="alice")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"exp": NOW - 60}, "401 The token has expired."),
        ({"exp": None}, "401 The token has no claim 'exp'."),
        ({"exp": "later"}, "401 The token is no token"),
        ({"nbf": NOW + 600}, "401 The token is not good yet."),
        ({"iss": "https://evil.example/"}, "401 The token is of another issuer"),
        ({"iss": None}, "401 The token has no claim 'iss'"),
        ({"aud": "another"}, "401 The token is of another issuer, or for another audience."),
        ({"aud": None}, "401 The token has no claim 'aud'"),
        ({"sub": None}, "401 The token has no claim 'sub'."),
        ({"sub": "x" * 300}, "401 The token's claim 'sub' is no name."),
        ({"head": {"typ": "logout+jwt"}}, "401 The token is signed in a way, or made for a use"),
        ({"head": {"kid": "unknown"}}, "401 The token is signed with a key that its issuer does not have."),
    ],
)
async def test_tokens_that_open_nothing(tmp_path: Path, changes: dict[str, Any], told: str):
    issuer = Issuer()
    assert str(await said(issuers(tmp_path, issuer), issuer.token(**changes))).startswith(told)


async def test_a_token_that_is_nested_too_deep_is_none(tmp_path: Path):
    issuer = Issuer()
    deep = base64.urlsafe_b64encode(b'{"alg":"RS256","x":' + b"[" * 4000).decode()
    good = issuer.token()
    for token in (good.replace(good.partition(".")[0], deep), f"{good.partition('.')[0]}.{deep}.x"):
        for known in (issuers(tmp_path, issuer), issuers(tmp_path, issuer, Issuer("https://other.example.com/"))):
            assert str(await said(known, token)).startswith("401 ")


async def test_a_token_that_ends_when_nobody_will_be_there_is_good(tmp_path: Path):
    issuer = Issuer()
    known, token = issuers(tmp_path, issuer), issuer.token(exp=10**400)
    assert [await said(known, token) for _ in range(2)] == [await said(known, issuer.token())] * 2


async def test_nobody_can_choose_how_a_token_is_checked(tmp_path: Path):
    """`none`, a public key taken for a secret (HS256), another kind of key, a key in the token itself."""
    issuer = Issuer()
    known = issuers(tmp_path, issuer)
    claims = {"iss": issuer.name, "aud": AUDIENCE, "sub": "root", "exp": int(NOW) + 600}
    public = issuer.keys["k1"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head, body = (
        base64.urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": "k1"}, claims)
    )
    mac = base64.urlsafe_b64encode(hmac.digest(pem, head + b"." + body, hashlib.sha256)).rstrip(b"=")
    for token in (
        jwt.encode(claims, None, "none", headers={"kid": "k1"}),
        b".".join((head, body, mac)).decode(),
        jwt.encode(claims, rsa_key(), "RS256", headers={"kid": "k1"}),
        Issuer(issuer.name).token(kid="k1", sub="root"),
        jwt.encode(claims, Issuer().keys["k1"], "ES256", headers={"jwk": {"kty": "EC"}, "jku": "http://127.0.0.1:1/"}),
    ):
        assert str(await said(known, token)).startswith("401 The token is signed")
    good = issuer.token()
    for cut in (good[:-4] + "AAAA", good.replace(".", ".A", 1)):
        assert str(await said(known, cut)).startswith("401 ")


async def test_what_is_no_token_is_left_to_others(tmp_path: Path):
    known = issuers(tmp_path, Issuer())
    for text in ("", "pk-abc", "ey", "ey.a", "ey.a.b.c", "eyä.b.c", "ey" + "x" * 20_000 + ".b.c"):
        assert await said(known, text) is None
    for text in ("ey.a.b", "ey!.!.!", "e30.e30.x", "eyJhbGciOjF9.e30.x"):
        assert text[:2] != "ey" or str(await said(known, text)).startswith("401 ")


async def test_a_token_is_checked_once_until_it_ends_or_its_key_is_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    issuer = Issuer()
    known = issuers(tmp_path, issuer)
    token = issuer.token()
    assert await known.find(token, NOW)
    checks = []
    decode = jwt.decode
    monkeypatch.setattr(jwt, "decode", lambda *args, **kwargs: (checks.append(1), decode(*args, **kwargs))[1])
    for _ in range(5):
        assert await known.find(token, NOW)
    assert not checks
    assert await known.find(token, NOW + 4000), "its own clock is what counts when it is checked"
    assert checks == [1]
    (one,) = known._issuers
    one.keys._keys, one.keys._next_look = Issuer().key_set(), float("inf")  # type: ignore[attr-defined]
    assert one.known(hashlib.sha256(token.encode()).digest(), NOW) is None


async def test_the_memory_of_tokens_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("proxy.auth.jwt_tokens._MOST_KNOWN", 10)
    issuer = Issuer()
    known = issuers(tmp_path, issuer)
    for number in range(25):
        assert await known.find(issuer.token(sub=f"u{number}"), NOW)
    assert len(known._issuers[0]._known) <= 10


async def test_of_several_issuers_each_has_its_own_names_and_keys(tmp_path: Path):
    first, second = Issuer("https://a.example/"), Issuer("https://b.example/")
    known = issuers(tmp_path, first, second)
    assert await said(known, first.token()) == Key("jwt:alice", user="alice")
    assert await said(known, second.token()) == Key("jwt1:alice", user="alice")
    assert str(await said(known, second.token(iss=first.name))).startswith("401 The token is signed with a key")
    assert str(await said(known, first.token(iss="https://c.example/"))).startswith("401 The token is of another")


async def test_without_the_models_that_it_should_name_a_token_opens_none(tmp_path: Path):
    issuer = Issuer()
    known = issuers(tmp_path, issuer, claims=JwtClaims(models="models"))
    for models in (None, [], "", [3]):
        with pytest.raises(Forbidden, match="names no model"):
            await known.find(issuer.token(models=models), NOW)
