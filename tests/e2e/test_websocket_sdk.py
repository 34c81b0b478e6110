"""WebSocket mode by the `openai` SDK against `penstock serve`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.serving import Served, serving

FILE = """\
upstreams: {echo: {kind: echo}}
models: {"echo*": ["echo/echo*"], echo: [echo/echo]}
stores: {responses: {kind: sqlite, path: kept.db}}
pipeline:
  - auth: {keys: [{id: me, key: sesame}]}
  - route
  - stream-translate
"""
LAST = ("response.completed", "response.incomplete", "response.failed", "error")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(config=FILE, directory=tmp_path_factory.mktemp("sockets")) as running:
        yield running


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=served.url, api_key="sesame", max_retries=0, timeout=20) as made:
        yield made


def turn(connection: Any) -> list[Any]:
    """Returns the events of a turn."""
    events = [connection.recv()]
    while events[-1].type not in LAST:
        events.append(connection.recv())
    return events


def test_turns_over_one_connection(client: OpenAI) -> None:
    with client.responses.connect() as connection:
        previous = None
        for number in range(3):
            connection.response.create(
                model="echo",
                input=f"turn {number}",
                store=False,
                **({"previous_response_id": previous} if previous else {}),
            )
            events = turn(connection)
            assert events[0].type == "response.created"
            assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == f"turn {number}"
            assert events[-1].response.output_text == f"turn {number}"
            previous = events[-1].response.id


def test_a_warm_up_and_an_error(client: OpenAI) -> None:
    with client.responses.connect() as connection:
        connection.send({"type": "response.create", "model": "echo", "input": "before", "generate": False})
        warm = turn(connection)[-1].response
        assert (warm.status, warm.output) == ("completed", [])
        connection.response.create(model="echo", input="x", previous_response_id="resp_none")
        error = turn(connection)[-1]
        assert (error.type, error.status, error.error.code) == ("error", 400, "previous_response_not_found")
        connection.response.create(model="echo", input="after", previous_response_id=warm.id)
        assert turn(connection)[-1].response.output_text == "after"
        connection.response.steer(input="more", previous_response_id=warm.id)
        assert connection.recv().error.code == "steering_not_supported"
    assert client.responses.retrieve(warm.id).status == "completed"


def test_a_wrong_key_is_refused_at_the_upgrade(served: Served) -> None:
    with OpenAI(base_url=served.url, api_key="wrong", max_retries=0) as client:
        with pytest.raises(InvalidStatus) as caught, client.responses.connect():
            pass
    assert caught.value.response.status_code == 401


async def test_lanes_by_the_async_client(served: Served) -> None:
    async with AsyncOpenAI(base_url=served.url, api_key="sesame", max_retries=0) as client:
        async with client.responses.connect() as connection, asyncio.timeout(10):
            lanes = {f"lane-{number}": "" for number in range(10)}
            for lane in lanes:
                await connection.response.create(model="echo", input=f"this is {lane}", stream_id=lane)
            left = set(lanes)
            while left:
                event = await connection.recv()
                if event.type == "response.output_text.delta":
                    lanes[event.stream_id] += event.delta  # type: ignore[index]
                elif event.type == "response.completed":
                    left.discard(event.stream_id)  # type: ignore[arg-type]
            assert all(text == f"this is {lane}" for lane, text in lanes.items())


def test_a_connection_has_the_time_that_the_file_gives_it(tmp_path: Path) -> None:
    with serving(config=FILE + "limits: {websocket: 300ms}\n", directory=tmp_path) as served:
        with OpenAI(base_url=served.url, api_key="sesame", max_retries=0) as client:
            with client.responses.connect() as connection:
                error: Any = connection.recv()
                assert error.error.code == "websocket_connection_limit_reached"
                with pytest.raises(ConnectionClosed) as caught:
                    connection.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1001


def test_a_server_that_stops_says_so(tmp_path: Path) -> None:
    with serving(config=FILE, directory=tmp_path) as served:
        with OpenAI(base_url=served.url, api_key="sesame", max_retries=0) as client:
            with client.responses.connect() as connection:
                connection.response.create(model="echo-slow", input="one two three")
                assert connection.recv().type == "response.created"
                served.process.terminate()
                assert turn(connection)[-1].response.output_text == "one two three"
                with pytest.raises(ConnectionClosed) as caught:
                    connection.recv()
        assert served.process.wait(10) == 0
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1001
