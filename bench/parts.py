"""What a request that is not streamed costs, part by part: `python -m bench.parts`.

A whole server runs in this process, with keys, prices, a store and a log, and is asked over the network. Around the
methods that are the parts, a counter is read whenever they begin, wait, go on and end; what a part calls that is a part
itself is counted there alone. What reading the counter costs is measured too, and taken off.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
import json
import tempfile
import time
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import uvloop

from proxy.api.responses.request import ResponsesRequest
from proxy.attempt import Answering
from proxy.config.loader import load
from proxy.pricing.book import PriceBook
from proxy.routing.plan import RoutePlan
from proxy.sealing import Sealing
from proxy.server.app import App
from proxy.server.connection import Connection, Server
from proxy.server.whole_answer import WholeAnswer
from proxy.serving import Serving
from proxy.stores.keeper import StoreKeeper
from proxy.upstream.http1 import Http1Connection
from proxy.upstream.pool import Http1Client
from proxy.upstream.response import Response
from proxy.worker import GENERATIONS
from stages.auth import Auth
from stages.log import Write
from stages.route import Route
from stages.stream_translate import StreamTranslate

from .instructions import Counter
from .load import Job, Report
from .processes import Process
from .tables import number, table
from .targets import UPSTREAM

REST = "all else: the event loop, aiohttp, the way between the parts"
_KEY = "pk-bench-0f3a5c7e9b1d2f4a6c8e0b3d5f7a9c1e"
_PATIENCE_S = 200.0
_CALIBRATION = 2000


Kind = Literal["function", "coroutine"]
_KINDS: tuple[Kind, ...] = ("function", "coroutine")


class Part(msgspec.Struct, frozen=True):
    """A part of a request's way: what it is called, and the methods that are it."""

    name: str
    methods: tuple[tuple[type, str], ...]


PARTS = (
    Part("read the client's bytes", ((Connection, "data_received"),)),
    Part("take the body", ((App, "_at_hand"), (App, "_read"))),
    Part("parse the body", ((ResponsesRequest, "parse"),)),
    Part("auth", ((Auth, "on_request"),)),
    Part("route: plan, choose, settle", ((Route, "on_request"), (RoutePlan, "next"), (RoutePlan, "settle"))),
    Part("validate", ((ResponsesRequest, "validate"),)),
    Part("store: resolve what is referred to", ((StoreKeeper, "resolve"),)),
    Part("build the upstream's request", ((StreamTranslate, "on_request"),)),
    Part("send it", ((Http1Client, "send"),)),
    Part("read the upstream's answer", ((Http1Connection, "data_received"), (Response, "read"))),
    Part("make the Response of it", ((Answering, "_is_plain"), (Answering, "_encode_whole"))),
    Part("price it", ((PriceBook, "charge"),)),
    Part("store: keep it (without the store's own thread)", ((StoreKeeper, "keep"),)),
    Part("log it", ((Write, "on_end"),)),
    Part("send the answer", ((WholeAnswer, "end"),)),
)


class Cost(msgspec.Struct, frozen=True):
    """What a part costs a request: instructions in user space, or nanoseconds of CPU where none can be counted."""

    part: str
    each: float


class Costs(msgspec.Struct, frozen=True):
    """What all parts cost, and in what unit: `instructions` or `ns`."""

    unit: str
    parts: list[Cost]

    @property
    def total(self) -> float:
        """What a request costs."""
        return sum(one.each for one in self.parts)


class Meter:
    """Adds up what parts cost, by their number; one that is entered within another one is not counted there.

    A part is entered by a function, or by a coroutine whenever that goes on: that they are watched costs something,
    which is known for either kind, and is taken off.
    """

    def __init__(self, read: Callable[[], int], parts: int) -> None:
        self.read = read
        self._open: list[int] = [parts]
        self._last = 0
        self._sums = [0] * (parts + 1)
        self._entered = {kind: [0] * (parts + 1) for kind in _KINDS}
        self._left_for = {kind: [0] * (parts + 1) for kind in _KINDS}  # how often another one was entered from it

    def begin(self) -> None:
        """Forgets all that was counted."""
        for counts in (self._sums, *self._entered.values(), *self._left_for.values()):
            counts[:] = [0] * len(counts)
        self._last = self.read()

    def enter(self, part: int, kind: Kind) -> None:
        """Counts for a part from here on."""
        now = self.read()
        outer = self._open[-1]
        self._sums[outer] += now - self._last
        self._left_for[kind][outer] += 1
        self._entered[kind][part] += 1
        self._open.append(part)
        self._last = now

    def leave(self) -> None:
        """Counts for the part around it again."""
        now = self.read()
        self._sums[self._open.pop()] += now - self._last
        self._last = now

    def end(self, answers: int) -> list[float]:
        """Returns what each part has cost an answer, the rest last, without what the counting itself has cost."""
        now = self.read()
        self._sums[self._open[-1]] += now - self._last
        sums: list[float] = [*self._sums]
        for kind in _KINDS:
            inner, outer = _own_costs(self.read, kind)
            for part, (entered, left) in enumerate(zip(self._entered[kind], self._left_for[kind], strict=True)):
                sums[part] -= entered * inner + left * outer
        return [max(0.0, one) / answers for one in sums]

    @property
    def last_sums(self) -> tuple[int, int]:
        """What the first part and the rest have come to, as they were counted."""
        return self._sums[0], self._sums[-1]


def _own_costs(read: Callable[[], int], kind: Kind) -> tuple[float, float]:
    """Returns what it adds to a part, and to the one around it, that the part is watched."""
    meter = Meter(read, 1)

    async def nothing() -> None:
        """Does nothing."""

    async def calls(function: Callable[[], Any]) -> None:
        for _ in range(_CALIBRATION):
            if kind == "coroutine":
                await function()
            else:
                function()

    function: Callable[[], Any] = nothing if kind == "coroutine" else lambda: None
    with contextlib.suppress(StopIteration):  # once to be warm
        calls(_watching(meter, 0, function)).send(None)
    before = read()
    with contextlib.suppress(StopIteration):
        calls(function).send(None)
    plain = read() - before
    meter.begin()
    with contextlib.suppress(StopIteration):
        calls(_watching(meter, 0, function)).send(None)
    meter.enter(0, kind)
    inner, outer = meter.last_sums
    return inner / _CALIBRATION, (outer - plain) / _CALIBRATION


def _watching(meter: Meter, part: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that does the same, and is counted."""
    if inspect.iscoroutinefunction(function):
        return functools.wraps(function)(lambda *args, **named: _driven(meter, part, function(*args, **named)))

    @functools.wraps(function)
    def watched(*args: Any, **named: Any) -> Any:
        meter.enter(part, "function")
        try:
            return function(*args, **named)
        finally:
            meter.leave()

    return watched


@types.coroutine
def _driven(meter: Meter, part: int, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Runs a coroutine, counting only while it does not wait."""
    value: Any = None
    error: BaseException | None = None
    while True:
        meter.enter(part, "coroutine")
        try:
            waited_for = coroutine.send(value) if error is None else coroutine.throw(error)
        except StopIteration as end:
            return end.value
        finally:
            meter.leave()
        value = error = None
        try:
            value = yield waited_for
        except BaseException as caught:  # whatever it is, it is the coroutine's
            error = caught


@contextlib.contextmanager
def _watched(meter: Meter) -> Iterator[None]:
    """Has the methods of all parts counted."""
    with contextlib.ExitStack() as stack:
        for place, part in enumerate(PARTS):
            for owner, name in part.methods:
                method = getattr(owner, name)
                made: Any = _watching(meter, place, method)
                own = owner.__dict__.get(name)
                setattr(owner, name, staticmethod(made) if inspect.ismethod(method) else made)
                stack.callback(_restore, owner, name, own)
        yield


def _restore(owner: type, name: str, own: Any) -> None:
    if own is None:
        delattr(owner, name)
    else:
        setattr(owner, name, own)


def measure(*, connections: int = 16, each: int = 150) -> Costs:
    """Asks for answers and returns what each costs by part, the rest last; raises StartFailed and RuntimeError."""
    with tempfile.TemporaryDirectory() as found:
        directory = Path(found)
        with UPSTREAM.start(directory, set()) as upstream:
            file = _file(directory, UPSTREAM.listening(upstream))
            job = Job(port=0, dialect="responses", connections=connections, each=each, stream=False)
            return uvloop.run(_measured(file, job, directory))


def _file(directory: Path, port: int) -> Path:
    config = {
        "upstreams": {"up": {"kind": "openai-compatible", "base_url": f"http://127.0.0.1:{port}/v1"}},
        "models": {"*": ["up/*"]},
        "prices": {"bench-*": {"input": 1, "output": 4}},
        "stores": {"responses": {"kind": "sqlite", "path": str(directory / "parts.db")}},
        "pipeline": [
            {"auth": {"keys": [{"id": "bench", "key": _KEY}]}},
            "route",
            "stream-translate",
            {"log": {"to": str(directory / "parts.jsonl")}},
        ],
    }
    path = directory / "parts.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    return path


async def _measured(file: Path, job: Job, directory: Path) -> Costs:
    meter = Meter(time.thread_time_ns, len(PARTS))
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_watched(meter))  # some are looked up once, when the server is made
        port = await _serve(file, stack)
        job = msgspec.structs.replace(job, port=port, headers={"authorization": f"Bearer {_KEY}"})
        with _asking(directory) as load:
            await _answers(load, msgspec.structs.replace(job, each=2))  # and all threads have begun
        stack.enter_context(_collecting_as_workers_do())
        with _asking(directory) as load:
            counter = Counter.open()  # does not count the threads that are there
            if counter is not None:
                stack.callback(counter.close)
                meter.read = counter.read
            meter.begin()
            answers = await _answers(load, job)
            each = meter.end(answers)
    names = [*(part.name for part in PARTS), REST]
    return Costs("ns" if counter is None else "instructions", [Cost(*one) for one in zip(names, each, strict=True)])


async def _serve(file: Path, stack: contextlib.AsyncExitStack) -> int:
    """Serves until the stack is closed; returns the port."""
    serving = await Serving.begin(load(str(file)), Sealing.fresh())
    stack.push_async_callback(serving.close)
    server = Server(serving.handle, access_log=None, auto_decompress=False)
    stack.push_async_callback(server.shutdown, 1)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    stack.callback(listening.close)
    port: int = listening.sockets[0].getsockname()[1]
    return port


@contextlib.contextmanager
def _collecting_as_workers_do() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GENERATIONS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _asking(directory: Path) -> Process:
    return Process(["python", "-m", "bench.load"], errors=directory / "load.err")


async def _answers(load: Process, job: Job) -> int:
    """Has a process ask; returns how many answers came, and raises RuntimeError when one is wrong."""
    said = await asyncio.to_thread(load.talk, msgspec.json.encode(job), _PATIENCE_S)
    report = msgspec.json.decode(said, type=Report)
    if report.errors:
        raise RuntimeError(f"the answers are wrong: {report.examples[0]}")
    return report.answers


def shown(costs: Costs) -> str:
    """Returns a table for people."""
    rows = [[one.part, number(one.each), f"{one.each / costs.total:.1%}"] for one in costs.parts]
    return table(["part", costs.unit, "of all"], [*rows, ["a request", number(costs.total), "100.0%"]])


def main() -> None:
    """Measures and prints the table."""
    print(shown(measure()))


if __name__ == "__main__":
    main()
