"""One test for each failure reported from the field that concerns guardrails.

The numbers are those of the review list `field-failures.md`.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy.stores.memory import MemoryStore
from stages.log import Log
from tests.support.grammar import check_stream
from tests.support.guarding import guard
from tests.support.hostile import fixed
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, chunk, events_of, finish, stream
from tests.support.webhook import FakeWebhook, bad_if

PIECES = ("I saw a b", "lue", "bird", " over there")
SPLIT = [*(chunk(content=piece) for piece in PIECES), finish(), None]


def asked_of(webhook: FakeWebhook, **fields: Any) -> dict[str, Any]:
    """Returns a rule that asks a webhook about answers."""
    return {"match": "http", "url": webhook.url, "scan": ["output"], "window": 12, **fields}


@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
async def test_10_1_output_checks_see_streams_of_every_dialect(path: str) -> None:
    async with FakeWebhook(bad_if("bluebird")) as webhook:
        stage = await guard(asked_of(webhook))
        async with house(ScriptedProvider("a", stream(*SPLIT)), stages=[stage]) as home:
            status, _, data = await home.ask(path, stream=True)
            exchange = await home.settled()
    assert status == 200
    assert b"bird" not in data
    assert exchange.outcome == "incomplete"
    (mark,) = exchange.marks["guardrail"]
    assert mark == {"rule": "rule 0", "action": "blocked", "where": "output", "reason": "says bluebird"}


@pytest.mark.parametrize(
    "answer", [fixed(b"boom", status=500), fixed(b"<html>"), fixed(b'{"action":"maybe"}'), b"HTTP/1.1", None]
)
@pytest.mark.parametrize("on_error", ["block", "allow"])
async def test_10_1_a_check_that_did_not_run_is_logged_as_not_run(answer: bytes | None, on_error: str) -> None:
    async with FakeWebhook(lambda _: answer) as webhook:
        stage = await guard(asked_of(webhook, on_error=on_error, timeout="200ms"))
        async with house(ScriptedProvider("a", stream(*SPLIT)), stages=[stage]) as home:
            _, _, data = await home.ask(stream=True)
            exchange = await home.settled()
    did = [(mark["action"], mark.get("reason")) for mark in exchange.marks["guardrail"]]
    assert did[0] == ("not_run", "error" if answer is not None else "timeout")
    if on_error == "allow":
        assert (check_stream(data).text, exchange.outcome) == ("".join(PIECES), "completed")
    else:
        assert did[1:] == [("blocked", "not checked")]
        assert (check_stream(data).text, exchange.outcome) == ("", "incomplete")


async def test_10_2_a_stream_with_an_output_check_is_an_ordinary_stream() -> None:
    async with FakeWebhook(lambda _: {"action": "allow"}) as webhook:
        stage = await guard(asked_of(webhook, scan=["output", "reasoning", "arguments"]))
        call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
        steps = stream(chunk(reasoning_content="hm"), *SPLIT[:-2], chunk(tool_calls=[call]), finish("tool_calls"), None)
        async with house(ScriptedProvider("a", steps), stages=[stage]) as home:
            tools = [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}]
            status, _, data = await home.ask(stream=True, tools=tools)
            checked = check_stream(data)
    assert (status, checked.text, checked.calls) == (200, "".join(PIECES), [("f", '{"a":1}')])
    assert checked.response["status"] == "completed"


@pytest.mark.parametrize("local", [True, False])
async def test_10_3_a_block_after_a_part_went_out_closes_what_is_open_and_keeps_what_was_shown(local: bool) -> None:
    async with FakeWebhook(bad_if("bluebird")) as webhook:
        stage = await guard({"words": ["bluebird"]} if local else asked_of(webhook))
        async with house(ScriptedProvider("a", stream(*SPLIT)), stages=[stage], store=MemoryStore()) as home:
            _, _, data = await home.ask(stream=True)
            checked = check_stream(data)
            async with home.session.get(f"{home.url}/responses/{checked.response['id']}") as answer:
                stored = await answer.json()
    assert checked.response["status"] == "incomplete"
    assert checked.response["incomplete_details"] == {"reason": "content_filter"}
    assert [item["status"] for item in checked.output] == ["incomplete"] * len(checked.output)
    assert "I saw a bluebird".startswith(checked.text)
    assert stored["output"] == checked.response["output"]
    assert "bird" not in json.dumps(stored)


async def test_10_4_checks_run_beside_the_stream_and_never_two_at_a_time() -> None:
    gate = asyncio.Event()

    def says(question: dict[str, Any]) -> dict[str, Any]:
        gate.set()
        return {"action": "allow"}

    async with FakeWebhook(says) as webhook:
        stage = await guard(asked_of(webhook, window=0))
        steps = stream(chunk(content="first"), gate, *[chunk(content=f" {n}") for n in range(200)], finish(), None)
        async with house(ScriptedProvider("a", steps), stages=[stage]) as home:
            _, _, data = await home.ask(stream=True)
    text = check_stream(data).text
    assert text == "first" + "".join(f" {n}" for n in range(200))
    assert len(webhook.peers) == 1  # two questions at a time would have taken two connections
    assert 1 < len(webhook.questions) < 100  # what came meanwhile was asked about together
    assert "".join(text for question in webhook.questions for text in question["texts"]) == text


async def test_10_5_the_first_token_counts_when_it_is_let_go() -> None:
    go = asyncio.Event()
    stage = await guard({"words": ["bluebird"]})
    provider = ScriptedProvider("a", stream(chunk(content="blue"), go, chunk(content="berry"), finish(), None))
    async with house(provider, stages=[stage]) as home:
        _, writer = await home.connect()
        async with asyncio.timeout(10):
            while not (home.pipeline.running and next(iter(home.pipeline.running)).exchange.committed):
                await asyncio.sleep(0.001)
        (run,) = home.pipeline.running
        assert run.exchange.timing.first_event is None  # it has come, and nobody has seen it
        released = time.monotonic()
        go.set()
        exchange = await home.settled()
        writer.close()
    assert exchange.timing.first_event is not None
    assert exchange.timing.first_event >= released


async def test_input_that_is_blocked_reaches_no_upstream_and_no_log() -> None:
    async with FakeWebhook(bad_if("secret")) as webhook:
        provider = ScriptedProvider("a", stream(*SPLIT))
        stage = await guard({"words": ["bluebird"]}, asked_of(webhook, scan=["input"]))
        async with house(provider, stages=[stage]) as home:
            first = await home.ask(input="tell me of the bluebird")
            second = await home.ask(input="tell me a secret")
            exchanges = [one.request.fields["input"] for one in (await home.settled(2), home.watcher.ended[0])]
    assert [first[0], second[0]] == [400, 400]
    assert json.loads(second[2])["error"]["type"] == "content_filter_error"
    assert provider.client.requests == []
    assert len(webhook.questions) == 1
    assert b"bluebird" not in b"".join(map(bytes, exchanges))
    assert "secret" not in str(second[2])


async def test_masks_from_outside_reach_the_upstream_and_the_client() -> None:
    def says(question: dict[str, Any]) -> dict[str, Any]:
        return {"action": "mask", "texts": [text.replace("bird", "[b]") for text in question["texts"]]}

    async with FakeWebhook(says) as webhook:
        provider = ScriptedProvider("a", stream(*SPLIT))
        stage = await guard(asked_of(webhook, scan=["input", "output"], headers={"X-Key": "k"}))
        async with house(provider, stages=[stage]) as home:
            _, _, data = await home.ask(input="a bird?", stream=True)
            exchange = await home.settled()
    assert check_stream(data).text == "I saw a blue[b] over there"
    assert [text.text for text in exchange.request.texts()] == ["a [b]?"]
    assert webhook.questions[0]["rule"] == "rule 0"
    assert "x-key: k" in webhook.heads[0].lower()


async def test_a_client_that_leaves_during_a_check_leaves_nothing_behind() -> None:
    async with FakeWebhook(lambda _: None) as webhook:
        stage = await guard(asked_of(webhook))
        provider = ScriptedProvider("a", stream(chunk(content="one"), asyncio.Event()))
        async with house(provider, stages=[stage]) as home:
            _, writer = await home.connect()
            async with asyncio.timeout(10):
                await webhook.came.wait()
            writer.transport.abort()
            exchange = await home.settled()
            assert await webhook.peers[0].was_closed()
    assert exchange.outcome == "cancelled"
    assert provider.client.responses[0].closed.is_set()


async def test_a_flag_is_told_in_a_header_as_long_as_there_is_one() -> None:
    stage = await guard({"name": "birds, all", "words": ["bird"], "action": "flag"})
    async with house(ScriptedProvider("a", stream(*SPLIT)), stages=[stage]) as home:
        _, headers, data = await home.ask(input="a bird?", stream=True)
        exchange = await home.settled()
    assert headers["x-penstock-flagged"] == "birds_ all"
    assert check_stream(data).text == "".join(PIECES)
    assert [mark["where"] for mark in exchange.marks["guardrail"]] == ["input", "output"]
    assert events_of(data)[-2][0] == "response.completed"


async def test_stored_and_logged_copies_are_redacted_alike(tmp_path: Path) -> None:
    log = Log(msgspec.convert({"to": "log.jsonl", "content": "full"}, Log.Config))
    log.directory = tmp_path
    stage = await guard({"words": ["bluebird"], "action": "mask"}, {"match": "pii", "kinds": ["email"]})
    async with house(ScriptedProvider("a", stream(*SPLIT)), stages=[stage, log], store=MemoryStore()) as home:
        _, _, data = await home.ask(input="what is a bluebird?", stream=True)
        url = f"{home.url}/responses/{check_stream(data).response['id']}"
        kept = [await (await home.session.get(one)).text() for one in (url, f"{url}/input_items")]
        assert (await home.ask(input="a@b.co"))[0] == 400
    lines = (tmp_path / "log.jsonl").read_text()
    assert len(lines.splitlines()) == 2
    assert all("[rule 0]" in text for text in (*kept, lines, data.decode()))
    assert not any(secret in text for secret in ("bluebird", "a@b.co") for text in (*kept, lines, data.decode()))
