"""Servers under limits: bursts, faults, vanished clients, a killed process; and whether the books agree afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

PATIENCE_S = 60.0
FILE = """\
workers: {workers}
upstreams: {{e: {{kind: echo}}}}
models: {{limited: [e/echo], faulty: [e/echo]}}
prices: {{e/echo: {{input: 10, output: 30}}}}
admin: {{key: the-admin-key}}
stores: {{responses: {{kind: none}}, counters: {counters}}}
pipeline:
  - rate-limit: {{per: model, requests: {most}, tokens: 1000000000, window: 1h, parallel: 1000}}
  - budget: {{per: model, usd: 1000}}
  - route
  - stream-translate
  - log: {{to: ./log.jsonl}}
"""
FAULTS = (
    "Hello there.",
    "[[say short]]",
    "[[error 503]]",
    "[[error 429 insufficient_quota]]",
    "[[cut 3]] words that never all come",
    "[[stream_error 2]] words that never all come",
)


class Limited:
    """Servers that share their counters: where they are, and the files of their logs."""

    def __init__(self, urls: Sequence[str], logs: Sequence[Path], seed: int = 7) -> None:
        self.urls = urls
        self.logs = logs
        self.random = random.Random(seed)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True), timeout=timeout)

    async def burst(self, count: int, at_once: int) -> Counter[int]:
        """Sends requests at once; returns how many got each status."""
        allowed = asyncio.Semaphore(at_once)

        async def one(number: int) -> int:
            async with allowed:
                body = {"model": "limited", "input": "hi", "max_output_tokens": 50}
                url = self.urls[number % len(self.urls)]
                async with self.session.post(f"{url}/responses", json=body) as response:
                    await response.read()
                    return response.status

        return Counter(await asyncio.gather(*map(one, range(count))))

    async def faults(self, count: int) -> None:
        """Sends requests to an upstream that fails in all ways, from clients some of which leave in the middle."""

        async def one(number: int) -> None:
            stream = self.random.random() < 0.7
            body = {"model": "faulty", "input": self.random.choice(FAULTS), "stream": stream}
            leave = self.random.random() < 0.3
            asking = asyncio.create_task(self._asked(self.urls[number % len(self.urls)], body))
            if leave:
                await asyncio.wait((asking,), timeout=self.random.random() * 0.02)
                asking.cancel()
            await asyncio.wait((asking,))

        await asyncio.gather(*map(one, range(count)))

    async def _asked(self, url: str, body: dict[str, Any]) -> None:
        async with self.session.post(f"{url}/responses", json=body) as response:
            await response.read()

    async def stalled(self, count: int) -> list[aiohttp.ClientResponse]:
        """Opens streams that stop after some words; returns them when the words are there."""
        streams = []
        for number in range(count):
            body = {"model": "faulty", "input": "[[stall 3]] some words and more", "stream": True}
            response = await self.session.post(f"{self.urls[number % len(self.urls)]}/responses", json=body)
            got = b""
            while b"output_text.delta" not in got:
                got += await response.content.readany()
            streams.append(response)
        return streams

    async def kill_a_holder(self) -> int:
        """Kills a process that holds something; returns which."""
        held = next(row for row in await self.shown() if row["unit"] == "parallel" and row["holders"])
        pid = int(held["holders"][0]["who"].replace("process ", "").rpartition(":")[2])
        os.kill(pid, signal.SIGKILL)
        return pid

    async def shown(self) -> list[dict[str, Any]]:
        """Returns what `GET /admin/limits` shows, from whoever still serves."""
        headers = {"authorization": "Bearer the-admin-key"}
        for url in self.urls:
            try:
                async with self.session.get(f"{url.removesuffix('/v1')}/admin/limits", headers=headers) as response:
                    assert response.status == 200
                    rows: list[dict[str, Any]] = (await response.json())["data"]
                    return rows
            except aiohttp.ClientConnectorError:
                continue
        raise AssertionError("nobody serves")

    def ledger(self) -> dict[tuple[str, str], Decimal]:
        """Returns what the logs say was used, by unit and model.

        `left` are requests whose clients left before any upstream was asked: they may have been let in or not.
        """
        sums: dict[tuple[str, str], Decimal] = {}
        for path in self.logs:
            for line in path.read_text().splitlines() if path.exists() else ():
                row = json.loads(line, parse_float=Decimal)
                if row["outcome"] == "rejected":
                    continue
                tokens = sum(one["usage"]["total"] for one in row["attempts"] if one["usage"])
                request = "left" if row["outcome"] == "cancelled" and not row["attempts"] else "requests"
                for unit, amount in ((request, 1), ("tokens", tokens), ("usd", row["cost"] or 0)):
                    key = unit, row["model"]
                    sums[key] = sums.get(key, Decimal(0)) + Decimal(amount)
        return sums

    async def agree(self, *, lost_requests: int = 0) -> None:
        """Waits until nothing is held and every counter is what the logs add up to; fails with both otherwise.

        `lost_requests` are those that died with their process before there was a line of them.
        """
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            rows, sums = await self.shown(), self.ledger()
            counted = {(row["unit"], row["counter"].partition("model=")[2]): row["used"] for row in rows}
            told = {key: float(amount) for key, amount in sums.items()}
            left = told.pop(("left", "faulty"), 0)
            if ("requests", "faulty") in told:
                let_in = counted["requests", "faulty"] - told["requests", "faulty"] - lost_requests
                if 0 <= let_in <= left:
                    del told["requests", "faulty"]
            same = all(abs(counted.get(key, 0) - amount) < 1e-6 for key, amount in told.items())
            if same and not any(row["held"] for row in rows):
                return
            assert asyncio.get_running_loop().time() < deadline, f"counted {counted}, logged {told}, {rows}"
            await asyncio.sleep(0.1)
