"""Which exchanges a change is for; tests/stages/test_transform.py tries each condition by itself."""

from __future__ import annotations

import msgspec

from proxy.exchange import Key
from proxy.transform.conditions import Conditions, TransformWhen
from tests.support.drive import asking, exchange_of


def test_all_that_is_said_must_hold_and_owners_stand_in() -> None:
    when = {"model": "m*", "team": "ann", "user": ["ann", "bob"], "header": {"X-A": "1*"}, "stream": True}
    conditions = Conditions(msgspec.convert(when, TransformWhen))
    key = Key("k", owner="ann")
    assert conditions.hold(exchange_of(asking(stream=True), key=key, headers={"x-a": "12"}))
    assert not conditions.hold(exchange_of(asking(stream=False), key=key, headers={"x-a": "12"}))
    assert not conditions.hold(exchange_of(asking(stream=True), key=Key("k"), headers={"x-a": "12"}))
    assert not conditions.hold(exchange_of(asking(stream=True), key=key, headers={"x-a": "21"}))
