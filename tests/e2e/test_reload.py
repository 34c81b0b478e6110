"""A new file while the server works: processes as a user starts them, streams open, requests coming all the time."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

from proxy.api.responses.ids import worker_of
from tests.support.serving import Served, serving

FILE = """\
workers: WORKERS
upstreams: {echo: {kind: echo}}
models: {old: [echo/echo]MORE}
stores: {responses: {kind: sqlite, path: kept.db}}
pipeline: [rate-limit: {per: model, requests: 1000000, window: 1h}, route, stream-translate, metrics: {listen: METRICS}]
"""
STREAMS = 20
SLOW = "[[tokens_per_s=8]] [[repeat=8]] [[say one two ]]"
ENDED = re.compile(rb"event: response\.(completed|incomplete|failed|cancelled)")
ID = re.compile(rb'"id":"(resp_[0-9a-f]+)"')


class Clients:
    """The clients of a server, each with a connection of its own."""

    def __init__(self, served: Served, session: aiohttp.ClientSession, file: Path) -> None:
        self.url = served.url
        self.process = served.process
        self.session = session
        self.file = file
        self.text = file.read_text()
        self.released = asyncio.Event()
        self.answers = 0

    def _ask(self, model: str, text: str, **fields: Any) -> Any:
        return self.session.post(f"{self.url}/responses", json={"model": model, "input": text, **fields})

    async def stream(self, begun: asyncio.Queue[str], text: str) -> str:
        """Reads a stream to its end; returns how it ended. Its id is told once it has begun."""
        async with self._ask("old", text, stream=True) as answer:
            id = ID.findall(await answer.content.readuntil(b"output_text.delta"))[0].decode()
            begun.put_nowait(id)
            rest = await answer.content.read()
        assert rest.endswith(b"data: [DONE]\n\n")
        ended = ENDED.findall(rest)
        assert len(ended) == 1
        return str(ended[0].decode())

    async def hammer(self) -> None:
        """Asks again and again, over a connection that is kept and over a new one in turn."""
        while not self.released.is_set():
            close = {"connection": "close"} if self.answers % 2 else {}
            body = {"model": "old", "input": "x"}
            async with self.session.post(f"{self.url}/responses", json=body, headers=close) as answer:
                assert (await answer.json())["status"] == "completed"
            self.answers += 1

    async def models(self) -> set[str]:
        """Returns what a new connection is served."""
        async with self.session.get(f"{self.url}/models", headers={"connection": "close"}) as answer:
            return {one["id"] for one in (await answer.json())["data"]}

    async def change(self, more: str, **settings: str) -> None:
        """Has the server read another file; returns when it is served by all workers, as far as can be seen."""
        text = self.text
        text = re.sub(r"\[echo/echo\].*", f"[echo/echo]{more}}}", text)
        for name, value in settings.items():
            text = re.sub(rf"{name}: \S+", f"{name}: {value}", text)
        self.text = text
        self.file.write_text(text)
        self.process.send_signal(signal.SIGHUP)
        wanted = {"old", *re.findall(r"(\w+): \[", more)}
        async with asyncio.timeout(30):
            while [await self.models() for _ in range(6)] != [wanted] * 6:
                pass


async def test_a_new_file_cuts_nothing_refuses_nothing_and_forgets_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        own = f"127.0.0.1:{sock.getsockname()[1]}"
    text = FILE.replace("WORKERS", "2").replace("MORE", "").replace("METRICS", f'"{own}"')
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60)
    with serving(config=text, directory=tmp_path) as served:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            clients = Clients(served, session, tmp_path / "pipeline.yaml")
            begun: asyncio.Queue[str] = asyncio.Queue()
            streams = [asyncio.ensure_future(clients.stream(begun, SLOW)) for _ in range(STREAMS)]
            endless: asyncio.Queue[str] = asyncio.Queue()
            streams.append(asyncio.ensure_future(clients.stream(endless, "[[stall 2]] one two three")))
            hammers = [asyncio.ensure_future(clients.hammer()) for _ in range(2)]
            async with asyncio.timeout(30):
                ids = [await begun.get() for _ in range(STREAMS)]
                ids.append(await endless.get())
            spread = Counter(map(worker_of, ids))
            assert max(spread.values()) <= 0.8 * STREAMS, spread
            await clients.change(", second: [echo/echo]")
            for id in ids:
                async with session.get(f"{served.url}/responses/{id}") as answer:
                    assert answer.status == 200
            async with session.post(f"{served.url}/responses/{ids[-1]}/cancel") as answer:
                assert (await answer.json())["status"] == "cancelled"
            await clients.change(", third: [echo/echo]", workers="3")
            (tmp_path / "pipeline.yaml").write_text("workers: many\n")
            served.process.send_signal(signal.SIGHUP)
            await clients.change(", fourth: [echo/echo]", workers="1")
            clients.released.set()
            await asyncio.gather(*hammers)
            ends = Counter(await asyncio.gather(*streams))
            assert ends["completed"] == STREAMS, ends
            body = {"model": "fourth", "input": "x"}
            async with session.post(f"{served.url}/responses", json=body) as answer:
                assert answer.headers["x-ratelimit-limit-requests"] == "1000000"
            async with session.get(f"http://{own}/metrics") as answer:
                text = await answer.text()
    told = re.findall(r'^penstock_requests_total\{.*outcome="(\w+)".*\} (\S+)', text, re.M)
    assert 'penstock_config_reloads_total{result="used"} 3.0' in text
    counted: Counter[str] = Counter()
    for outcome, count in told:
        counted[outcome] += int(float(count))
    assert counted == {"completed": STREAMS + clients.answers + 1, "cancelled": 1}
