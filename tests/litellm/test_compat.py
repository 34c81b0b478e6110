"""LiteLLM's headers, with and without the switch, by the real server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.assembly import assemble
from proxy.config.loader import load_text
from proxy.config.types import Sources
from proxy.errors import ExchangeError, Overloaded
from proxy.exchange import Exchange
from proxy.litellm.compat import AskedPlan, Headers, adopt
from proxy.providers.provider import Deployment, Plan, TimeoutChanges
from proxy.server.compat import Compat
from proxy.stage import Head
from stages.auth import Auth
from tests.support.drive import exchange_of
from tests.support.hostile import HostileUpstream, Peer, closing, fixed
from tests.support.house import House, house
from tests.support.talking import JSON, Talks

BUSY = fixed(b'{"error": {"message": "busy"}}', status=503, headers=JSON)


@asynccontextmanager
async def serving(upstream: HostileUpstream, *, compat: bool, key: str | None = None) -> AsyncIterator[House]:
    """Runs a server in front of one chat server, with the switch or without."""
    text = f"upstreams: {{u: {{kind: openai-compatible, base_url: {upstream.origin}}}}}\nmodels: {{m: [u/up]}}\n"
    keys = "auth: {keys: [{id: k, key: sk-1}]}"
    config = load_text(text + f"pipeline: [{keys}, route: {{retries: 2}}, stream-translate]\n", "test")
    entry = config.upstreams["u"]
    stages = [Auth(config.pipeline[0].config)] if key is not None else []  # type: ignore[arg-type]
    async with house(entry.provider("u", entry.config), stages=stages) as home:
        if compat:
            home.app.answer_as(Compat())
            adopt(home.pipeline)
        yield home


async def ask(home: House, headers: Mapping[str, str] = {}, **fields: Any) -> tuple[int, dict[str, str], Any]:
    body = {"model": "m", "input": "hi", **fields}
    async with home.session.post(home.url + "/responses", json=body, headers=headers) as response:
        found = {name.lower(): value for name, value in response.headers.items()}
        data = await response.read()
        return response.status, found, json.loads(data) if not fields.get("stream") else data


async def test_headers_and_fields_are_there_with_the_switch_only() -> None:
    async with Talks({"content": "Hello."}) as up, serving(up, compat=True) as home:
        status, headers, answer = await ask(home, {"x-litellm-call-id": "call-7", "x-litellm-end-user-id": "ann"})
        assert (status, answer["choices"][0]["message"]["content"], answer["output"][0]["type"]) == (
            200,
            "Hello.",
            "message",
        )
        assert answer["created"] == answer["created_at"]
        told = {name.removeprefix("x-litellm-"): value for name, value in headers.items() if "litellm" in name}
        assert float(told.pop("response-duration-ms")) >= float(told.pop("overhead-duration-ms")) >= 0
        assert told.pop("version").startswith("penstock-")
        assert told == {
            "call-id": "call-7",
            "model-group": "m",
            "model-id": "u/up",
            "model-api-base": up.origin,
            "attempted-retries": "0",
            "attempted-fallbacks": "0",
        }
        assert home.watcher.ended[-1].request.get("user") == "ann"
        status, headers, data = await ask(home, stream=True)
        assert headers["x-litellm-model-id"] == "u/up"
        assert b'"choices"' not in data
        status, headers, answer = await ask(home, model="none")
        assert (status, answer["error"]["code"], answer["error"]["openai_code"]) == (400, 400, "model_not_found")
        assert headers["x-litellm-model-group"] == "none"
        async with home.session.get(home.url.removesuffix("/v1") + "/health/liveliness") as probe:
            assert probe.status == 200
    async with Talks({"content": "Hello."}) as up, serving(up, compat=False) as home:
        status, headers, answer = await ask(home)
        assert status == 200
        assert not [name for name in headers if "litellm" in name]
        assert not {"choices", "created"} & set(answer)
        assert (await ask(home, model="none"))[2]["error"]["code"] == "model_not_found"
        async with home.session.get(home.url.removesuffix("/v1") + "/health/liveliness") as probe:
            assert probe.status == 404


async def test_a_key_may_come_in_a_header_of_its_own() -> None:
    async with Talks({"content": "Hello."}) as up, serving(up, compat=True, key="sk-1") as home:
        assert (await ask(home, {"x-litellm-api-key": "Bearer sk-1"}))[0] == 200
        assert (await ask(home, {"x-litellm-api-key": "sk-2"}))[0] == 401
        assert (await ask(home, {"x-litellm-api-key": "sk-1", "authorization": "Bearer sk-2"}))[0] == 401


async def test_retries_and_timeouts_are_the_clients() -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.gone.wait()

    async with HostileUpstream(closing(BUSY)) as up, serving(up, compat=True) as home:
        status, _, answer = await ask(home, {"x-litellm-num-retries": "0"})
        assert (status, answer["error"]["code"]) == (503, 503)
        assert len(home.watcher.ended[-1].attempts) == 1
        for name in ("x-litellm-timeout", "x-litellm-num-retries"):
            assert (await ask(home, {name: "soon"}))[0] == 400
    async with HostileUpstream(silent) as up, serving(up, compat=True) as home:
        status, _, answer = await ask(home, {"x-litellm-timeout": "0.05", "x-litellm-num-retries": "0"})
        assert (status, answer["error"]["openai_code"]) == (504, "timeout")


class Fixed(Plan):
    def __init__(self, deployment: Deployment) -> None:
        self.hedge_after_s = None
        self.mirror = None
        self.deployment = deployment
        self.told: list[str] = []

    async def next(self, failed: ExchangeError | None) -> Deployment | None:
        return self.deployment

    def hedge(self) -> Deployment | None:
        return self.deployment

    def settle(self, exchange: Exchange) -> None:
        self.told.append("settled")

    def hedge_ended(self, failed: ExchangeError | None) -> None:
        self.told.append("ended")

    def hedge_takes_over(self, failed: ExchangeError | None) -> None:
        self.told.append("taken over")


async def test_a_plan_is_asked_as_often_as_allowed_and_told_everything() -> None:
    plan = Fixed(Deployment(None, "m", 1.0, TimeoutChanges(connect=2.0, total=9.0)))  # type: ignore[arg-type]
    asked = AskedPlan(plan, TimeoutChanges(total=3.0), 1)  # type: ignore[arg-type]
    found = [
        await asked.next(None),
        await asked.next(Overloaded("x")),
        await asked.next(Overloaded("x")),
        asked.hedge(),
    ]
    timeouts = TimeoutChanges(connect=2.0, total=3.0)  # type: ignore[arg-type]
    assert [one and one.timeouts for one in found] == [timeouts, timeouts, None, timeouts]
    asked.hedge_ended(None)
    asked.hedge_takes_over(None)
    asked.settle(exchange_of())
    assert plan.told == ["ended", "taken over", "settled"]


async def test_what_it_has_cost_is_told_where_it_is_known() -> None:
    exchange = exchange_of()
    exchange.cost = Decimal("0.0000120")
    exchange.deployment = Deployment(SimpleNamespace(name="u", config=None), "m")  # type: ignore[arg-type]
    told = await Headers().on_request(exchange)
    head = Head(200, exchange.response_headers)
    await told.on_head(exchange, head)
    assert head.headers["x-litellm-response-cost"] == "0.000012"
    assert "x-litellm-model-api-base" not in head.headers
    assert head.headers["x-litellm-attempted-fallbacks"] == "1"


@pytest.mark.parametrize("compat", ["", "compat: litellm\n"])
def test_the_switch_in_the_file(compat: str, tmp_path: Path) -> None:
    text = (
        compat
        + "upstreams: {e: {kind: echo}}\nmodels: {m: [e/m]}\npipeline: [route]\nstores: {responses: {kind: memory}}\n"
    )
    pipeline = assemble(load_text(text, str(tmp_path / "p.yaml"), sources=Sources({}, tmp_path)))
    assert [stage.name for stage in pipeline.stages] == ["route"]
    assert [stage.name for stage in pipeline.above] == (["litellm-headers", "litellm-route"] if compat else ["route"])
