"""The echo connection: pace, pauses, timeouts, and that a closed answer is over at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from proxy.errors import UpstreamCut, UpstreamError, UpstreamGarbled, UpstreamTimeout
from proxy.providers.echo.client import EchoClient
from proxy.upstream.client import Timeouts, UpstreamRequest, UpstreamResponse
from tests.support.chat_streams import accumulate, payloads

FOREVER = Timeouts(first_byte=None, idle=None, total=None)
LIMIT_S = 5.0


class Reader:
    """Takes a streamed answer, and says when it has come how far."""

    def __init__(self, response: UpstreamResponse) -> None:
        self.reads: list[bytes] = []
        self.times: list[float] = []
        self.ends: list[UpstreamError | None] = []
        self._changed = asyncio.Event()
        self.response = response
        response.stream(self.on_data, self.on_end)

    @property
    def data(self) -> bytes:
        return b"".join(self.reads)

    def on_data(self, data: bytes) -> None:
        assert data
        assert not self.ends
        self.reads.append(data)
        self.times.append(asyncio.get_running_loop().time())
        self._changed.set()

    def on_end(self, error: UpstreamError | None) -> None:
        self.ends.append(error)
        self._changed.set()

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def end(self) -> UpstreamError | None:
        await self.until(lambda reader: reader.ends)
        assert len(self.ends) == 1
        return self.ends[0]


def request(text: str, model: str = "echo", **fields: Any) -> UpstreamRequest:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": True, **fields}
    return UpstreamRequest(method="POST", url="echo:/v1/chat/completions", headers={}, body=json.dumps(body).encode())


async def ask(text: str, model: str = "echo", timeouts: Timeouts = FOREVER, **fields: Any) -> UpstreamResponse:
    return await EchoClient(clock=lambda: 1767225600).send(request(text, model, **fields), timeouts)


async def turns(count: int = 20) -> None:
    """Lets the loop turn, so that whatever was due has happened."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_stream() -> None:
    response = await ask("Hello world")
    assert (response.status, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    reader = Reader(response)
    assert await reader.end() is None
    assert accumulate(reader.data).choices[0].message.content == "Hello world"
    assert len(reader.reads) == 1


async def test_an_answer_in_one_piece() -> None:
    response = await ask("Hello world", stream=False)
    assert response.headers["content-type"] == "application/json"
    assert json.loads(await response.read(10_000))["choices"][0]["message"]["content"] == "Hello world"


async def test_an_error() -> None:
    response = await ask("Hello", "echo-error-503")
    assert (response.status, response.headers["retry-after"]) == (503, "1")
    assert json.loads(await response.read(10_000))["error"]["code"] == "overloaded"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
async def test_a_body_that_is_no_request(body) -> None:
    response = await EchoClient().send(UpstreamRequest(method="POST", url="", headers={}, body=body), FOREVER)
    assert response.status == 400
    assert json.loads(await response.read(1000))["error"]["type"] == "invalid_request_error"


async def test_an_unpaced_answer_comes_in_reads_of_a_socket() -> None:
    reader = Reader(await ask("word [[repeat=2000]]"))
    assert await reader.end() is None
    assert len(reader.reads) > 10
    assert max(map(len, reader.reads)) < 17_000
    assert accumulate(reader.data).choices[0].message.content == " ".join(["word"] * 2000)


async def test_the_loop_turns_between_the_reads() -> None:
    reader = Reader(await ask("word [[repeat=2000]]"))
    await turns(3)
    assert 0 < len(reader.reads) < 10
    assert not reader.ends
    reader.response.close()


async def test_pace() -> None:
    reader = Reader(await ask("a b c d [[tokens_per_s=50]]"))
    assert await reader.end() is None
    assert sum(len(payloads(one)) for one in reader.reads) == 7
    assert 1 < len(reader.reads) <= 6  # less where the loop was late: then what is due comes at once
    assert reader.times[-1] - reader.times[0] >= 0.05


async def test_pace_of_the_client() -> None:
    client = EchoClient(tokens_per_s=100)
    reader = Reader(await client.send(request("a b c d"), FOREVER))
    assert await reader.end() is None
    assert 1 < len(reader.reads) <= 6
    assert reader.times[-1] - reader.times[0] >= 0.02


async def test_first_token() -> None:
    reader = Reader(await ask("a b [[first_token_s=0.05]]"))
    assert await reader.end() is None
    assert [len(payloads(one)) for one in reader.reads] == [1, 4]
    assert reader.times[1] - reader.times[0] >= 0.045


async def test_a_late_loop_catches_up() -> None:
    reader = Reader(await ask("a [[repeat=40]] [[tokens_per_s=1000]]"))
    assert await reader.end() is None
    assert accumulate(reader.data).choices[0].message.content == " ".join("a" * 40)


async def test_nothing_comes_while_paused() -> None:
    reader = Reader(await ask("word [[repeat=2000]]"))
    await reader.until(lambda one: one.reads)
    reader.response.pause()
    count = len(reader.reads)
    await turns()
    assert len(reader.reads) == count
    assert not reader.ends
    reader.response.resume()
    assert await reader.end() is None
    assert accumulate(reader.data).choices[0].message.content == " ".join(["word"] * 2000)


async def test_pausing_in_the_last_read_holds_the_end_back() -> None:
    response = await ask("a")
    ends: list[Any] = []
    response.stream(lambda data: response.pause(), ends.append)
    await turns()
    assert ends == []
    response.resume()
    await turns()
    assert ends == [None]


async def test_pausing_before_the_first_read() -> None:
    response = await ask("a")
    response.pause()
    reader = Reader(response)
    await turns()
    assert reader.reads == []
    response.resume()
    assert await reader.end() is None


@pytest.mark.parametrize("how", ["close", "release"])
async def test_a_closed_answer_is_over_at_once(how) -> None:
    client = EchoClient()
    reader = Reader(await client.send(request("a b c [[tokens_per_s=200]]"), FOREVER))
    await reader.until(lambda one: one.reads)
    assert len(client.open) == 1
    getattr(reader.response, how)()
    getattr(reader.response, how)()
    count = len(reader.reads)
    assert client.open == set()
    await asyncio.sleep(0.03)
    reader.response.resume()
    await turns()
    assert len(reader.reads) == count
    assert reader.ends == []


async def test_closing_within_a_read() -> None:
    client = EchoClient()
    response = await client.send(request("word [[repeat=2000]]"), FOREVER)
    reads: list[bytes] = []
    ends: list[Any] = []

    def on_data(data: bytes) -> None:
        reads.append(data)
        response.close()

    response.stream(on_data, ends.append)
    await turns()
    assert (len(reads), ends, client.open) == (1, [], set())


async def test_a_cut() -> None:
    client = EchoClient()
    reader = Reader(await client.send(request("a b c d", "echo-cut"), FOREVER))
    assert isinstance(await reader.end(), UpstreamCut)
    assert b'"a"' in reader.data
    assert not reader.data.endswith(b"\n\n")
    assert client.open == set()


async def test_a_cut_in_an_answer_of_one_piece() -> None:
    response = await ask("a b", "echo-cut", stream=False)
    with pytest.raises(UpstreamCut):
        await response.read(10_000)


async def test_an_error_object_ends_as_http_says() -> None:
    reader = Reader(await ask("a b", "echo-stream-error"))
    assert await reader.end() is None
    assert "error" in json.loads(payloads(reader.data)[-1])


async def test_a_stall_lasts_until_it_is_closed() -> None:
    client = EchoClient()
    reader = Reader(await client.send(request("a b c d", "echo-stall"), FOREVER))
    await reader.until(lambda one: one.reads)
    await turns()
    assert not reader.ends
    assert len(client.open) == 1
    reader.response.close()
    assert client.open == set()


@pytest.mark.parametrize(
    ("timeouts", "phase"), [(Timeouts(idle=0.03), "idle"), (Timeouts(idle=5, total=0.03), "total")]
)
async def test_a_stall_runs_into_the_timeouts(timeouts, phase) -> None:
    reader = Reader(await ask("a b c d", "echo-stall", timeouts))
    error = await reader.end()
    assert isinstance(error, UpstreamTimeout)
    assert error.phase == phase


async def test_a_stall_in_an_answer_of_one_piece() -> None:
    response = await ask("a b", "echo-stall", Timeouts(idle=0.03), stream=False)
    with pytest.raises(UpstreamTimeout):
        await response.read(10_000)


async def test_a_slow_pace_runs_into_the_idle_timeout() -> None:
    reader = Reader(await ask("a b [[tokens_per_s=0.1]]", timeouts=Timeouts(idle=0.03)))
    assert isinstance(await reader.end(), UpstreamTimeout)


async def test_no_timeout_runs_while_paused() -> None:
    response = await ask("a b", "echo-stall", Timeouts(idle=0.02))
    reader = Reader(response)
    await reader.until(lambda one: one.reads)
    response.pause()
    await asyncio.sleep(0.05)
    assert not reader.ends
    response.resume()
    assert isinstance(await reader.end(), UpstreamTimeout)


async def test_a_late_head() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    await ask("a [[head_s=0.03]]")
    assert loop.time() - start >= 0.025
    with pytest.raises(UpstreamTimeout) as caught:
        await ask("a [[head_s=9]]", timeouts=Timeouts(first_byte=0.02))
    assert caught.value.phase == "first_byte"


async def test_an_answer_in_one_piece_takes_its_time() -> None:
    with pytest.raises(UpstreamTimeout):
        await ask("a b c d", "echo-slow", Timeouts(first_byte=0.02), stream=False)


async def test_an_answer_that_is_too_large_to_read() -> None:
    client = EchoClient()
    response = await client.send(request("a", stream=False), FOREVER)
    with pytest.raises(UpstreamGarbled, match="larger than 20 bytes"):
        await response.read(20)
    assert client.open == set()


async def test_reading_a_stream_whole() -> None:
    assert accumulate(await (await ask("a b")).read(10_000)).choices[0].message.content == "a b"


async def test_a_cancelled_read_closes_the_answer() -> None:
    client = EchoClient()
    response = await client.send(request("a b", "echo-stall", stream=False), FOREVER)
    task = asyncio.create_task(response.read(10_000))
    await turns()
    assert len(client.open) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.open == set()


async def test_closing_under_a_reader_wakes_it() -> None:
    response = await ask("a b", "echo-stall", stream=False)
    task = asyncio.create_task(response.read(10_000))
    await turns()
    response.close()
    with pytest.raises(UpstreamCut):
        await asyncio.wait_for(task, LIMIT_S)


async def test_closing_the_client_ends_all_answers() -> None:
    client = EchoClient()
    readers = [Reader(await client.send(request("a b", "echo-stall"), FOREVER)) for _ in range(3)]
    await client.close()
    assert [type(await reader.end()) for reader in readers] == [UpstreamCut] * 3
    assert client.open == set()


async def test_no_task_is_made() -> None:
    before = asyncio.all_tasks()
    reader = Reader(await ask("a b c [[tokens_per_s=500]]"))
    await reader.until(lambda one: one.reads)
    assert asyncio.all_tasks() == before
    assert await reader.end() is None
