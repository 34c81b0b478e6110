"""What is told late."""

from __future__ import annotations

import pytest

from proxy.counters.late import AGE, Late


def test_each_says_how_long_it_was_due_and_the_oldest_give_way(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    late = Late(2, lambda: now[0])
    for number in range(3):
        late.add(([f"record {number}"], ["", 1000, 0, number]))
        now[0] += 1.5
    assert len(late) == 2
    assert late.first() == (["record 1"], ["", 1000, 3_000_000, 1])
    assert late.first()[1][AGE] == 3_000_000, "looked at again, as it may fail again"
    late.told()
    assert not caplog.records
    late.told()
    assert len(late) == 0
    (line,) = caplog.records
    assert line.getMessage().startswith("1 exchanges were not counted")
