"""What is said of a key: in JSON and back, and what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from proxy.auth.attributes import KeyAttributes, attributes_of, from_json, plain_attributes, to_json
from proxy.config.types import Duration, Mistake
from proxy.exchange import Key
from proxy.limiting.own import OwnLimits

GIVEN = {
    "owner": "research",
    "team": "blue",
    "user": "alice",
    "tags": ["batch"],
    "models": ["local/*"],
    "limits": {"usd": 5, "window": "1d", "parallel": 2},
    "expires": "2030-12-31",
}


def test_what_is_given_is_kept_and_is_what_stages_see():
    attributes = attributes_of({**GIVEN, "owner": "research"}, 0.0)
    assert from_json(to_json(attributes)) == attributes
    assert attributes_of(plain_attributes(attributes), 0.0) == attributes
    limits = OwnLimits(usd=5, window=Duration(86400), parallel=2)
    assert attributes.as_key("k") == Key("k", "research", ("local/*",), "blue", "alice", limits, ("batch",))


def test_what_says_nothing_is_not_written():
    assert to_json(attributes_of({"owner": None, "limits": None}, 0.0)) == "{}"
    assert plain_attributes(KeyAttributes()) == {}


def test_a_time_from_now_is_a_date_from_then_on():
    attributes = attributes_of({"expires": "90d"}, 86_400.5)
    assert attributes.expires == "1970-04-02T00:00:00+00:00"
    assert attributes.expires_at() == 91 * 86_400


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"ownr": "x"}, "unknown field `ownr`"),
        ({"owner": 3}, "owner"),
        ({"owner": ""}, "owner"),
        ({"owner": "x" * 257}, "owner"),
        ({"models": "local/*"}, "models"),
        ({"limits": {}}, "nothing is limited"),
        ({"limits": {"usd": -1}}, "usd"),
        ({"expires": "soon"}, "no date"),
        ({"expires": "99999999999d"}, "after the year 9999"),
        ({"expires": "9" * 400 + "d"}, "after the year 9999"),
        ({"expires": "x d"}, "no duration"),
    ],
)
def test_mistakes_are_named(given: dict[str, Any], what: str):
    with pytest.raises((msgspec.ValidationError, Mistake), match=what):
        attributes_of(given, 0.0)
