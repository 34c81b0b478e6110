"""Requests == rows of the log == metrics == rows of the ledger, whatever clients, upstreams and workers do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from proxy.counters.limits import NANO
from proxy.ledger.ledger import read_spend
from proxy.ledger.spend import Question
from tests.support.books import numbers
from tests.support.limited import PATIENCE_S, Limited
from tests.support.serving import serving

EXCHANGES = int(os.environ.get("PENSTOCK_TEST_EXCHANGES", "500"))
FILE = """\
workers: 2
upstreams: {e: {kind: echo}}
models: {limited: [e/echo], faulty: [e/echo]}
prices: {e/echo: {input: 10, output: 30}}
admin: {key: the-admin-key}
stores: {responses: {kind: none}, ledger: {path: ledger.db}}
pipeline:
  - rate-limit: {per: model, tokens: 1000000000, window: 1h}
  - budget: {per: model, usd: 1000}
  - route: {retries: 0}
  - stream-translate
  - log: {to: ./log.jsonl}
  - metrics
"""
HEADERS = {"authorization": "Bearer the-admin-key"}


class Books:
    """What the log, the metrics and the ledger of a server say."""

    def __init__(self, limited: Limited, directory: Path) -> None:
        self._limited = limited
        self._directory = directory

    async def metrics(self) -> dict[str, float]:
        url = self._limited.urls[0].removesuffix("/v1") + "/metrics"
        async with self._limited.session.get(url, headers=HEADERS) as response:
            assert response.status == 200
            return numbers(await response.read())

    def log(self) -> Counter[str]:
        sums: Counter[str] = Counter()
        for line in (self._directory / "log.jsonl").read_text().splitlines():
            row = json.loads(line)
            sums["requests"] += 1
            sums[row["outcome"]] += 1
            sums["nano"] += round((row["cost"] or 0) * NANO)
            for one in row["attempts"]:
                sums["tokens"] += one["usage"]["input"] + one["usage"]["output"] if one["usage"] else 0
        return sums

    async def told(self) -> Counter[str]:
        sums: Counter[str] = Counter()
        for name, value in (await self.metrics()).items():
            if name.startswith("penstock_requests_total"):
                sums["requests"] += round(value)
                sums[name.partition('outcome="')[2].partition('"')[0]] += round(value)
            elif name.startswith("penstock_cost_dollars_total"):
                sums["nano"] += round(value * NANO)
            elif name.startswith("penstock_tokens_total") and ("input" in name or "output" in name):
                sums["tokens"] += round(value)
        return sums

    def ledger(self) -> Counter[str]:
        every = read_spend(self._directory / "ledger.db", Question(by=()))
        return Counter(
            {"requests": every[0].requests, "nano": every[0].nano_dollars, "tokens": every[0].input + every[0].output}
            if every
            else {}
        )

    async def agree(self) -> Counter[str]:
        """Waits until all say the same; returns what that is."""
        sums: dict[str, Any] = {}

        async def same() -> bool:
            sums.update(log=self.log(), metrics=await self.told(), ledger=self.ledger())
            log, ledger = sums["log"], sums["ledger"]
            counted = {name: log[name] for name in ("requests", "nano", "tokens")}
            return bool(sums["log"] == sums["metrics"] and counted == {name: ledger[name] for name in counted})

        await until(same, sums)
        return self.log()


async def until(holds: Callable[[], Any], said: object = None) -> None:
    """Waits until something holds; fails with what was said last."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not await holds():
        assert asyncio.get_running_loop().time() < deadline, said
        await asyncio.sleep(0.1)


async def test_all_books_agree_after_mixed_exchanges_with_faults(tmp_path: Path) -> None:
    with serving(config=FILE, directory=tmp_path) as served:
        limited = Limited([served.url], [tmp_path / "log.jsonl"])
        async with limited.session:
            for _ in range(EXCHANGES // 250):
                await limited.faults(200)
                await limited.burst(50, 25)
                for stream in await limited.stalled(2):
                    stream.close()
            books = Books(limited, tmp_path)
            sums = await books.agree()
            open_now = await books.metrics()
            assert (open_now["penstock_open_requests"], open_now["penstock_open_streams"]) == (0, 0)
            assert sums["requests"] >= EXCHANGES * 0.65  # who leaves at once may never have been seen
            assert min(sums[one] for one in ("completed", "failed", "cancelled")) > 0
            spent = read_spend(tmp_path / "ledger.db", Question(by=("model",)))
            rows: list[Any] = []

            async def limits_agree() -> bool:  # to the token and the nano-dollar, with nothing held
                rows[:] = await limited.shown()
                used = {(row["counter"].partition("model=")[2], row["unit"]): row["used"] for row in rows}
                kept = {(one.names["model"], "usd"): one.cost for one in spent}
                kept |= {(one.names["model"], "tokens"): one.input + one.output for one in spent}
                return used == kept and not any(row["held"] for row in rows)

            await until(limits_agree, rows)


async def test_a_killed_worker_takes_back_nothing_that_was_counted_or_written(tmp_path: Path) -> None:
    with serving(config=FILE, directory=tmp_path) as served:
        limited = Limited([served.url], [tmp_path / "log.jsonl"])
        async with limited.session:
            books = Books(limited, tmp_path)
            await limited.burst(40, 10)
            before = await books.agree()
            assert before["requests"] == 40
            pid = served.process.pid
            workers = [int(one) for one in children(pid)]
            os.kill(workers[0], signal.SIGKILL)

            async def replaced() -> bool:
                now = [int(one) for one in children(pid)]
                return len(now) == 2 and workers[0] not in now

            await until(replaced)
            assert await books.told() == before
            done = 0

            async def answered() -> bool:  # a connection may still have been given to the one that died
                nonlocal done
                try:
                    done += (await limited.burst(1, 1))[200]
                except OSError:
                    return False
                return done >= 20

            await until(answered)
            assert (await books.agree())["requests"] == 40 + done


async def test_a_durable_ledger_loses_nothing_of_what_was_answered(tmp_path: Path) -> None:
    config = FILE.replace("workers: 2", "workers: 1").replace("{path: ledger.db}", "{path: ledger.db, durable: true}")
    with serving(config=config, directory=tmp_path) as served:
        limited = Limited([served.url], [tmp_path / "log.jsonl"])
        async with limited.session:
            assert await limited.burst(60, 6) == {200: 60}
            served.process.kill()
            served.process.wait(30)
    assert Books(limited, tmp_path).ledger()["requests"] == 60


def children(pid: int) -> list[str]:
    """Returns the processes that a process has started."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
