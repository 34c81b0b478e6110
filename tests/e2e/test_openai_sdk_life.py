"""The life of responses by the `openai` SDK against two workers of `penstock serve`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.support.serving import Served, serving

FILE = """\
workers: 2
upstreams: {echo: {kind: echo}}
models: {m: [echo/echo]}
stores: {responses: {kind: sqlite, path: kept.db}}
pipeline: [route, stream-translate]
"""
SLOW = "[[tokens_per_s=20]] " + "word " * 200


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(config=FILE, directory=tmp_path_factory.mktemp("life")) as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=served.url, api_key="none", max_retries=0, timeout=20) as made:
        yield made


def test_a_background_response_is_polled(client: OpenAI) -> None:
    made = client.responses.create(model="m", input="in the background", background=True)
    assert made.status == "queued"
    while made.status in ("queued", "in_progress"):
        made = client.responses.retrieve(made.id)
    assert (made.status, made.output_text, made.background) == ("completed", "in the background", True)


def test_a_background_stream_is_left_and_resumed(client: OpenAI) -> None:
    id, seen, kinds = "", -1, []
    with client.responses.create(model="m", input="one two three four", background=True, stream=True) as stream:
        for event in stream:
            kinds.append(event.type)
            if event.type == "response.created":
                id = event.response.id
            seen = event.sequence_number
            if event.type == "response.output_text.delta":
                break
    assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]
    rest = list(client.responses.retrieve(id, stream=True, starting_after=seen))
    assert [event.sequence_number for event in rest] == list(range(seen + 1, seen + 1 + len(rest)))
    last = rest[-1]
    assert last.type == "response.completed"
    assert last.response == client.responses.retrieve(id)
    with client.responses.stream(response_id=id, starting_after=seen) as again:
        assert [event.type for event in again] == [event.type for event in rest]
        assert again.get_final_response().output_text == "one two three four"


def test_cancel_while_it_runs_and_again(client: OpenAI) -> None:
    made = client.responses.create(model="m", input=SLOW, background=True)
    cancelled = client.responses.cancel(made.id)
    assert (cancelled.status, cancelled.error) == ("cancelled", None)
    assert client.responses.cancel(made.id) == cancelled
    assert client.responses.retrieve(made.id) == cancelled
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="m", input="x", previous_response_id=made.id)


async def test_a_stream_is_cancelled_by_somebody_else(served: Served) -> None:
    async with AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0, timeout=20) as client:
        last = None
        async for event in await client.responses.create(model="m", input=SLOW, stream=True):
            if event.type == "response.created":
                cancelling = asyncio.create_task(_cancel(served, event.response.id))
            last = event
        assert (await cancelling) == "cancelled"
    assert last is not None
    assert last.type == "response.incomplete"
    assert last.response.status == "cancelled"


async def _cancel(served: Served, id: str) -> str | None:
    async with AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0, timeout=20) as client:
        return (await client.responses.cancel(id)).status


def test_unknown_ids(client: OpenAI) -> None:
    for ask in (client.responses.retrieve, client.responses.cancel, client.responses.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            ask("resp_" + "0" * 48)
        assert caught.value.body == {
            "message": f"Response with id 'resp_{'0' * 48}' not found.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
