"""What a row says of an exchange; the stage's own tests show a whole one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from proxy.errors import UpstreamRefused
from proxy.events import Usage
from proxy.exchange import Attempt, Client, Exchange, Key
from proxy.logs import row
from proxy.logs.row import AskedRow, EndedRow, Rows
from proxy.marks import GUARDRAIL
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


def plainly_ended(**changes: Any) -> Exchange:
    """Returns an exchange as most are, but for changes of `the` exchange, its `attempt`, `all` both, its `timing`."""
    exchange = ended("completed", Usage(11, 7, total_tokens=18), cost="0.000411")
    exchange.id, exchange.response_id, exchange.kept = "req_" + "0f" * 16, "resp_" + "0f" * 24, True
    exchange.head_status = exchange.attempts[0].status = 200
    start = exchange.timing.started
    times = {"received": 0.0001, "upstream_sent": 0.0004, "upstream_head": 0.003, "first_event": 0.0499, "ended": 99.9}
    exchange.attempts[0].started, exchange.attempts[0].cost = start + 0.0002, exchange.cost
    for name, after in times.items():
        setattr(exchange.timing, name, start + after)
    for name, value in changes.items():
        where, _, what = name.partition("__")
        if where in ("the", "all"):
            setattr(exchange, what, value)
        if where in ("attempt", "all"):
            setattr(exchange.attempts[0], what, value)
        if where == "timing":
            setattr(exchange.timing, what, value)
    return exchange


@pytest.mark.parametrize(
    ("changes", "plain"),
    [
        ({}, True),
        ({"all__cost": Decimal("0E-12")}, True),
        ({"all__cost": Decimal("123456.5")}, True),
        ({"all__cost": None, "the__kept": None}, True),
        ({"the__kept": False, "all__usage": Usage(0, 3, cached_tokens=0, cache_missed=True, estimated=True)}, True),
        ({"all__usage": Usage(10**9, 3, cached_tokens=7, reasoning_tokens=2)}, True),
        ({"the__key": Key('k"ü', "o"), "the__asked_model": "m\u00e9\n"}, True),
        ({"the__client": Client('un"ix\n', {})}, True),
        ({"timing__first_event": None}, False),
        ({"timing__received": None}, False),
        ({"attempt__status": 207}, False),
        ({"attempt__error": "x"}, False),
        ({"attempt__cost": Decimal(1)}, False),
        ({"attempt__model": 'o"'}, False),
        ({"the__head_status": 201}, False),
        ({"the__ignored": ["seed"]}, False),
        ({"the__marks": {"trace_id": "0f"}}, False),
        ({"the__marks": {GUARDRAIL: [{"rule": "r"}]}}, False),
        ({"the__error": UpstreamRefused("no")}, False),
        ({"the__outcome": "incomplete"}, False),
        ({"the__id": 'my"own'}, False),
        ({"the__id": "req`"}, False),
        ({"the__response_id": "chatcmpl-1"}, False),
        ({"the__response_id": None}, False),
        ({"the__client": Client("10.0.0.9", {"x-request-id": "req_1"})}, False),
    ],
)
def test_a_row_is_the_same_whichever_way_it_is_made(
    changes: dict[str, Any], plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, rows, made = plainly_ended(**changes), Rows(), list[str | None]()
    short = row._plain
    monkeypatch.setattr(row, "_plain", lambda *given: made.append(short(*given)) or made[-1])
    line = rows.row(exchange, ())
    monkeypatch.setattr(row, "_plain", lambda *_: None)
    assert rows.row(exchange, ()) == line
    assert [one is not None for one in made] == [plain]
    assert list(msgspec.json.decode(line)) == ["time", *AskedRow.__struct_fields__, *EndedRow.__struct_fields__]


def test_times_are_written_as_they_were() -> None:
    for count in (0, 1, 5, 499, 500, 501, 12345):
        exchange = plainly_ended()
        exchange.timing.ended = exchange.timing.started + count / 10000
        exchange.timing.upstream_sent = exchange.timing.received + count / 1000000
        exchange.attempts[0].started = exchange.timing.received
        times = told(exchange)["timing_ms"]
        assert (times["total"], times["own"]) == (count / 10, count / 1000)
