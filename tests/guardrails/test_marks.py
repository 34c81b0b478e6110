"""What is left on the exchange: once each, and in a header only while there is one."""

from __future__ import annotations

from proxy.guardrails.local import Act
from proxy.guardrails.marks import FLAGGED, note, note_act
from tests.support.drive import exchange_of


def test_each_finding_is_noted_once() -> None:
    exchange = exchange_of()
    for _ in range(2):
        note_act(exchange, Act("pii", "masked", "[x]", "email"), "output")
        note(exchange, "hook", "not_run", "output", reason="timeout", kind=None)
    assert exchange.marks["guardrail"] == [
        {"rule": "pii", "action": "masked", "where": "output", "kind": "email"},
        {"rule": "hook", "action": "not_run", "where": "output", "reason": "timeout"},
    ]
    assert FLAGGED not in exchange.response_headers


def test_flags_are_told_in_a_header_that_any_name_fits_into() -> None:
    exchange = exchange_of()
    for name in ("one", "zwei,\r\nx: ü", "one"):
        note(exchange, name, "flagged", "input")
        note(exchange, name, "flagged", "output")
    assert exchange.response_headers[FLAGGED] == "one, zwei_x: _"
    exchange.head_status = 200
    note(exchange, "late", "flagged", "output")
    assert "late" not in exchange.response_headers[FLAGGED]
