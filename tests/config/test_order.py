"""The order rules that stages declare, all wrong edges at once."""

from __future__ import annotations

import pytest

from proxy.config.order import Placed, check_order, who_sets
from proxy.config.problems import Place, Problems
from tests.support.config_nodes import found
from tests.support.fake_registry import STAGES


def check(*names: str, complete: bool = True) -> list[str]:
    problems = Problems("f")
    placed = [Placed(name, STAGES[name], Place(line, 5)) for line, name in enumerate(names, 1)]
    check_order(placed, problems, complete=complete)
    return found(problems)


@pytest.mark.parametrize(
    "names",
    [
        ["auth", "rate-limit", "guardrail", "route", "transform", "stream-translate", "upstream-headers", "log"],
        ["rate-limit", "route"],
        ["log", "transform", "route", "stream-translate", "transform"],
        ["upstream-headers", "guardrail"],
    ],
)
def test_orders_that_are_right(names):
    assert check(*names) == []


@pytest.mark.parametrize(
    ("names", "problems"),
    [
        (
            ["rate-limit", "auth"],
            ['f:1:5: "rate-limit" stands above "auth" (line 2) but needs what it sets   '
             '(move "rate-limit" below "auth")'],
        ),
        (
            ["stream-translate"],
            ['f:1:5: "stream-translate" cannot work without "route"   (add "route" above it)'],
        ),
        (
            ["log", "log", "log"],
            ['f:2:5: "log" stands twice (first on line 1)   (keep one of them)',
             'f:3:5: "log" stands twice (first on line 1)   (keep one of them)'],
        ),
        (
            ["upstream-headers", "rate-limit", "stream-translate", "guardrail", "route", "auth"],
            ['f:1:5: "upstream-headers" stands above "stream-translate" (line 3) but works on the upstream\'s side   '
             '(move "upstream-headers" below "stream-translate")',
             'f:2:5: "rate-limit" stands above "auth" (line 6) but needs what it sets   '
             '(move "rate-limit" below "auth")',
             'f:3:5: "stream-translate" stands above "route" (line 5) but needs what it sets   '
             '(move "stream-translate" below "route")',
             'f:4:5: "guardrail" stands below "stream-translate" (line 3) but works on the client\'s side   '
             '(move "guardrail" above "stream-translate")'],
        ),
        (
            ["route", "guardrail"],
            ['f:2:5: warning: "guardrail" stands below "route" (line 1): it then runs once an attempt, '
             'not once a request   (move "guardrail" above "route")'],
        ),
    ],
)  # fmt: skip
def test_orders_that_are_wrong(names, problems):
    assert check(*names) == problems


def test_what_may_be_misspelt_is_not_missing():
    assert check("stream-translate", complete=False) == []


def test_who_sets_what():
    assert who_sets("plan", STAGES) == '"route"'
    assert who_sets("key", STAGES | {"sso": STAGES["auth"]}) == '"auth" or "sso"'
    assert who_sets("plan", {}) == "a stage that does"
