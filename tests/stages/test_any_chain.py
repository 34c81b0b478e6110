"""The stages together, in a running server: what a client sees, and what is settled behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy.registry import installed_stages
from proxy.stage import Stage
from proxy.upstream.client import UpstreamRequest
from tests.support.grammar import check_stream
from tests.support.house import House, house
from tests.support.scripted import ScriptedProvider, Step, body, chunk, events_of, finish, stream

KINDS = installed_stages()
WORDS = {"rules": [{"name": "birds", "words": ["bluebird"]}]}
MASK = {"rules": [{"name": "birds", "words": ["bluebird"], "action": "mask"}]}
SPLIT: list[Step] = [chunk(content=piece) for piece in ("I saw a b", "lue", "bird", " here")] + [finish(), None]
KEYS = {
    "keys": [{"id": "ci", "hash": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}]
}  # "test"
WHOLE = json.dumps(
    {
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "a bluebird!"}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    }
).encode()


def stage(name: str, **config: Any) -> Stage:
    """Returns a stage with a config."""
    return KINDS[name](msgspec.convert(config, KINDS[name].Config))


class Chain:
    """A running server with a log beside it."""

    def __init__(self, home: House, log: Path) -> None:
        self.home = home
        self._log = log

    async def lines(self, count: int) -> list[dict[str, Any]]:
        """Returns the lines of the log once there are so many."""
        async with asyncio.timeout(5):
            while len(found := self._log.read_bytes().splitlines()) < count:
                await asyncio.sleep(0.005)
        return [json.loads(line) for line in found]


Run = Callable[..., AbstractAsyncContextManager[Chain]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    @asynccontextmanager
    async def running(
        provider: ScriptedProvider, *stages: Stage, below: tuple[Stage, ...] = ()
    ) -> AsyncIterator[Chain]:
        log = stage("log", to="log.jsonl")
        log.directory = tmp_path
        async with house(provider, stages=[*stages, log], below=below) as home:
            yield Chain(home, tmp_path / "log.jsonl")

    return running


async def test_a_banned_word_ends_a_stream_as_incomplete(run: Run) -> None:
    provider = ScriptedProvider("up", stream(*SPLIT))
    async with run(provider, stage("guardrail", **WORDS)) as chain:
        _, _, data = await chain.home.ask(stream=True)
        [line] = await chain.lines(1)
    checked = check_stream(data)
    assert checked.types[-1] == "incomplete"
    assert checked.response["incomplete_details"] == {"reason": "content_filter"}
    assert checked.text == "I saw a "
    assert checked.output[0]["status"] == "incomplete"
    assert (line["outcome"], line["guardrail"][0]["rule"]) == ("incomplete", "birds")
    assert provider.client.responses[0].closed.is_set() or provider.client.responses[0].released


async def test_a_chat_stream_is_searched_too(run: Run) -> None:
    async with run(ScriptedProvider("up", stream(*SPLIT)), stage("guardrail", **WORDS)) as chain:
        _, _, data = await chain.home.ask("/chat/completions", stream=True)
    chunks = [event for _, event in events_of(data)]
    assert chunks.pop() == "[DONE]"
    choices = [choice for one in chunks for choice in one["choices"]]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == "I saw a "
    assert choices[-1]["finish_reason"] == "content_filter"


async def test_a_mask_changes_whole_answers_as_it_does_streams(run: Run) -> None:
    pieces = stream(chunk(content="a blue"), chunk(content="bird!"), finish(), None)
    for script, streamed in ((body(WHOLE), False), (pieces, True)):
        async with run(ScriptedProvider("up", script), stage("guardrail", **MASK)) as chain:
            _, _, data = await chain.home.ask(stream=streamed)
        response = check_stream(data).response if streamed else json.loads(data)
        assert response["status"] == "completed"
        assert response["output"][0]["content"][0]["text"] == "a [birds]!"
    async with run(ScriptedProvider("up", body(WHOLE)), stage("guardrail", **WORDS)) as chain:
        _, _, data = await chain.home.ask("/chat/completions")
    choice = json.loads(data)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("a ", "content_filter")


async def test_who_comes_in_is_counted_and_written_down(run: Run) -> None:
    provider = ScriptedProvider("up", body(WHOLE))
    chain_of = (stage("auth", **KEYS), stage("rate-limit", requests=2), stage("guardrail", **WORDS))
    async with run(provider, *chain_of) as chain:
        home = chain.home
        status, headers, data = await home.ask()
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert json.loads(data)["error"]["code"] == "invalid_api_key"
        home.session.headers["authorization"] = "Bearer test"
        status, _, data = await home.ask(input="a Bluebird")
        assert (status, json.loads(data)["error"]["type"]) == (400, "content_filter_error")
        status, headers, data = await home.ask()
        assert (status, headers["x-ratelimit-remaining-requests"]) == (200, "0")
        assert json.loads(data)["incomplete_details"] == {"reason": "content_filter"}
        status, headers, _ = await home.ask()
        assert (status, headers["x-ratelimit-limit-requests"]) == (429, "2")
        assert 1 <= int(headers["retry-after"]) <= 62
        async with home.session.post(
            home.url + "/responses", data=b"{", headers={"content-type": "application/json"}
        ) as no:
            assert no.status == 400
        lines = await chain.lines(5)
    assert [(line["status"], line["outcome"], line["key"]) for line in lines] == [
        (401, "rejected", None),
        (400, "rejected", "ci"),
        (200, "incomplete", "ci"),
        (429, "rejected", "ci"),
        (400, "rejected", None),
    ]
    assert lines[1]["guardrail"] == [{"rule": "birds", "action": "blocked", "where": "input"}]
    assert len(provider.client.requests) == 1
    assert "Bearer test" not in json.dumps(lines)


async def test_a_client_that_leaves_gives_its_slot_back(run: Run) -> None:
    provider = ScriptedProvider("up", stream(chunk(content="Hel"), asyncio.Event()))
    async with run(provider, stage("rate-limit", parallel=1)) as chain:
        home = chain.home
        for number in (1, 2, 3):
            reader, writer = await home.connect()
            async with asyncio.timeout(5):
                await reader.readuntil(b'"delta":"Hel"')
                assert (await home.ask())[0] == 429
                writer.close()
                await home.settled(2 * number)
        lines = await chain.lines(6)
    assert sorted(line["outcome"] for line in lines) == ["cancelled"] * 3 + ["rejected"] * 3


async def test_transforms_reach_the_upstream(run: Run) -> None:
    class Echoing(ScriptedProvider):
        def build(self, exchange: Any, model: str) -> UpstreamRequest:
            made = msgspec.json.encode({name: exchange.request.get(name) for name in exchange.request.fields})
            return UpstreamRequest(method="POST", url="http://up/", headers={"user-agent": "p"}, body=made)

    provider = Echoing("up", body(WHOLE))
    above = stage("transform", default={"temperature": 0.5}, headers={"set": {"X-Team": "a"}, "drop": ["user-agent"]})
    below = stage("transform", when={"upstream": "u*"}, set={"seed": 7}, response_headers={"set": {"x-by": "b"}})
    async with run(provider, above, below=(below,)) as chain:
        status, headers, _ = await chain.home.ask()
    [sent] = provider.client.requests
    assert (status, headers["x-by"]) == (200, "b")
    assert sent.headers == {"x-team": "a"}
    assert json.loads(sent.body) == {"model": "m", "input": "hi", "temperature": 0.5, "seed": 7}
