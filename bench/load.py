"""The load generator: asks for many answers, checks each of them whole, sums up. Its own process.

`python -m bench.load` reads one Job as JSON from its input and prints one Report as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import random
import re
import resource
import sys
import time
from bisect import bisect_left
from typing import Literal

import msgspec
import uvloop
from hdrh.histogram import HdrHistogram

from .answers import BLOCK, TOOL, Order
from .checks import WrongAnswer, check_stream, check_whole
from .client import ClientConnection, Left, Received, connect

Dialect = Literal["responses", "chat"]
_PATHS = {"responses": "/responses", "chat": "/chat/completions"}
_SHOWN_ERRORS = 5
_BYTES_A_PIECE = 300  # of a body, about: events of Responses have 200 bytes or so, chunks of chat completions 300
_RESPONSE_ID = re.compile(rb'"id":\s?"(resp_[^"]+)"')
_LONGEST_US, _FIGURES = 3_600_000_000, 2
_WORDS_OF_PROMPT = "It should be as long as it needs to be, and no longer. "


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask of whom.

    `connections` ask `each` answers one after the other. With `ramp_s` the connections begin one after the other,
    spread evenly over that time: an open loop, in which a late answer does not hold back another. `prompt_bytes`
    lengthens the prompt. With `tool` the model calls a tool; with `chain` each answer of a connection goes on from the
    one before it, where the dialect has chains. A share of the streams, `leave`, is left by the client within the
    answer; when all is done nothing may still be under way at the upstream (on `upstream_port`). `headers` are sent
    with every request; `strict` is how answers are checked. `host`, `tls` and `base` (of the path) are those of a URL;
    `model` is a name to ask for in the place of the one that says what is wanted. `block` is how many pieces the
    upstream writes at a time where there is no pause between them.
    """

    port: int
    dialect: Dialect
    host: str = "127.0.0.1"
    tls: bool = False
    base: str = "/v1"
    model: str = ""
    block: int = BLOCK
    connections: int
    each: int = 1
    pieces: int = 100
    interval_ms: float = 0
    stream: bool = True
    ramp_s: float = 0
    prompt_bytes: int = 0
    limit_s: float = 120
    tool: bool = False
    chain: bool = False
    leave: float = 0
    upstream_port: int = 0
    headers: dict[str, str] = {}
    strict: bool = True


class Spread(msgspec.Struct):
    """How a number of times is spread, in milliseconds."""

    p50: float
    p99: float
    worst: float


class Report(msgspec.Struct, kw_only=True):
    """What came of a job. `late` is how much later than intended pieces arrived; `cpu_s` is the generator's own.

    `left` is how many answers the client did not wait for; their pieces are estimated from the bytes that came.
    The histograms are HDR histograms in microseconds, in their base64 form.
    """

    answers: int = 0
    left: int = 0
    pieces: int = 0
    reads: int = 0
    errors: int = 0
    examples: list[str] = []
    wall_s: float = 0
    cpu_s: float = 0
    late_ms: Spread | None = None
    first_ms: Spread | None = None
    late_histogram: str = ""
    first_histogram: str = ""


class Load:
    """Runs one job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._report = Report()
        self._late: list[float] = []
        self._first: list[float] = []

    async def run(self) -> Report:
        """Asks everything and checks it; errors are counted, not raised."""
        job, report = self._job, self._report
        started, before = time.monotonic(), _cpu_s()
        asking = [
            asyncio.create_task(self._connection(index, started, job.ramp_s * index / job.connections))
            for index in range(job.connections)
        ]
        _, late = await asyncio.wait(asking, timeout=job.limit_s)
        for task in late:
            task.cancel()
            self._wrong(f"no answer within {job.limit_s:g} s")
        report.wall_s = time.monotonic() - started
        report.cpu_s = _cpu_s() - before
        report.late_ms, report.first_ms = spread(self._late), spread(self._first)
        report.late_histogram, report.first_histogram = histogram(self._late), histogram(self._first)
        if job.leave and not await nothing_open(job.upstream_port):
            self._wrong("streams that nobody reads are still under way at the upstream after 5 s")
        return report

    async def _connection(self, index: int, started: float, wait_s: float) -> None:
        """Asks over one connection; opens another when it was lost.

        In an open loop the time of the first answer counts from when it was to be asked, not from when it was.
        """
        job = self._job
        await asyncio.sleep(wait_s)
        connection: ClientConnection | None = None
        previous = ""
        for turn in range(job.each):
            number = index * job.each + turn
            order = Order(number, job.pieces, job.interval_ms, job.stream, tool=job.tool, block=job.block)
            leave_at = leaves_at(order, job.leave)
            try:
                connection = connection or await connect(job.port, job.host, tls=job.tls)
                asked = int((started + wait_s) * 1e9) if job.ramp_s and not turn else time.monotonic_ns()
                received = await connection.ask(request(job, order, previous), leave_at=leave_at)
                self._check(received, order, asked)
                if job.chain and job.dialect == "responses":
                    previous = response_id(received.body)
            except Left:
                self._report.left += 1
                self._report.pieces += leave_at // _BYTES_A_PIECE
                connection = None
            except OSError as error:
                self._wrong(f"stream {order.number}: {error}")
                connection = None
        if connection is not None:
            connection.close()

    def _check(self, received: Received, order: Order, asked_ns: int) -> None:
        job, report = self._job, self._report
        report.answers += 1
        report.reads += len(received.reads)
        if received.status != 200:
            self._wrong(f"stream {order.number}: status {received.status}: {received.body[:300]!r}")
            return
        try:
            if not order.stream:
                check_whole(job.dialect, received.body, order)
                report.pieces += order.pieces
                return
            checked = check_stream(job.dialect, received.body, order, strict=job.strict)
        except WrongAnswer as error:
            self._wrong(f"stream {order.number}: {error}")
            return
        report.pieces += order.pieces
        arrived = arrivals(received.reads, checked.ends)
        self._first.append((arrived[0] - asked_ns) / 1e6)
        if order.interval_ms:
            due = order.interval_ms * 1e6
            self._late += [(at - checked.began_ns - due * index) / 1e6 for index, at in enumerate(arrived)]

    def _wrong(self, message: str) -> None:
        self._report.errors += 1
        if len(self._report.examples) < _SHOWN_ERRORS:
            self._report.examples = [*self._report.examples, message]


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def leaves_at(order: Order, share: float) -> int:
    """Returns after how many bytes the client leaves: 0 for never, for the same streams in every run."""
    chance = random.Random(order.number)
    if not share or chance.random() >= share:
        return 0
    return chance.randrange(1, max(order.pieces, 2)) * _BYTES_A_PIECE


async def nothing_open(upstream_port: int, patience_s: float = 5) -> bool:
    """Tells whether the upstream has no stream under way any more, within some time."""
    deadline = time.monotonic() + patience_s
    connection = await connect(upstream_port)
    try:
        while (await connection.ask(b"GET /v1/open HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")).body != b"0":
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True
    finally:
        connection.close()


def response_id(body: bytes) -> str:
    """Returns the id of the response in a body; raises ConnectionError where there is none."""
    found = _RESPONSE_ID.search(body)
    if found is None:
        raise ConnectionError(f"the answer names no response to go on from: {body[:200]!r}")
    return found[1].decode()


def request(job: Job, order: Order, previous: str = "") -> bytes:
    """Returns the bytes of one HTTP request, which goes on from the response `previous` if there is one."""
    prompt = order.whole_prompt if job.model else order.prompt
    if job.prompt_bytes > len(prompt):
        prompt = (_WORDS_OF_PROMPT * (job.prompt_bytes // len(_WORDS_OF_PROMPT) + 1))[: job.prompt_bytes] + prompt
    body: dict[str, object] = {"model": job.model or order.model, "stream": order.stream}
    if job.dialect == "responses":
        body["input"] = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]}]
        if previous:
            body["previous_response_id"] = previous
        if order.tool:
            body["tools"] = [{"type": "function", **TOOL}]
    else:
        body["messages"] = [{"role": "user", "content": prompt}]
        if order.tool:
            body["tools"] = [{"type": "function", "function": TOOL}]
        if order.stream:
            body["stream_options"] = {"include_usage": True}
    data = msgspec.json.encode(body)
    head = (
        f"POST {job.base}{_PATHS[job.dialect]} HTTP/1.1\r\nhost: {job.host}\r\ncontent-type: application/json\r\n"
        f"accept: */*\r\ncontent-length: {len(data)}\r\n"
    )
    head += "".join(f"{name}: {value}\r\n" for name, value in job.headers.items())
    return head.encode() + b"\r\n" + data


def arrivals(reads: list[tuple[int, int]], ends: list[int]) -> list[int]:
    """Returns when each piece was there whole: the moment of the read that brought its last byte."""
    sizes = [size for _, size in reads]
    return [reads[bisect_left(sizes, end)][0] for end in ends]


def spread(times_ms: list[float]) -> Spread | None:
    """Returns the spread of some times; None of none."""
    if not times_ms:
        return None
    ordered = sorted(times_ms)
    last = len(ordered) - 1
    return Spread(ordered[last // 2], ordered[round(last * 0.99)], ordered[last])


def histogram(times_ms: list[float]) -> str:
    """Returns times as an HDR histogram of microseconds, encoded; what came too early counts as 1 us."""
    if not times_ms:
        return ""
    found = HdrHistogram(1, _LONGEST_US, _FIGURES)
    for time_ms in times_ms:
        found.record_value(max(1, int(time_ms * 1000)))
    encoded: bytes = found.encode()
    return encoded.decode()


def main() -> None:
    """Runs the job that stands in the input."""
    gc.disable()  # a job has an end, and its collector would stop the clock of every stream
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    report = uvloop.run(Load(job).run())
    print(msgspec.json.encode(report).decode())


if __name__ == "__main__":
    main()
