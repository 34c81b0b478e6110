import asyncio
import itertools

from bench.load import Job, Load
from bench.memory import Growth, rising
from bench.upstream import Upstream


async def test_memory_is_looked_at_while_streams_are_open(monkeypatch):
    monkeypatch.setattr("bench.memory._EACH_S", 0.01)
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    kb = itertools.count(1000)
    async with server:
        port = server.sockets[0].getsockname()[1]
        growth = Growth(port, lambda: next(kb))
        growth.__enter__()
        report = await Load(Job(port=port, dialect="chat", connections=3, pieces=40, interval_ms=10)).run()
        await asyncio.to_thread(growth.__exit__, None, None, None)
    assert report.errors == 0
    assert 3 in [streams for streams, _ in growth.points]
    assert [one for _, one in growth.points] == list(range(1000, 1000 + len(growth.points)))


def test_what_counts_is_how_it_grew():
    assert rising([(0, 1), (2, 10), (5, 20), (5, 21), (4, 30), (7, 40), (3, 50)]) == [(2, 10), (5, 20), (7, 40)]
