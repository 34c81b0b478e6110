"""What users of other gateways report of their logs: rows that are missing, and secrets in them.

12.1 is in tests/logs/test_s3.py. Sources: litellm#32019 (12.2), litellm#39964, litellm#39293, litellm#35678 (12.3).
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.config.loader import load_text
from proxy.config.types import Duration, Secret
from proxy.logs.chain import anchor_of, read_anchor
from proxy.logs.config import AuditConfig, DeliveryConfig, S3Config
from proxy.logs.verify import verify
from proxy.providers.openai_compatible.provider import OpenAICompatible
from proxy.providers.provider import Deployment
from stages.log import Log, LogConfig
from stages.route import Route, RouteConfig
from tests.support.faulty import faulty_upstream, mixed
from tests.support.house import house
from tests.support.s3 import ACCESS_KEY, REGION, SECRET_KEY, s3_server
from tests.support.serving import serving

COUNT = int(os.environ.get("PENSTOCK_MIXED", "110"))


def logs(directory: Path, bucket: str, url: str) -> list[Log]:
    keys = {"access_key_id": Secret(ACCESS_KEY), "secret_access_key": Secret(SECRET_KEY)}
    made = [
        Log(LogConfig(to="log", audit=AuditConfig())),
        Log(
            LogConfig(
                to=f"s3://{bucket}/rows",
                content="redacted",
                s3=S3Config(region=REGION, endpoint_url=url, **keys),
                delivery=DeliveryConfig(rows=30, every=Duration(0.05), flush=Duration(30)),
            )
        ),
    ]
    for log in made:
        log.directory = directory
    return made


async def test_12_2_requests_are_rows_are_objects(tmp_path: Path) -> None:
    with s3_server() as s3:
        bucket = s3.bucket()
        stages = logs(tmp_path, bucket, s3.url)
        async with faulty_upstream() as upstream:
            text = f"upstreams: {{u: {{kind: openai-compatible, base_url: '{upstream}'}}}}\n"
            entry = load_text(f"{text}models: {{m: [u/m]}}\npipeline: [route]\n", "test").upstreams["u"]
            provider = OpenAICompatible("u", entry.config)  # type: ignore[arg-type]
            models = {name: [Deployment(provider, name)] for name in ("ok", "refuses", "cuts", "stalls")}
            route = Route(RouteConfig(retries=0))
            async with house(provider, stages=stages, models=models, route=route) as home:
                await mixed(home, COUNT)
                async with asyncio.timeout(60):
                    while len(home.watcher.ended) < COUNT:
                        await asyncio.sleep(0.01)
                ended = home.watcher.ended
        wanted = Counter(exchange.id for exchange in ended)
        assert wanted.total() == len(wanted) == home.watcher.began == COUNT
        path = tmp_path / "log"
        rows = [msgspec.json.decode(line) for line in await asyncio.to_thread(lambda: path.read_bytes().splitlines())]
        objects = await asyncio.to_thread(s3.objects, bucket)
        there = [msgspec.json.decode(line) for body in objects.values() for line in body.splitlines()]
    assert [log.lost for log in stages] == [0, 0]
    assert Counter(row["id"] for row in rows) == wanted
    assert Counter(row["id"] for row in there) == wanted
    outcomes = Counter(row["outcome"] for row in rows)
    assert outcomes == Counter(exchange.outcome for exchange in ended)
    assert set(outcomes) == {"completed", "failed", "cancelled", "rejected"}
    assert {row["dialect"] for row in rows} == {"responses", "chat", "raw", None}
    told = [row["content"]["output"] for row in there if row["outcome"] == "cancelled"]
    assert told == [[{"type": "message", "text": "word word word "}]] * outcomes["cancelled"]
    verdict = verify([path], None, read_anchor(anchor_of(path)))
    assert (verdict.broken, verdict.rows) == (None, COUNT)


CLIENT, OTHER, UPSTREAM, ADMIN = (
    f"planted-{who}-0123456789abcdef" for who in ("client-key", "unknown-key", "upstream-key", "admin-key")
)
COLLECTOR, AUDIT, SHAPED = (
    "planted-collector-key-0123456789",
    "planted-audit-key-0123456789",
    "sk-planted0123456789abcd",
)

SERVER = """\
admin: {{key: env:ADMIN_KEY}}
upstreams:
  u: {{kind: openai-compatible, base_url: '{upstream}', api_key: env:UPSTREAM_KEY}}
models: {{ok: [u/ok], refuses: [u/refuses], cuts: [u/cuts]}}
pipeline:
  - trace: {{to: '{collector}', headers: {{authorization: env:COLLECTOR_KEY}}, delivery: {{spill: null}}}}
  - log: {{to: log, content: redacted, audit: {{key: env:AUDIT_KEY}}}}
  - auth: {{keys: [{{id: ci, key: env:CLIENT_KEY}}]}}
  - rate-limit: {{requests_per_minute: 1000}}
  - planted:Breaks
  - route: {{retries: 0}}
  - stream-translate
"""
BREAKS = """\
from proxy.stage import Stage

class Breaks(Stage):
    name = "breaks"

    async def on_request(self, exchange):
        if "x-break" in exchange.client.headers:
            raise RuntimeError(f"cannot use {exchange.client.headers} with UPSTREAM and ADMIN")
"""


async def ask_in_every_way(url: str, session: aiohttp.ClientSession) -> list[str]:
    """Sends requests with keys in every place; returns what came back."""
    body: dict[str, Any] = {"input": f"my key is {SHAPED}", "metadata": {"token": SHAPED}, "user": SHAPED}
    answers = []
    for model in ("ok", "refuses", "cuts", SHAPED):
        for stream in (False, True):
            for key, more in ((CLIENT, {}), (CLIENT, {"x-break": SHAPED}), (OTHER, {"user-agent": f"agent {OTHER}"})):
                headers = {"authorization": f"Bearer {key}", "x-api-key": key, **more}
                path = f"{url}/responses?key={key}&token={SHAPED}"
                fields = {"model": model, "stream": stream, **body}
                async with session.post(path, json=fields, headers=headers) as response:
                    answers.append(await response.text())
    root = url.removesuffix("/v1")
    for path in ("/admin/limits", "/admin/keys", f"/v1/models?key={CLIENT}", "/health", "/metrics"):
        for key in (ADMIN, OTHER):
            async with session.get(root + path, headers={"authorization": f"Bearer {key}"}) as response:
                answers.append(await response.text())
    return answers


async def test_12_3_no_planted_key_is_in_any_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    traces: list[bytes] = []

    async def collect(request: web.Request) -> web.Response:
        traces.append(await request.read())
        return web.Response()

    application = web.Application()
    application.router.add_post("/v1/traces", collect)
    collector = TestServer(application)
    await collector.start_server()
    breaks = BREAKS.replace("UPSTREAM", UPSTREAM).replace("ADMIN", ADMIN)
    await asyncio.to_thread((tmp_path / "planted.py").write_text, breaks)
    env = {"ADMIN_KEY": ADMIN, "UPSTREAM_KEY": UPSTREAM, "CLIENT_KEY": CLIENT}
    env |= {"COLLECTOR_KEY": COLLECTOR, "AUDIT_KEY": AUDIT}
    async with faulty_upstream() as upstream, aiohttp.ClientSession() as session:
        config = SERVER.format(upstream=upstream, collector=collector.make_url("/v1/traces"))
        running = serving(config=config, directory=tmp_path, env=env)
        served = await asyncio.to_thread(running.__enter__)
        try:
            answers = await ask_in_every_way(served.url, session)
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)
    await collector.close()
    out, err = capfd.readouterr()
    written = await asyncio.to_thread((tmp_path / "log").read_text)
    assert len(written.splitlines()) == 24
    assert "RuntimeError: cannot use" in err, "the trap was not sprung"
    assert any("Incorrect key: " in answer for answer in answers)
    assert b"gen_ai.request.model" in b"".join(traces)
    secrets = (CLIENT, OTHER, UPSTREAM, ADMIN, COLLECTOR, AUDIT, SHAPED)
    outputs = {"log": written, "said": out + "".join(served.said), "messages": err, "traces": repr(traces)}
    for name, text in outputs.items():
        assert [secret for secret in secrets if secret in text] == [], name
    for answer in answers:  # clients may read what they have sent themselves
        assert [secret for secret in (UPSTREAM, ADMIN, COLLECTOR, AUDIT) if secret in answer] == []


GUARD = """\
upstreams: {echo: {kind: echo}}
models: {echo: [echo/echo]}
pipeline:
  - log: {to: log, content: full}
  - guardrail:
      rules:
        - {name: birds, words: [bluebird], action: mask}
        - {name: foxes, words: [redfox], action: block}
        - {name: owls, words: [nightowl], scan: [output], action: block}
  - route
  - stream-translate
"""


async def test_logged_copies_are_as_guardrails_have_left_them(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        running = serving(config=GUARD, directory=tmp_path)
        served = await asyncio.to_thread(running.__enter__)
        try:
            for text in ("see the bluebird fly", "bluebird and redfox", "here comes a nightowl, it says"):
                for stream in (True, False):
                    fields = {"model": "echo", "input": text, "stream": stream}
                    async with session.post(f"{served.url}/responses", json=fields) as response:
                        await response.read()
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)
    written = await asyncio.to_thread((tmp_path / "log").read_text)
    rows = [msgspec.json.decode(line) for line in written.splitlines()]
    contents = [row["content"] for row in rows]
    for told in contents[:2]:
        assert [item["content"] for item in told["input"]["input"]] == ["see the [birds] fly"]
        assert "see the [birds] fly" in told["output"][0]["text"]
    for told in contents[2:4]:
        assert (told["input"], told["output"]) == (None, [])
    for told in contents[4:]:
        assert [item["content"] for item in told["input"]["input"]] == ["here comes a nightowl, it says"]
        assert "nightowl" not in msgspec.json.encode(told["output"]).decode()
    assert "bluebird" not in written
    assert "redfox" not in written
