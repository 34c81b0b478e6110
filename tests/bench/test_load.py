import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from bench.answers import Order, read_order
from bench.load import Job, Load, arrivals, request, spread
from bench.upstream import Upstream
from tests.support.bench_answers import blocks

Spoil = Callable[[list[bytes]], list[bytes]]
ORDER = Order(0, 8, 0)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class FaultyProxy(asyncio.Protocol):
    """Answers like a good proxy, but for what `spoil` does to the events; `cut` ends the connection within the body."""

    def __init__(self, dialect: str, spoil: Spoil, *, cut: bool = False) -> None:
        self._dialect, self._spoil, self._cut = dialect, spoil, cut
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        out = [_HEAD]
        out += [b"%x\r\n%b\r\n" % (len(one), one) for one in self._spoil(blocks(self._dialect, ORDER))]
        self._transport.write(b"".join(out) + (b"" if self._cut else b"0\r\n\r\n"))
        if self._cut:
            self._transport.close()


@contextlib.asynccontextmanager
async def serving(make: Callable[[], asyncio.Protocol]) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def deltas(events: list[bytes]) -> list[int]:
    """Returns where in a stream the pieces are."""
    return [at for at, one in enumerate(events) if b"output_text.delta" in one or b'"content":" ' in one]


def dropped(events: list[bytes]) -> list[bytes]:
    at = deltas(events)[3]
    return [*events[:at], *events[at + 1 :]]


def repeated(events: list[bytes]) -> list[bytes]:
    at = deltas(events)[3]
    return [*events[:at], events[at], *events[at:]]


def reordered(events: list[bytes]) -> list[bytes]:
    at = deltas(events)[3]
    return [*events[:at], events[at + 1], events[at], *events[at + 2 :]]


def without_end(events: list[bytes]) -> list[bytes]:
    return [one for one in events if b"response.completed" not in one and b'"finish_reason":"stop"' not in one]


def without_marker(events: list[bytes]) -> list[bytes]:
    return events[:-1]


def stopped_early(events: list[bytes]) -> list[bytes]:
    return events[: deltas(events)[4]]


def renumbered(events: list[bytes]) -> list[bytes]:
    """Loses a delta and hides it: the numbers are right, the text is not."""
    out: list[bytes] = []
    for number, one in enumerate(dropped(events)[:-1]):
        head, _, rest = one.partition(b'"sequence_number":')
        out.append(head + b'"sequence_number":%d' % number + rest.lstrip(b"0123456789") if rest else one)
    return [*out, events[-1]]


def shortened(events: list[bytes]) -> list[bytes]:
    """Loses a letter of one delta."""
    at = deltas(events)[3]
    return [
        *events[:at],
        events[at].replace(b'"delta":" ', b'"delta":"').replace(b'content":" ', b'content":"'),
        *events[at + 1 :],
    ]


def shortened_at_the_end(events: list[bytes]) -> list[bytes]:
    """Loses a letter where the whole text is told, or a token where those are counted."""
    at = len(events) - 2
    return [
        *events[:at],
        events[at].replace(b'"@', b'"').replace(b'"completion_tokens":8', b'"completion_tokens":7'),
        events[-1],
    ]


def job(port: int, dialect: str, **more: object) -> Job:
    return Job(port=port, dialect=dialect, connections=1, pieces=ORDER.pieces, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", ["responses", "chat"])
async def test_a_proxy_that_changes_nothing_gives_no_errors(dialect):
    async with serving(lambda: FaultyProxy(dialect, lambda events: events)) as port:
        report = await Load(job(port, dialect)).run()
    assert (report.errors, report.answers, report.pieces) == (0, 1, 8)


@pytest.mark.parametrize(
    "spoil",
    [
        dropped,
        repeated,
        reordered,
        without_end,
        without_marker,
        stopped_early,
        renumbered,
        shortened,
        shortened_at_the_end,
    ],
)
@pytest.mark.parametrize("dialect", ["responses", "chat"])
async def test_each_fault_of_a_proxy_is_found(dialect, spoil):
    async with serving(lambda: FaultyProxy(dialect, spoil)) as port:
        report = await Load(job(port, dialect)).run()
    assert report.errors == 1
    assert report.pieces == 0
    assert report.examples[0].startswith("stream 0: ")


@pytest.mark.parametrize("dialect", ["responses", "chat"])
async def test_a_connection_that_is_cut_within_an_answer_is_found(dialect):
    async with serving(lambda: FaultyProxy(dialect, stopped_early, cut=True)) as port:
        report = await Load(job(port, dialect)).run()
    assert report.errors == 1
    assert "closed" in report.examples[0]


async def test_an_answer_that_never_comes_is_an_error_in_time():
    async with serving(asyncio.Protocol) as port:
        report = await Load(job(port, "chat", limit_s=0.2)).run()
    assert report.errors == 1
    assert "within 0.2 s" in report.examples[0]


async def test_an_answer_that_is_no_http_is_an_error():
    class Garbage(asyncio.Protocol):
        def connection_made(self, transport):
            transport.write(b"220 ready\r\n")

    async with serving(Garbage) as port:
        report = await Load(job(port, "chat", limit_s=5)).run()
    assert report.errors == 1


async def test_nobody_listening_is_an_error_of_every_answer():
    async with serving(asyncio.Protocol) as port:
        pass
    report = await Load(job(port, "chat", each=3)).run()
    assert report.errors == 3


async def test_the_upstream_by_itself_passes_every_check_and_is_in_time():
    async with serving(Upstream) as port:
        streamed = await Load(
            Job(port=port, dialect="chat", connections=3, each=2, pieces=10, interval_ms=3, ramp_s=0.01, limit_s=10)
        ).run()
        poured = await Load(Job(port=port, dialect="chat", connections=2, each=2, pieces=3000, limit_s=10)).run()
        whole = await Load(Job(port=port, dialect="chat", connections=2, each=3, stream=False, limit_s=10)).run()
    assert (streamed.errors, streamed.answers, streamed.pieces) == (0, 6, 60)
    assert streamed.wall_s >= 2 * 9 * 0.003
    assert streamed.late_ms is not None
    assert streamed.late_ms.p50 >= -1  # timers may run a millisecond early
    assert (poured.errors, poured.pieces) == (0, 12_000)
    assert (whole.errors, whole.answers) == (0, 6)


async def test_an_upstream_refuses_what_it_does_not_understand():
    async with serving(Upstream) as port:
        report = await Load(Job(port=port, dialect="responses", connections=1, prompt_bytes=0)).run()
        assert report.errors == 1
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")
        assert b" 400 " in await reader.readline()
        writer.close()


def test_a_long_prompt_still_says_what_is_wanted():
    data = request(Job(port=1, dialect="chat", connections=1, prompt_bytes=5000), Order(9, 4, 0))
    head, _, body = data.partition(b"\r\n\r\n")
    assert len(body) > 5000
    assert b"content-length: %d" % len(body) in head
    assert read_order(body) == Order(9, 4, 0)


def test_a_piece_arrives_with_the_read_that_brings_its_last_byte():
    assert arrivals([(10, 100), (20, 100), (30, 250)], [50, 100, 101, 250]) == [10, 10, 30, 30]


def test_the_spread_of_times():
    found = spread([float(n) for n in range(100, -1, -1)])
    assert found is not None
    assert (found.p50, found.p99, found.worst) == (50.0, 99.0, 100.0)
    assert spread([]) is None
