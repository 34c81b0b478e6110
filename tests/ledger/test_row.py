"""The row of an exchange."""

from __future__ import annotations

import pytest

from proxy.events import Usage
from proxy.exchange import Client, Key
from proxy.ledger import row as module
from proxy.ledger.row import row_of
from tests.support.books import ended


def test_a_row_says_who_and_what_and_how_much() -> None:
    key = Key("alice", owner="ann", team="search")
    used = Usage(10, 5, cache_missed=True)
    one = ended("completed", used, cost="0.00000012305", key=key, model="wild-x", user="u")
    row = row_of(one)
    assert (row.key, row.team, row.user, row.end_user) == ("alice", "search", "ann", "u")
    assert (row.model, row.upstream, row.upstream_model, row.outcome, row.attempts) == (
        "wild-x",
        "e",
        "up",
        "completed",
        1,
    )
    assert (row.input, row.cached, row.output, row.cost) == (10, 0, 5, 124)
    assert (row.estimated, row.partial) == (False, False)
    assert row.ended == pytest.approx(one.timing.wall + 0.5)


def test_a_name_that_a_client_made_up_is_other() -> None:
    assert row_of(ended("rejected", model="typo")).model == "other"
    assert len(row_of(ended("completed", Usage(), model="wild-" + "x" * 999)).model) == 256


def test_no_secret_gets_into_the_ledger() -> None:
    secret = "my-very-own-secret"
    one = ended("completed", Usage(1, 1), model=f"wild-{secret}", user=f"u {secret}")
    one.client = Client("10.0.0.1", {"authorization": f"Bearer {secret}"})
    one.id = "sk-ant-0123456789abcdef"
    assert secret not in repr(row_of(one))
    assert (row_of(one).id, row_of(one).end_user) == ("***", "u ***")


def test_a_number_that_cannot_be_is_cut_and_the_row_marked() -> None:
    row = row_of(ended("completed", Usage(1 << 70, 5), cost="9" * 30, key=Key("k", user="\ud800")))
    assert (row.input, row.output, row.cost, row.partial) == (10**15, 5, 10**15, True)
    row.user.encode()


def test_9_2_what_nobody_told_is_not_zero() -> None:
    row = row_of(ended("completed", Usage(10, 5)))
    assert (row.cached, row.cost) == (None, None)


def test_9_6_a_part_that_cannot_be_found_out_does_not_cost_the_row(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> str:
        raise RuntimeError("no end user today")

    monkeypatch.setattr(module, "end_user_of", fail)
    row = row_of(ended("completed", Usage(10, 5), cost="0.5", key=Key("alice")))
    assert (row.partial, row.key, row.outcome, row.cost, row.end_user) == (True, "alice", "completed", 500_000_000, "")
    assert "less than there was to say" in caplog.text
