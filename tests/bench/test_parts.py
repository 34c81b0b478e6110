import asyncio
import sys

import pytest

from bench.parts import PARTS, REST, Cost, Costs, Meter, _watched, _watching, measure, shown


class Clock:
    """A counter that moves when it is told to, and not by itself."""

    def __init__(self):
        self.now = 0

    def read(self):
        return self.now

    def work(self, count):
        self.now += count


def test_what_a_part_calls_that_is_a_part_itself_is_counted_there_alone():
    clock = Clock()
    meter = Meter(clock.read, 2)

    async def inner():
        clock.work(5)
        await asyncio.sleep(0)
        clock.work(7)
        raise KeyError

    inner = _watching(meter, 1, inner)

    def sync():
        clock.work(1)

    sync = _watching(meter, 1, sync)

    async def outer():
        clock.work(100)
        sync()
        with pytest.raises(KeyError):
            await inner()
        clock.work(30)

    outer = _watching(meter, 0, outer)
    meter.begin()
    running = outer()
    running.send(None)
    clock.work(1000)  # it waits
    with pytest.raises(StopIteration):
        running.send(None)
    clock.work(2000)
    assert meter.end(10) == [13.0, 1.3, 300.0]


def test_the_methods_are_what_they_were_afterwards():
    def methods():
        return [owner.__dict__.get(name) for part in PARTS for owner, name in part.methods]

    before = methods()
    with _watched(Meter(lambda: 0, len(PARTS))):
        assert all(one is not other for one, other in zip(methods(), before, strict=True))
    assert methods() == before


@pytest.mark.skipif(sys.platform != "linux", reason="the bench needs Linux")
def test_every_part_costs_something():
    costs = measure(connections=2, each=5)
    assert [one.part for one in costs.parts] == [*(part.name for part in PARTS), REST]
    assert costs.total > 0
    assert costs.unit == "ns" or all(one.each > 0 for one in costs.parts)  # times are too coarse for the least parts


def test_the_table_adds_up():
    rows = [line.split() for line in shown(Costs("instructions", [Cost("a", 3000), Cost("b", 1000)])).splitlines()]
    assert rows[2:] == [["a", "3000", "75.0%"], ["b", "1000", "25.0%"], ["a", "request", "4000", "100.0%"]]
