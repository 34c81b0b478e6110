"""Streams as iterators. How they begin and end is in the tests of the calls."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from proxy.errors import InternalError, Overloaded
from proxy.exchange import Exchange
from proxy.inprocess.penstock import Penstock
from proxy.inprocess.service import Service
from proxy.inprocess.services import Services
from proxy.inprocess.streams import AsyncResponseStream, ResponseStream
from tests.support.inprocess import ECHO, soon
from tests.support.talking import Talks


def test_both_kinds_are_iterators() -> None:
    with Penstock.from_text(ECHO) as penstock:
        stream = penstock.responses("hi", "m", stream=True)
        assert isinstance(stream, ResponseStream)
        assert isinstance(stream, Iterator)
        first = next(stream)
        assert [first, *stream] == list(penstock.get_responses(first.response.id, stream=True))  # type: ignore[union-attr]
        assert list(stream) == []
        with pytest.raises(StopIteration):
            next(stream)
        stream.close()


async def test_a_stream_keeps_its_pipeline() -> None:
    stream = await Penstock.from_text(ECHO).aresponses("hi", "m", stream=True)
    gc.collect()
    assert isinstance(stream, AsyncResponseStream)
    assert isinstance(stream, AsyncIterator)
    events = [event async for event in stream]
    assert events[-1].type == "response.completed"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    await stream.close()


class Broken(Service):
    """Breaks off in the middle, as only a bug could."""

    async def _stream(self, exchange: Exchange, outlet: object, way: object) -> None:
        outlet.open({})  # type: ignore[attr-defined]
        raise InternalError("a bug")


async def test_a_bug_in_the_middle_is_raised() -> None:
    penstock = Penstock(Services(Penstock.from_text(ECHO)._services.config, Broken))
    with pytest.raises(InternalError, match="a bug"):
        await anext(await penstock.aresponses("hi", "m", stream=True))
    await penstock.aclose()


async def test_a_stream_whose_task_is_cut_off_does_not_end_as_if_it_were_whole() -> None:
    async with Talks({"content": "x"}) as up:
        up.hold = asyncio.Event()
        file = f"upstreams: {{u: {{kind: openai-compatible, base_url: {up.origin}}}}}\nmodels: {{m: [u/m]}}\n"
        async with Penstock.from_text(
            file + "stores: {responses: {kind: none}}\npipeline: [route, stream-translate]"
        ) as p:
            asking = asyncio.create_task(p.aresponses("hi", "m", stream=True))
            await up.peer()
            [service] = p._services._all()
            for task in list(service._serving):
                task.cancel()
            with pytest.raises(Overloaded, match="was closed"):
                await soon(asking)
