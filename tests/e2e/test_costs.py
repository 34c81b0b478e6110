"""What an exchange has cost, from the upstream's socket to the header and the line of the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from proxy.assembly import assemble
from proxy.config.loader import load_text
from proxy.exchange import Exchange
from proxy.pipeline import Settings
from proxy.pricing.book import PriceBook
from proxy.pricing.own import OwnPrice
from proxy.pricing.rates import rate_card
from proxy.providers.provider import Deployment
from proxy.stores.sqlite import SqliteStore
from stages.log import Log, LogConfig
from tests.support.hostile import HostileUpstream, Script, answering, chunked, fixed
from tests.support.house import House, house
from tests.support.scripted import ScriptedProvider, chunk, events_of, finish, stream

SSE = "content-type: text/event-stream\r\n"
JSON = "content-type: application/json\r\n"
USED = {
    "prompt_tokens": 2000,
    "completion_tokens": 500,
    "total_tokens": 2500,
    "prompt_tokens_details": {"cached_tokens": 800},
}
COST = 0.009  # 1200 * 2.5 + 800 * 1.25 + 500 * 10 millionths
BOTH = pytest.mark.parametrize("path", ["/responses", "/chat/completions"])


def usage(**fields: Any) -> bytes:
    """Returns the chunk that tells the usage."""
    return b"data: " + json.dumps({"choices": [], "usage": USED, **fields}).encode() + b"\n\n"


def streamed(*, tier: str | None = None) -> Script:
    parts = (chunk(role="assistant"), chunk(content="Hello"), finish().partition(b"data: [DONE]")[0])
    return answering(chunked(*parts, usage(service_tier=tier), b"data: [DONE]\n\n", headers=SSE))


def whole(*, told: dict[str, Any] = USED, **fields: Any) -> Script:
    message = {"role": "assistant", "content": "Hello"}
    answer = {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return answering(fixed(json.dumps({**answer, "usage": told, **fields}).encode(), headers=JSON))


class Costly:
    """A server, and the log of it."""

    def __init__(self, home: House, log: Log, path: Path) -> None:
        self.home = home
        self._log = log
        self._path = path

    async def line(self) -> tuple[Exchange, dict[str, Any]]:
        """Waits for the end of the exchange; returns it and its line."""
        exchange = await self.home.settled()
        await self._log.close()
        [line] = self._path.read_bytes().splitlines()
        return exchange, json.loads(line)


@asynccontextmanager
async def costly(
    tmp_path: Path, script: Script, *, kind: str = "openai", model: str = "gpt-4o", prices: str = ""
) -> AsyncIterator[Costly]:
    """Runs a server whose model `m` is served by one upstream of a kind."""
    async with HostileUpstream(script) as upstream:
        api = ", api: chat" if kind == "openai" else ""
        text = (
            f"upstreams:\n  u: {{kind: {kind}, base_url: {upstream.origin}/v1, api_key: k{api}}}\n"
            f"models: {{m: [u/{model}]}}\nstores: {{responses: {{kind: none}}}}\n"
            f"pipeline: [route, stream-translate]\n{prices}"
        )
        pipeline = assemble(load_text(text, "test"))
        log = Log(LogConfig(to="log.jsonl"))
        log.directory = tmp_path
        [provider] = pipeline.providers.values()
        models = {"m": [Deployment(provider, model)]}
        settings = Settings(prices=pipeline.prices)
        async with house(provider, stages=[log], models=models, settings=settings) as home:
            yield Costly(home, log, tmp_path / "log.jsonl")


@BOTH
async def test_an_answer_that_is_not_streamed_says_it_in_a_header(path: str, tmp_path: Path) -> None:
    async with costly(tmp_path, whole()) as one:
        status, headers, _ = await one.home.ask(path)
        exchange, line = await one.line()
    assert (status, headers["x-penstock-cost"]) == (200, "0.009")
    assert (line["cost"], line["cost_estimated"], line["usage"]["cached"]) == (COST, False, 800)
    assert str(exchange.cost) == "0.009000000000"


@BOTH
async def test_a_stream_says_it_in_the_log_alone(path: str, tmp_path: Path) -> None:
    async with costly(tmp_path, streamed()) as one:
        _, headers, body = await one.home.ask(path, stream=True)
        _, line = await one.line()
    assert b"[DONE]" in body
    assert "x-penstock-cost" not in headers
    assert (line["cost"], line["cost_estimated"]) == (COST, False)


@BOTH
@pytest.mark.parametrize("live", [False, True])
async def test_the_tier_that_was_served_counts_not_the_one_asked_for(path: str, live: bool, tmp_path: Path) -> None:
    script = streamed(tier="priority") if live else whole(service_tier="priority")
    async with costly(tmp_path, script) as one:
        await one.home.ask(path, stream=live, service_tier="flex")
        exchange, line = await one.line()
    assert exchange.service_tier == "priority"
    assert line["cost"] == 0.0153  # 1200 * 4.25 + 800 * 2.125 + 500 * 17


@BOTH
async def test_what_the_upstream_says_that_it_charges(path: str, tmp_path: Path) -> None:
    async with costly(tmp_path, whole(told={**USED, "cost": 7.159e-05})) as one:
        _, headers, _ = await one.home.ask(path)
        _, line = await one.line()
    assert headers["x-penstock-cost"] == "0.00007159"
    assert line["cost"] == 7.159e-05


async def test_prices_of_the_file_count_most(tmp_path: Path) -> None:
    prices = "prices:\n  m: {input: 1, output: 2, request: 0.001}\n"
    async with costly(tmp_path, whole(told={**USED, "cost": 9}), prices=prices) as one:
        _, headers, _ = await one.home.ask()
    assert headers["x-penstock-cost"] == "0.004"


async def test_a_model_that_nobody_knows_has_no_cost(tmp_path: Path) -> None:
    async with costly(tmp_path, whole(), model="gpt-of-my-own") as one:
        _, headers, _ = await one.home.ask()
        _, line = await one.line()
    assert "x-penstock-cost" not in headers
    assert (line["cost"], line["cost_estimated"], line["usage"]["total"]) == (None, None, 2500)


async def test_a_server_of_ones_own_costs_nothing(tmp_path: Path) -> None:
    async with costly(tmp_path, whole(), kind="openai-compatible") as one:
        _, headers, _ = await one.home.ask()
    assert headers["x-penstock-cost"] == "0"


async def test_what_was_refused_has_no_cost(tmp_path: Path) -> None:
    async with costly(tmp_path, answering(fixed(b'{"error": {"message": "no"}}', status=400, headers=JSON))) as one:
        status, headers, _ = await one.home.ask()
        _, line = await one.line()
    assert (status, line["cost"], line["outcome"]) == (400, None, "failed")
    assert "x-penstock-cost" not in headers


async def test_9_1_a_client_that_leaves_pays_for_what_was_said(tmp_path: Path) -> None:
    async def say_and_stay(peer: Any) -> None:
        await peer.request()
        await peer.send(chunked(chunk(content="x" * 400), headers=SSE, end=b""))
        await peer.gone.wait()

    async with costly(tmp_path, say_and_stay) as one:
        reader, writer = await one.home.connect(input="y" * 4000)
        async with asyncio.timeout(5):
            await reader.readuntil(b"x" * 400)
        writer.close()
        exchange, line = await one.line()
    assert line["outcome"] == "cancelled"
    assert line["cost_estimated"] is True
    assert exchange.usage is not None
    tokens = exchange.usage.input_tokens, exchange.usage.output_tokens
    assert tokens[0] > 1000
    assert tokens[1] == 100
    assert exchange.cost == Decimal(tokens[0] * 25 + tokens[1] * 100) / 10**7
    assert line["cost"] == float(exchange.cost)


async def test_9_5_an_answer_that_fails_after_its_usage_costs_what_it_says(tmp_path: Path) -> None:
    error = b'data: {"error": {"message": "broke"}}\n\n'
    script = answering(chunked(chunk(content="par"), usage(choices=[{"index": 0, "delta": {}}]), error, headers=SSE))
    async with costly(tmp_path, script) as one:
        await one.home.ask(stream=True)
        _, line = await one.line()
    assert (line["outcome"], line["cost"], line["cost_estimated"]) == ("failed", COST, False)


@BOTH
@pytest.mark.parametrize("stream", [False, True])
async def test_9_5_an_answer_that_is_cut_short_costs_what_it_says(path: str, stream: bool, tmp_path: Path) -> None:
    cut = {"index": 0, "delta" if stream else "message": {"content": "par"}, "finish_reason": "length"}
    answer = {"object": "chat.completion", "choices": [cut], "usage": {"prompt_tokens": 10, "completion_tokens": 1024}}
    body = json.dumps(answer).encode()
    script = answering(
        chunked(b"data: " + body + b"\n\ndata: [DONE]\n\n", headers=SSE) if stream else fixed(body, headers=JSON)
    )
    async with costly(tmp_path, script) as one:
        await one.home.ask(path, stream=stream)
        _, line = await one.line()
    assert (line["outcome"], line["usage"]["output"], line["cost"]) == ("incomplete", 1024, 0.010265)


@BOTH
@pytest.mark.parametrize(
    ("details", "cached"), [({"cached_tokens": 0}, 0), ({}, None), (None, None), ({"cached_tokens": 3}, 3)]
)
async def test_9_2_a_cache_that_was_missed_is_not_one_that_nobody_spoke_of(
    path: str, details: Any, cached: int | None, tmp_path: Path
) -> None:
    told = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": details}
    async with costly(tmp_path, whole(told=told)) as one:
        _, _, body = await one.home.ask(path)
        _, line = await one.line()
    assert line["usage"]["cached"] == cached
    if path == "/responses":
        assert json.loads(body)["usage"]["input_tokens_details"]["cached_tokens"] == (cached or 0)


@BOTH
@pytest.mark.parametrize("stream", [False, True])
async def test_9_4_what_was_read_from_a_cache_costs_less_however_it_is_told(
    path: str, stream: bool, tmp_path: Path
) -> None:
    told = {"prompt_tokens": 2459, "completion_tokens": 23, "prompt_tokens_details": {"cached_tokens": 2455}}
    prices = "prices: {m: {input: 0.8, output: 4, cache_read: 0.08}}\n"
    parts = (chunk(content="Hello"), finish().partition(b"data: [DONE]")[0], usage(usage=told), b"data: [DONE]\n\n")
    script = answering(chunked(*parts, headers=SSE)) if stream else whole(told=told)
    async with costly(tmp_path, script, prices=prices) as one:
        await one.home.ask(path, stream=stream)
        _, line = await one.line()
    assert line["cost"] == 0.0002916  # 4 * 0.8 + 2455 * 0.08 + 23 * 4


@BOTH
async def test_claude_with_its_cache(path: str, tmp_path: Path) -> None:
    script = answering(chunked(CLAUDE, headers=SSE))
    async with costly(tmp_path, script, kind="anthropic", model="claude-sonnet-4-5-20250929") as one:
        await one.home.ask(path, stream=True)
        exchange, line = await one.line()
    # 100*3 + 4000*.3 + 900*3.75 + 100*6 + 200*15 = 8475 millionths
    assert (line["cost"], line["cost_estimated"]) == (0.008475, False)
    assert exchange.service_tier in ("standard", "default")


CLAUDE = b"".join(
    b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), json.dumps(event).encode())
    for event in (
        {
            "type": "message_start",
            "message": {
                "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
                "content": [], "stop_reason": None, "stop_sequence": None,
                "usage": {
                    "input_tokens": 100, "cache_read_input_tokens": 4000, "cache_creation_input_tokens": 1000,
                    "cache_creation": {"ephemeral_5m_input_tokens": 900, "ephemeral_1h_input_tokens": 100},
                    "output_tokens": 1, "service_tier": "standard",
                },
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 200}},
        {"type": "message_stop"},
    )
)  # fmt: skip


async def test_a_kept_response_tells_its_cost_also_after_a_restart(tmp_path: Path) -> None:
    card = rate_card({"input": 2_500_000, "output": 10_000_000})
    settings = Settings(prices=PriceBook([OwnPrice("all", 1, card, ("*",))]))
    ids: list[str] = []
    for run in range(2):
        provider = ScriptedProvider("u", stream(chunk(content="Hello"), usage(), finish()))
        async with house(provider, store=SqliteStore(tmp_path / "kept.db"), settings=settings) as home:
            if run == 0:
                for background in (False, True):
                    _, _, data = await home.ask(stream=True, background=background)
                    ids.append(events_of(data)[0][1]["response"]["id"])
                await home.settled(2)
            for id in ids:
                async with home.session.get(f"{home.url}/responses/{id}") as answer:
                    assert (answer.status, answer.headers["x-penstock-cost"]) == (200, "0.01")
