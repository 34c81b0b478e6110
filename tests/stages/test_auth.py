"""Who comes in, who does not, and what they are told."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy.config.types import Mistake, Secret
from proxy.exchange import Key
from proxy.keyring import KeyEntry
from stages.auth import Auth, AuthConfig
from tests.support.drive import Driven, asking, drive, exchange_of

SECRET = "pk-9f8e7d6c5b4a39281706"


def entry(id: str = "alice", key: str = SECRET, **fields: Any) -> KeyEntry:
    return KeyEntry(id=id, key=Secret(key), **fields)


async def knock(headers: dict[str, str], *entries: KeyEntry, model: str = "m") -> Driven:
    stage = Auth(AuthConfig(keys=entries or (entry(owner="research"),)))
    await stage.start()
    return await drive(stage, exchange_of(asking(model=model), headers=headers))


def message(driven: Driven) -> str:
    assert driven.reply is not None
    error = msgspec.json.decode(driven.reply.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return str(error["message"])


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {SECRET}"},
        {"authorization": f"bearer  {SECRET} "},
        {"x-api-key": SECRET},
        {"api-key": SECRET},
        {"authorization": "Bearer something-else", "x-api-key": SECRET},
        {"authorization": "Basic abc", "api-key": SECRET},
    ],
)
async def test_a_good_key_opens_and_says_whose_it_is(headers: dict[str, str]) -> None:
    driven = await knock(headers)
    assert driven.reply is None
    assert driven.exchange.key == Key("alice", "research")


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, "You didn't provide an API key."),
        ({"authorization": ""}, "You didn't provide an API key."),
        ({"authorization": "Bearer "}, "holds no Bearer key"),
        ({"authorization": f"Basic {SECRET}"}, "holds no Bearer key"),
        ({"authorization": SECRET}, "holds no Bearer key"),
        ({"authorization": "Bearer wrong-one"}, "in the header 'authorization'."),
        ({"x-api-key": "wrong-one"}, "in the header 'x-api-key'."),
        ({"authorization": "Bearer wrong-one", "api-key": "wr\udcffng"}, "'authorization' and 'api-key'."),
    ],
)
async def test_no_key_or_a_wrong_one_is_told_where_it_was_looked_for(headers: dict[str, str], told: str) -> None:
    driven = await knock(headers)
    assert driven.head.status == 401
    assert driven.head.headers["www-authenticate"] == "Bearer"
    assert driven.reply is not None
    assert driven.reply.error is not None
    assert driven.reply.error.code == "invalid_api_key"
    assert told in message(driven)
    assert "wrong-one" not in message(driven)
    assert SECRET not in message(driven)
    assert driven.exchange.key is None


async def test_a_key_may_be_for_some_models_only() -> None:
    good = {"x-api-key": SECRET}
    some = entry(models=("local/*", "fast"))
    for model in ("local/a", "fast"):
        assert (await knock(good, some, model=model)).reply is None
    driven = await knock(good, some, model="smart")
    assert driven.head.status == 403
    assert driven.reply is not None
    assert driven.reply.error is not None
    assert (driven.reply.error.code, driven.reply.error.param) == ("model_not_allowed", "model")
    assert driven.exchange.key is not None, "the log wants to know who was refused"


async def test_an_expired_key_is_told_so() -> None:
    headers = {"x-api-key": SECRET}
    driven = await knock(headers, entry(expires="2020-01-31"))
    assert driven.head.status == 401
    assert message(driven) == "The API key 'alice' has expired."
    assert (await knock(headers, entry(expires="2999-01-31T00:00:00Z"))).reply is None


async def test_requests_without_a_body_are_let_in_by_key_alone() -> None:
    stage = Auth(AuthConfig(keys=(entry(models=("x",)),)))
    exchange = exchange_of(headers={"x-api-key": SECRET})
    exchange.request = None  # type: ignore[assignment]
    assert (await drive(stage, exchange)).reply is None


async def test_a_keys_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f"- {{id: one, hash: 'sha256:{hashlib.sha256(SECRET.encode()).hexdigest()}'}}\n")
    stage = Auth(AuthConfig(keys="keys.yaml"))
    stage.directory = tmp_path
    await stage.start()
    headers = {"x-api-key": SECRET}
    assert (await drive(stage, exchange_of(headers=headers))).exchange.key == Key("one")
    path.write_text(f"keys:\n  - {{id: another, key: {SECRET}}}\n")
    os.utime(path, ns=(1, 1))
    (keys,) = stage._door._keys
    keys._next_look = 0.0  # type: ignore[attr-defined]
    assert (await drive(stage, exchange_of(headers=headers))).exchange.key == Key("another")


def test_secrets_are_not_shown() -> None:
    stage = Auth(AuthConfig(keys=(entry(),)))
    assert SECRET not in repr(stage.config)
    assert SECRET not in repr(vars(stage._door._own))


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="nobody could come in"):
        msgspec.convert({"keys": []}, AuthConfig)


def test_a_text_of_several_lines_is_no_path() -> None:
    with pytest.raises(Mistake) as caught:
        AuthConfig(keys="- {id: x, key: planted-secret}\n- {id: y, key: b}\n")
    assert caught.value.what == "keys is a text of several lines, not a path"
    assert "planted" not in str(caught.value)
