"""What a key's own entry may say of limits."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.types import Mistake
from proxy.counters import Limit
from proxy.limiting.own import OwnLimits, own_rules
from proxy.limiting.rules import Rule
from proxy.limiting.window import Window


def test_money_of_its_own_is_counted_apart_by_its_window() -> None:
    rule = Rule("budget", ("key",), Limit(unit="usd", most=5, window_s=60), "1m", "x")
    own = OwnLimits(usd=0.25, window=Window(3600), tokens_per_minute=9)
    (mine,) = own_rules(own, [rule], ("usd",), "budget", "x")
    assert (mine.limit.most, mine.limit.window_s, mine.window, mine.name) == (250_000_000, 3600, "1h", "x")


@pytest.mark.parametrize(
    ("fields", "what"), [({}, "nothing is limited"), ({"usd": 1, "window": Window(0)}, "shorter than a second")]
)
def test_limits_that_make_no_sense_are_refused(fields: dict[str, Any], what: str) -> None:
    with pytest.raises(Mistake, match=what):
        OwnLimits(**fields)
