"""What a row says of an exchange; the stage's own tests show a whole one."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from proxy.errors import UpstreamRefused
from proxy.exchange import Attempt, Client, Exchange, Key
from proxy.logs import row
from proxy.logs.row import encode, row_of
from proxy.redact import Cleaner, protect
from tests.support.drive import asking, exchange_of


def test_who_asked_is_told_apart() -> None:
    exchange = exchange_of(asking(safety_identifier="u-1"), key=Key("ci", "o", team="research", user="ann"))
    told = row_of(exchange, Cleaner())
    assert (told.key, told.owner, told.team, told.user, told.end_user) == ("ci", "o", "research", "ann", "u-1")
    assert (told.outcome, told.status, told.timing_ms.total) == (None, None, None)


@pytest.mark.parametrize("moment", [1_700_000_000.0, 1_700_000_000.9994, 1_700_000_001.0005])
def test_the_time_is_written_to_the_millisecond(moment: float) -> None:
    exchange = exchange_of()
    exchange.timing.wall = moment
    seconds, thousandths = divmod(int(moment * 1000), 1000)
    assert row_of(exchange, Cleaner()).time == f"2023-11-14T22:13:{20 + seconds - 1_700_000_000}.{thousandths:03}Z"


def test_a_request_that_was_never_read_has_a_row() -> None:
    exchange = Exchange("req_9", Client("10.0.0.9", {}, path="/v1/responses?key=1"), None)
    told = msgspec.json.decode(encode(row_of(exchange, Cleaner())))
    assert (told["path"], told["dialect"], told["model"], told["end_user"]) == ("/v1/responses", None, None, None)
    assert set(told) == set(row.Row.__struct_fields__)


def test_attempts_are_told_with_what_they_used_and_cost() -> None:
    exchange = exchange_of()
    exchange.attempts = [Attempt("a", "m", 0.0, 503, "overloaded"), Attempt("b", "m", 0.0, 200, cost=Decimal("0.5"))]
    first, second = row_of(exchange, Cleaner()).attempts
    assert (first.status, first.error, first.cost) == (503, "overloaded", None)
    assert (second.status, second.error, second.cost) == (200, None, 0.5)


def test_a_secret_of_the_file_is_hidden_in_what_was_seen_before() -> None:
    exchange = exchange_of(asking(model="planted-model-0815"))
    assert row_of(exchange, Cleaner()).model == "planted-model-0815"
    protect("planted-model-0815")
    assert row_of(exchange, Cleaner()).model == "***"
    error = UpstreamRefused("the key planted-model-0815 is wrong")
    assert (error.message, str(error)) == ("the key *** is wrong", "the key *** is wrong")
