import os

from bench import instructions
from bench.instructions import Counter, Counts, Sample


def test_where_there_is_no_counter_there_is_none(monkeypatch):
    monkeypatch.setattr(instructions.platform, "machine", lambda: "abacus")
    assert Counter.open() is None


def test_a_counter_counts_what_is_done_or_is_not_there():
    counter = Counter.open()
    if counter is None:
        assert Counter.open(os.getpid()) is None
        return
    begun = counter.read()
    sum(range(1000))
    small = counter.read() - begun
    sum(range(100_000))
    assert counter.read() - begun > 10 * small
    counter.close()
    counter.close()


def test_what_was_counted_for_a_part_of_the_time_is_estimated_and_nothing_is_not_zero():
    now, then = Sample(300, 2000, 1500), Sample(100, 1000, 1000)
    assert now.since(then) == 400
    assert Sample(100, 2000, 1000).since(then) is None
    assert Counts(now, None, now).per(Counts(then, then, None), 4) == (100, None, None)
