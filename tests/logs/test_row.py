"""What a row says of an exchange; the stage's own tests show a whole one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from proxy.errors import UpstreamRefused
from proxy.events import Usage
from proxy.exchange import Attempt, Client, Exchange, Key
from proxy.logs.row import AskedRow, EndedRow, Rows
from proxy.redact import protect
from tests.support.books import ended
from tests.support.drive import asking, exchange_of


def told(exchange: Exchange, *secrets: str, rows: Rows | None = None) -> dict[str, Any]:
    line = (rows or Rows()).row(exchange, secrets)
    assert line.endswith(b"}\n")
    found: dict[str, Any] = msgspec.json.decode(line)
    return found


def test_who_asked_is_told_apart() -> None:
    exchange = exchange_of(asking(safety_identifier="u-1"), key=Key("ci", "o", team="research", user="ann"))
    row = told(exchange)
    assert [row[name] for name in ("key", "owner", "team", "user", "end_user")] == ["ci", "o", "research", "ann", "u-1"]
    assert (row["outcome"], row["status"], row["timing_ms"]["total"]) == (None, None, None)


@pytest.mark.parametrize("moment", [1_700_000_000.0, 1_700_000_000.9994, 1_700_000_001.0005])
def test_the_time_is_written_to_the_millisecond(moment: float) -> None:
    exchange = exchange_of()
    exchange.timing.wall = moment
    seconds, thousandths = divmod(int(moment * 1000), 1000)
    assert told(exchange)["time"] == f"2023-11-14T22:13:{20 + seconds - 1_700_000_000}.{thousandths:03}Z"


def test_a_request_that_was_never_read_has_a_row() -> None:
    row = told(Exchange("req_9", Client("10.0.0.9", {}, path="/v1/responses?key=1"), None))
    assert (row["path"], row["dialect"], row["model"], row["end_user"]) == ("/v1/responses", None, None, None)
    assert list(row) == ["time", *AskedRow.__struct_fields__, *EndedRow.__struct_fields__]


def test_attempts_are_told_with_what_they_used_and_cost() -> None:
    exchange = exchange_of()
    exchange.attempts = [Attempt("a", "m", 0.0, 503, "overloaded"), Attempt("b", "m", 0.0, 200, cost=Decimal("0.5"))]
    first, second = told(exchange)["attempts"]
    assert (first["upstream"], first["status"], first["error"], first["cost"]) == ("a", 503, "overloaded", None)
    assert (second["upstream"], second["status"], second["error"], second["cost"]) == ("b", 200, None, 0.5)


def test_the_sums_are_those_of_all_attempts() -> None:
    exchange = ended("completed", Usage(5, 1, estimated=True), Usage(10, 2, total_tokens=12), cost="0.75")
    exchange.attempts[0].cost, exchange.attempts[1].cost = Decimal("0.25"), Decimal("0.5")
    row = told(exchange)
    assert (row["upstream"], row["upstream_model"], row["cost"], row["cost_estimated"]) == ("e", "up", 0.75, True)
    assert [(one["model"], one["usage"]["input"], one["cost"]) for one in row["attempts"]] == [
        ("up", 5, 0.25), ("up", 10, 0.5)
    ]  # fmt: skip
    assert row["usage"] == row["attempts"][1]["usage"]


def test_what_is_remembered_of_one_exchange_is_not_said_of_another() -> None:
    rows = Rows()
    one, other = exchange_of(asking(model="secret-of-ann")), exchange_of(asking(model="secret-of-ann"))
    assert told(one, rows=rows)["model"] == "secret-of-ann"
    assert told(other, "secret-of-ann", rows=rows)["model"] == "***"
    assert told(one, rows=rows)["model"] == "secret-of-ann"
    assert told(exchange_of(asking(model="m", stream=True)), rows=rows)["stream"] is True
    assert told(exchange_of(asking(model="m", stream=False)), rows=rows)["stream"] is False


def test_a_secret_of_the_file_is_hidden_in_what_was_seen_before() -> None:
    rows, exchange = Rows(), exchange_of(asking(model="planted-model-0815"))
    assert told(exchange, rows=rows)["model"] == "planted-model-0815"
    protect("planted-model-0815")
    assert told(exchange, rows=rows)["model"] == "***"
    error = UpstreamRefused("the key planted-model-0815 is wrong")
    assert (error.message, str(error)) == ("the key *** is wrong", "the key *** is wrong")
