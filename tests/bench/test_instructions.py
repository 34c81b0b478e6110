import os

from bench import instructions
from bench.instructions import Counter


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
