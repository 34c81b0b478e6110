"""The gaps of a stream."""

from __future__ import annotations

import pytest

from proxy.metrics.family import GAPS
from tests.support.forms import Form, each_form


@each_form
def test_each_gap_falls_into_the_bucket_whose_bound_is_above_it(form: Form) -> None:
    pulse = form.Pulse()
    now = 100.0
    pulse.begin(now)
    assert pulse.counts() is None
    for gap in (0.0005, 0.0015, 0.003, 0.0031, 0.9, 1.5, 3600.0, 0.0):
        now += gap
        pulse.beat(now)
    counts = pulse.counts()
    assert counts is not None
    assert pulse.counts() == counts
    found = [float("inf") if at == len(GAPS) else GAPS[at] for at, count in enumerate(counts) for _ in range(count)]
    assert found == [0.001, 0.001, 0.002, 0.004, 0.004, 1.024, 2.048, float("inf")]
    assert pulse.last - pulse.began == pytest.approx(3602.4081)


@each_form
def test_a_clock_that_counts_milliseconds_may_be_behind_the_first_piece(form: Form) -> None:
    pulse = form.Pulse()
    pulse.begin(100.0009)
    pulse.beat(100.0)
    assert (pulse.counts() or [])[0] == 1
