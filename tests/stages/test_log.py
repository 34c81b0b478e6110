"""One line an exchange, whatever became of it, and never a secret in it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from proxy.config.types import Secret
from proxy.errors import BadRequest, ConfigError, RateLimited, UpstreamCut
from proxy.events import UpstreamFailed, Usage
from proxy.exchange import Attempt, Client, Exchange, Key
from proxy.logs.chain import anchor_of, read_anchor
from proxy.logs.config import AuditConfig
from proxy.logs.verify import verify
from proxy.metrics.measure import Measured
from proxy.upstream.client import UpstreamRequest
from stages.log import Log, LogConfig
from tests.support.drive import asking, chatting, drive, exchange_of, texts

SECRETS = ["sk-planted0123456789", "hunter2-hunter2", "pw-of-the-proxy", "Zm9vOmJhcmJhemJhcg=="]


class Logged:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.stage = Log(LogConfig(to=path.name))
        self.stage.directory = path.parent

    async def lines(self) -> list[dict[str, Any]]:
        await self.stage.close()
        return [msgspec.json.decode(line) for line in self.path.read_bytes().splitlines()]


@pytest_asyncio.fixture
async def logged(tmp_path: Path) -> AsyncIterator[Logged]:
    result = Logged(tmp_path / "log.jsonl")
    await result.stage.start()
    yield result
    await result.stage.close()


def used(exchange: Exchange) -> Exchange:
    exchange.usage = Usage(10, 5, cached_tokens=4, reasoning_tokens=2, total_tokens=15)
    exchange.cost = Decimal("0.003250000000")
    exchange.attempts = [
        Attempt("a", "up-1", 0.0, 503, "overloaded"),
        Attempt("b", "up-2", 0.0, 200, usage=exchange.usage, cost=exchange.cost),
    ]
    exchange.timing.started, exchange.timing.wall = 100.0, 1_700_000_000.25
    exchange.timing.upstream_sent, exchange.timing.upstream_head = 100.001, 100.25
    exchange.timing.first_event, exchange.timing.ended = 100.3, 101.5
    return exchange


async def test_a_line_says_it_all(logged: Logged) -> None:
    exchange = used(exchange_of(asking(stream=True), headers={"user-agent": "codex/1"}, key=Key("ci", "research")))
    exchange.response_id = "resp_1"
    exchange.ignore("user")
    exchange.marks["guardrail"] = [{"rule": "r", "action": "masked", "where": "output"}]
    tokens = {"input": 10, "cached": 4, "output": 5, "reasoning": 2, "total": 15, "estimated": False}
    await drive(logged.stage, exchange, texts("hello"))
    assert await logged.lines() == [
        {
            "time": "2023-11-14T22:13:20.250Z",
            "id": "req_1",
            "response_id": "resp_1",
            "client": "10.0.0.1",
            "user_agent": "codex/1",
            "key": "ci",
            "owner": "research",
            "team": None,
            "user": None,
            "end_user": None,
            "dialect": "responses",
            "path": "/v1/responses",
            "model": "m",
            "stream": True,
            "upstream": None,
            "upstream_model": None,
            "attempts": [
                {"upstream": "a", "model": "up-1", "status": 503, "error": "overloaded", "usage": None, "cost": None},
                {"upstream": "b", "model": "up-2", "status": 200, "error": None, "usage": tokens, "cost": 0.00325},
            ],
            "status": 200,
            "outcome": "completed",
            "kept": None,
            "error": None,
            "usage": tokens,
            "cost": 0.00325,
            "cost_estimated": False,
            "timing_ms": {
                "upstream_sent": 1.0,
                "upstream_head": 250.0,
                "first_event": 300.0,
                "total": 1500.0,
                "own": 1.0,
            },
            "ignored": ["user"],
            "guardrail": [{"rule": "r", "action": "masked", "where": "output"}],
            "trace_id": None,
        }
    ]


async def test_every_end_has_its_line(logged: Logged) -> None:
    await drive(logged.stage, exchange_of(chatting("hi")), texts("hello"))
    await drive(logged.stage, exchange_of(), [UpstreamFailed(UpstreamCut("The upstream went away."))])
    unread = Exchange("req_9", Client("10.0.0.9", {}, path="/v1/responses?x=1"), None)
    unread.request = None  # type: ignore[assignment]
    for exchange, error, outcome in (
        (exchange_of(), RateLimited("Too much."), "rejected"),
        (exchange_of(asking(model=5, stream="yes")), BadRequest("No.", param="model"), "rejected"),
        (exchange_of(), None, "cancelled"),
        (unread, BadRequest("Not JSON.", code="invalid_json"), "rejected"),
    ):
        end = await logged.stage.on_request(exchange)
        exchange.error, exchange.outcome = error, outcome  # type: ignore[assignment]
        exchange.head_status = None if error is None else error.status
        await end.on_end(exchange)
    lines = await logged.lines()
    names = {tuple(line) for line in lines}
    assert len(names) == 1, "every line has the same names"
    told = [(line["outcome"], line["status"], line["error"] and line["error"]["code"]) for line in lines]
    assert told == [
        ("completed", 200, None),
        ("failed", 200, "server_error"),
        ("rejected", 429, "rate_limit_exceeded"),
        ("rejected", 400, None),
        ("cancelled", None, None),
        ("rejected", 400, "invalid_json"),
    ]
    assert lines[0]["dialect"] == "chat"
    assert (lines[3]["model"], lines[3]["stream"]) == (None, None)
    assert (lines[5]["model"], lines[5]["dialect"], lines[5]["path"]) == (None, None, "/v1/responses")


async def test_no_secret_is_ever_written(logged: Logged) -> None:
    key, bare, proxy, basic = SECRETS
    everywhere = f"{key} Bearer {bare} http://me:{proxy}@x/ Basic {basic}"
    headers = {
        "authorization": f"Bearer {bare}",
        "x-api-key": bare,
        "api-key": key,
        "user-agent": f"agent {everywhere} {bare}",
        "cookie": f"session={bare}",
        "x-other": everywhere,
    }
    exchange = used(
        exchange_of(asking(everywhere, model=f"m {everywhere}", metadata={"a": everywhere}), headers=headers)
    )
    exchange.client = Client("10.0.0.1", headers, path=f"/v1/{key}/{bare}?key={proxy}")
    exchange.id = exchange.response_id = f"id {everywhere}"
    exchange.key = Key(f"id {everywhere}", f"owner {everywhere}")
    exchange.attempts.append(Attempt(f"up {everywhere}", f"model {everywhere}", 0.0, 500, f"error {everywhere}"))
    exchange.ignored.append(everywhere)
    exchange.marks["guardrail"] = [{"rule": everywhere}]
    end = await logged.stage.on_request(exchange)
    exchange.error = BadRequest(everywhere, code=everywhere, param=everywhere)
    await end.on_end(exchange)
    await logged.stage.close()
    written = logged.path.read_text()
    assert len(written.splitlines()) == 1
    for secret in SECRETS:
        assert secret not in written
    assert not re.search(r"hunter2|planted", written)


async def test_a_request_that_cannot_be_read_has_its_line(logged: Logged) -> None:
    exchange = exchange_of(asking(model="m"))
    exchange.request.fields["stream"] = msgspec.Raw(b"1e999")
    await drive(logged.stage, exchange)
    (line,) = await logged.lines()
    assert line["stream"] is None


async def test_odd_texts_from_outside_are_no_trouble(logged: Logged) -> None:
    exchange = exchange_of(asking(model="m" * 100_000 + "\n"), headers={"user-agent": 'a"\n\udcff\x00\u2028é'})
    await drive(logged.stage, exchange)
    (line,) = await logged.lines()
    assert len(logged.path.read_bytes().splitlines()) == 1
    assert len(line["model"]) == 500
    assert line["user_agent"] == 'a"\n\\udcff\x00\u2028é'


async def test_standard_streams(capfd: pytest.CaptureFixture[str]) -> None:
    for to in ("stdout", "stderr"):
        stage = Log(LogConfig(to=to))
        await stage.start()
        await drive(stage, exchange_of(asking(model=to)))
        await stage.close()
    out, err = capfd.readouterr()
    assert [msgspec.json.decode(text)["model"] for text in (out, err)] == ["stdout", "stderr"]


async def test_a_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    stage = Log(LogConfig(to="absent/log.jsonl"))
    stage.directory = tmp_path
    with pytest.raises(ConfigError, match=r"absent/log.jsonl.*cannot be written there: no such file"):
        await stage.start()
    await stage.close()


async def test_content_is_what_the_client_got(tmp_path: Path) -> None:
    stage = Log(LogConfig(to="log", content="redacted"))
    stage.directory = tmp_path
    await stage.start()
    exchange = exchange_of(asking("my key: sk-planted0123456789"), headers={"authorization": "Bearer hunter2hunter2"})
    exchange.upstream_request = UpstreamRequest(method="POST", url="http://upstream/", headers={})
    driven = await drive(stage, exchange, texts("hunter2", "hunter2", " said"))
    assert driven.text == "hunter2hunter2 said"
    short = await stage.on_request(exchange)
    short.on_events(exchange, texts("by the ", "short "))
    assert short.on_text(exchange, "way")
    await short.on_end(exchange)
    await drive(stage, exchange_of(asking("refused")))
    await stage.close()
    first, short, second = (msgspec.json.decode(line) for line in (tmp_path / "log").read_bytes().splitlines())
    assert first["content"] == {
        "input": {"input": "my key: ***"},
        "output": [{"type": "message", "text": "*** said"}],
        "withheld": None,
    }
    assert short["content"]["output"] == [{"type": "message", "text": "by the short way"}]
    assert (second["content"]["input"], second["content"]["withheld"] is None) == (None, False)
    assert stage.lost == 0


async def test_a_sample_leaves_out_completed_ones_only(tmp_path: Path) -> None:
    stage = Log(LogConfig(to="log", sample=1e-12))
    stage.directory = tmp_path
    await stage.start()
    await drive(stage, exchange_of(), texts("hello"))
    await drive(stage, exchange_of(), [UpstreamFailed(UpstreamCut("The upstream went away."))])
    await stage.close()
    assert [msgspec.json.decode(line)["outcome"] for line in (tmp_path / "log").read_bytes().splitlines()] == ["failed"]


async def test_an_audit_is_one_chain(tmp_path: Path) -> None:
    config = LogConfig(to="log", audit=AuditConfig(key=Secret("planted-audit-key")), content="full")
    for _ in range(2):
        stage = Log(config)
        stage.directory = tmp_path
        await stage.start()
        await drive(stage, exchange_of(), texts("hello"))
        await stage.close()
    path = tmp_path / "log"
    verdict = verify([path], "planted-audit-key", read_anchor(anchor_of(path)))
    assert (verdict.broken, verdict.rows, verdict.notes) == (None, 2, [])


async def test_the_metrics_are_told_what_is_lost(tmp_path: Path) -> None:
    stage = Log(LogConfig(to="log"))
    assert list(stage.measures()) == []
    stage.directory = tmp_path
    await stage.start()
    await stage.close()
    told = {one.name: (one.value, one.labels) for one in stage.measures()}
    labels = {"stage": "log", "to": "log"}
    assert told == {"penstock_log_lost_rows_total": (0.0, labels), "penstock_log_waiting_bytes": (0.0, labels)}
    assert isinstance(stage, Measured)
