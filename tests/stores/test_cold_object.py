"""Objects of the cold store: their keys, and that they come back as they were."""

from __future__ import annotations

import sys
from decimal import Decimal

import msgspec
import pytest

from proxy.stores import cold_object
from proxy.stores.cold_object import key_of, packed, unpacked
from proxy.stores.store import StoreFailed
from tests.support.stored import entry, raw

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OWNER = "2744ccd10c7533bd736ad890f9dd5cab"


@pytest.mark.parametrize(
    ("prefix", "id", "key"),
    [
        ("", "resp_1", f"{OWNER}/resp_1.json.zst"),
        ("kept", "resp_1", f"kept/{OWNER}/resp_1.json.zst"),
        ("/kept/by/us/", "resp_1", f"kept/by/us/{OWNER}/resp_1.json.zst"),
    ],
)
def test_a_key_is_made_of_prefix_owner_and_id(prefix: str, id: str, key: str) -> None:
    assert key_of(prefix, "me", id) == key


def test_no_two_responses_have_one_key() -> None:
    odd = ["", ".", "../x", "a/b", "a b", "x" * 201, "x" * 202, "é", "a\x00b", "sha256=x", "resp_1", "RESP_1"]
    keys = [key_of("p", owner, id) for owner in ("me", "you", "") for id in odd]
    assert len(set(keys)) == len(keys)
    assert all(key.startswith("p/") and key.count("/") == 2 and len(key) < 300 and key.isascii() for key in keys)


def test_an_entry_comes_back_as_it_was_to_the_byte() -> None:
    odd = msgspec.Raw(b'{ "id":"msg_1" ,\n "n": 1.50, "text":"\\u00e9\\/ \xc3\xa9" }')
    kept = entry(
        "resp_1",
        given=[odd, raw(None)],
        output=["msg_2"],
        response=odd,
        parent="resp_0",
        deployment="local/small",
        cost=Decimal("0.000000000345"),
        created_at=1_700_000_000.123456,
    )
    found = unpacked(packed(kept), "resp_1", "me")
    assert found == kept
    assert found is not None
    assert (bytes(found.response), bytes(found.input[0])) == (bytes(odd), bytes(odd))
    empty = entry("resp_2", owner="")
    assert unpacked(packed(empty), "resp_2", "") == empty


def test_it_is_of_one_id_and_one_owner() -> None:
    body = packed(entry("resp_1"))
    assert unpacked(body, "resp_2", "me") is None
    assert unpacked(body, "resp_1", "you") is None


def test_without_content_it_says_what_it_was() -> None:
    said = {"id": "resp_1", "model": "m", "usage": {"input_tokens": 3}}
    response = raw({**said, "instructions": "hide", "output": ["hide"]})
    body = packed(entry("resp_1", given=["hide"], output=["hide"], response=response, cost=Decimal("0.5")), "none")
    found = msgspec.json.decode(zstd.decompress(body))
    assert (found["response"], found["content"], found["cost"]) == (said, "none", "0.5")
    assert b"hide" not in zstd.decompress(body)
    assert unpacked(body, "resp_1", "me") is None


def test_an_object_that_would_fill_the_memory_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = packed(entry("resp_1", text="a" * 10_000))
    monkeypatch.setattr(cold_object, "MOST_BYTES", 5_000)
    with pytest.raises(StoreFailed, match=r'"resp_1" is damaged .* it is cut off, or has more than'):
        unpacked(body, "resp_1", "me")


@pytest.mark.parametrize("broken", ["cut", "flipped", "other", "newer"])
def test_what_is_damaged_is_told(broken: str) -> None:
    body = packed(entry("resp_1", text="some text"))
    if broken == "cut":
        body = body[:-3]
    elif broken == "flipped":
        body = body[:-8] + bytes([body[-8] ^ 1]) + body[-7:]
    elif broken == "other":
        body = zstd.compress(b"[]")
    else:
        body = zstd.compress(zstd.decompress(body).replace(b'"id"', b'"penstock":2,"id"', 1))
    with pytest.raises(StoreFailed, match=r'"resp_1" (is damaged|was written)'):
        unpacked(body, "resp_1", "me")
