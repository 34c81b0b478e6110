"""The reader's side of an answer: any call at any time, and each callback as often as promised."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import UpstreamCut, UpstreamError, UpstreamGarbled
from proxy.upstream.client import OnData
from proxy.upstream.response import MAX_PENDING, Response, discard


class FakeCarrier:
    """Brings what the test says and notes what it is told."""

    def __init__(self) -> None:
        self.sink: OnData = discard
        self.calls: list[str] = []
        self.paused = False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def let_go(self) -> None:
        self.calls.append("let go")

    def abort(self) -> None:
        self.calls.append("abort")


class Reader:
    """A response over a fake carrier, and what its reader got."""

    def __init__(self, **headers: str) -> None:
        self.carrier = FakeCarrier()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = Response(200, named, self.carrier, "a:1")
        self.data: list[bytes] = []
        self.ends: list[UpstreamError | None] = []

    def stream(self) -> None:
        self.response.stream(self.data.append, self.ends.append)

    @property
    def got(self) -> tuple[bytes, list[UpstreamError | None]]:
        return b"".join(self.data), self.ends


def test_what_came_before_stream_is_delivered_within_it() -> None:
    reader = Reader()
    reader.carrier.sink(b"one ")
    reader.carrier.sink(b"two")
    reader.response.finish(None)
    reader.stream()
    assert reader.data == [b"one two"]
    assert reader.ends == [None]


def test_nothing_stands_between_a_read_and_its_reader() -> None:
    reader = Reader()
    on_data: Any = reader.data.append
    reader.response.stream(on_data, reader.ends.append)
    assert reader.carrier.sink is on_data


def test_an_error_before_stream_comes_after_the_body() -> None:
    reader = Reader()
    reader.carrier.sink(b"part")
    cut = UpstreamCut("gone")
    reader.response.finish(cut)
    reader.stream()
    assert reader.got == (b"part", [cut])


def test_a_body_that_nobody_reads_yet_is_bounded() -> None:
    reader = Reader()
    reader.carrier.sink(bytes(MAX_PENDING))
    assert not reader.carrier.paused
    reader.carrier.sink(b"x")
    assert reader.carrier.paused
    reader.stream()
    assert not reader.carrier.paused
    assert len(reader.got[0]) == MAX_PENDING + 1


def test_a_pause_outlasts_the_bound_and_the_other_way_round() -> None:
    reader = Reader()
    reader.response.pause()
    reader.carrier.sink(bytes(MAX_PENDING + 1))
    reader.response.resume()
    assert reader.carrier.paused  # the bound holds it
    reader.response.pause()
    reader.stream()
    assert reader.carrier.paused  # the reader holds it
    reader.response.resume()
    assert not reader.carrier.paused


@pytest.mark.parametrize("call", ["close", "release"])
@pytest.mark.parametrize("when", ["before", "streaming", "ended before", "ended"])
def test_after_the_reader_is_done_it_hears_nothing(call: str, when: str) -> None:
    reader = Reader()
    reader.carrier.sink(b"x")
    if when.startswith("ended"):
        reader.response.finish(None)
    if when in ("streaming", "ended"):
        reader.stream()
    heard = (list(reader.data), list(reader.ends))
    getattr(reader.response, call)()
    reader.carrier.sink(b"late")
    reader.response.finish(UpstreamCut("late"))
    reader.stream()
    assert (reader.data, reader.ends) == heard
    expected = [] if when.startswith("ended") else ["abort" if call == "close" else "let go"]
    assert reader.carrier.calls == expected


def test_it_can_be_streamed_once() -> None:
    reader = Reader()
    reader.stream()
    with pytest.raises(RuntimeError, match="only once"):
        reader.stream()


@given(
    calls=st.lists(
        st.sampled_from(["stream", "pause", "resume", "release", "close", "data", "end", "fail"]), max_size=12
    ),
    coded=st.booleans(),
)
def test_any_calls_in_any_order(calls: list[str], coded: bool) -> None:
    reader = Reader(content_encoding="gzip") if coded else Reader()
    streamed = done = finished = False
    sent = 0
    for call in calls:
        if call == "data":
            if not finished:
                reader.carrier.sink(gzip.compress(b"x") if coded else b"x")
                sent += 1
        elif call in ("end", "fail"):
            if not finished:
                reader.response.finish(None if call == "end" else UpstreamCut("cut"))
            finished = True
        elif call == "stream":
            if not streamed or done:
                reader.stream()
                streamed = True
        else:
            getattr(reader.response, call)()
            done = done or call in ("close", "release")
    body, ends = reader.got
    assert len(ends) <= 1
    assert len(body) <= sent
    assert len(reader.carrier.calls) <= 1
    assert not (ends and not finished)
    if finished and streamed and not done:
        reader.response.resume()
        assert len(reader.got[0]) == sent
        assert len(ends) == 1


def test_a_coded_body_is_decoded() -> None:
    reader = Reader(content_encoding="gzip")
    packed = gzip.compress(b"hello")
    reader.stream()
    reader.carrier.sink(packed[:7])
    reader.carrier.sink(packed[7:])
    reader.response.finish(None)
    assert reader.got == (b"hello", [None])


def test_the_headers_are_those_of_the_decoded_body() -> None:
    coded = Reader(content_encoding="gzip", content_length="20", content_type="text/plain")
    assert coded.response.headers == {"content-type": "text/plain"}
    assert Reader(content_length="20").response.headers == {"content-length": "20"}


def test_a_coded_body_waits_while_paused_with_its_end() -> None:
    reader = Reader(content_encoding="gzip")
    reader.stream()
    reader.response.pause()
    reader.carrier.sink(gzip.compress(b"hello"))
    reader.response.finish(None)
    assert reader.got == (b"", [])
    reader.response.resume()
    assert reader.got == (b"hello", [None])


@pytest.mark.parametrize(("coding", "why"), [("br", "br"), ("gzip", "damaged")])
def test_a_body_that_cannot_be_decoded(coding: str, why: str) -> None:
    reader = Reader(content_encoding=coding)
    reader.carrier.sink(b"this is not coded at all")
    reader.stream()
    body, ends = reader.got
    assert body == b""
    assert [type(end) for end in ends] == [UpstreamGarbled]
    assert why in str(ends[0])
    assert "a:1" in str(ends[0])
    assert reader.carrier.calls == ["abort"]


async def test_reading_all_of_it() -> None:
    reader = Reader()
    task = asyncio.create_task(reader.response.read(5))
    await asyncio.sleep(0)
    reader.carrier.sink(b"hel")
    reader.carrier.sink(b"lo")
    reader.response.finish(None)
    assert await task == b"hello"
    assert reader.carrier.calls == []


async def test_reading_more_than_wanted() -> None:
    reader = Reader()
    task = asyncio.create_task(reader.response.read(4))
    await asyncio.sleep(0)
    reader.carrier.sink(b"hello")
    with pytest.raises(UpstreamGarbled, match="larger than 4 bytes"):
        await task
    assert reader.carrier.calls == ["abort"]


async def test_a_small_body_that_unfolds_to_a_large_one() -> None:
    reader = Reader(content_encoding="gzip")
    task = asyncio.create_task(reader.response.read(1_000_000))
    await asyncio.sleep(0)
    reader.carrier.sink(gzip.compress(bytes(100_000_000)))
    with pytest.raises(UpstreamGarbled, match="larger than 1000000 bytes"):
        await task
    assert reader.carrier.calls == ["abort"]


@pytest.mark.parametrize("error", [UpstreamCut("cut"), UpstreamGarbled("garbled")])
async def test_reading_what_fails(error: UpstreamError) -> None:
    reader = Reader()
    task = asyncio.create_task(reader.response.read(100))
    await asyncio.sleep(0)
    reader.carrier.sink(b"hel")
    reader.response.finish(error)
    with pytest.raises(type(error)) as caught:
        await task
    assert caught.value is error


@pytest.mark.parametrize("call", ["close", "release"])
async def test_reading_what_someone_else_closes(call: str) -> None:
    reader = Reader()
    task = asyncio.create_task(reader.response.read(100))
    await asyncio.sleep(0)
    getattr(reader.response, call)()
    with pytest.raises(UpstreamCut, match="closed while it was read"):
        await task
    with pytest.raises(UpstreamCut, match="closed before it was read"):
        await reader.response.read(100)


async def test_reading_that_is_cancelled_closes() -> None:
    reader = Reader()
    task = asyncio.create_task(reader.response.read(100))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reader.carrier.calls == ["abort"]


async def test_a_body_that_has_come_whole_is_at_hand_once() -> None:
    reader = Reader()
    assert reader.response.at_hand(100) is None
    reader.carrier.sink(b"one ")
    reader.carrier.sink(b"two")
    assert reader.response.at_hand(100) is None  # it may go on
    reader.response.finish(None)
    assert reader.response.at_hand(6) is None
    assert reader.response.at_hand(7) == b"one two"
    assert reader.response.at_hand(7) is None
    reader.response.close()
    assert reader.carrier.calls == []


def test_what_is_cut_coded_or_closed_is_not_at_hand() -> None:
    cut, coded, closed = Reader(), Reader(content_encoding="gzip"), Reader()
    for reader in (cut, coded, closed):
        reader.carrier.sink(b"x")
    closed.response.close()
    cut.response.finish(UpstreamCut("cut"))
    coded.response.finish(None)
    closed.response.finish(None)
    assert [reader.response.at_hand(9) for reader in (cut, coded, closed)] == [None, None, None]
