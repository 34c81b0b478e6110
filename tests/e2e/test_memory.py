"""Nothing of an exchange is left when it has ended, however it ended."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from proxy.config.types import Duration
from proxy.errors import UpstreamCut, UpstreamUnreachable
from proxy.exchange import Exchange
from proxy.providers.provider import Deployment
from proxy.routing.config import Hedge, Mirror
from proxy.run import Run
from proxy.translation import Translation
from stages.route import Route, RouteConfig
from tests.support.house import House, house
from tests.support.scripted import Script, ScriptedProvider, body, chunk, finish, stream

WHOLE = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}'
ERROR = b'data: {"error":{"message":"Worker limit reached","code":502}}\n\n'
ENDS: dict[str, Callable[[], Script]] = {  # made anew each time: an error keeps the frames it came through
    "whole": lambda: body(WHOLE),
    "stream": lambda: stream(chunk(content="Hello"), finish()),
    "unreachable": lambda: lambda request: UpstreamUnreachable("refused"),
    "status": lambda: body(b'{"error":{"message":"busy"}}', 503),
    "error-in-whole": lambda: body(b'{"error":{"message":"busy"}}'),
    "no-json": lambda: body(b"nonsense"),
    "cut": lambda: stream(chunk(content="Hel"), UpstreamCut("cut")),
    "cut-before": lambda: stream(UpstreamCut("cut")),
    "error": lambda: stream(chunk(content="Hel"), ERROR, None),
    "error-before": lambda: stream(ERROR, None),
}


def left(before: set[int], *, collected: bool = True) -> list[Any]:
    """Returns what is alive of any exchange after a full collection, or without, but for what was alive `before`."""
    if collected:
        gc.collect()
    found = [one for one in gc.get_objects() if isinstance(one, (Run, Exchange, Translation))]
    return [one for one in found if id(one) not in before]


@pytest.fixture
def before() -> set[int]:
    """Returns what other tests have left: an error that is kept at a module's top keeps the frames it came through."""
    return {id(one) for one in left(set())}


async def ended(home: House) -> None:
    """Waits until the server's last task of an exchange is over."""
    await home.app.drained(5)
    home.watcher.ended.clear()
    for provider in home.pipeline.providers.values():
        provider.client.requests.clear()  # type: ignore[attr-defined]
        provider.client.responses.clear()  # type: ignore[attr-defined]
        provider.client.scripts.clear()  # type: ignore[attr-defined]
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("end", list(ENDS))
async def test_nothing_is_left_of_an_exchange(end: str, before: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.routing.backoff._FIRST_S", 0.01)
    tireless = Route(RouteConfig(cooldown=Duration(0)))
    async with house(ScriptedProvider("a", ENDS[end]()), ScriptedProvider("b", ENDS[end]()), route=tireless) as home:
        for path in ("/responses", "/chat/completions"):
            for streamed in (True, False):
                await home.ask(path, stream=streamed)
        await ended(home)
        await home.session.close()
        while home.server is not None and home.server.connections:
            await asyncio.sleep(0)
        assert left(before) == []


@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
async def test_an_answer_waits_for_no_collector(path: str, before: set[int]) -> None:
    scripts = [make() for make in (ENDS["stream"], ENDS["stream"], ENDS["whole"])]
    async with house(ScriptedProvider("a", *scripts)) as home:
        gc.disable()
        try:
            for streamed in (True, True, False):
                await home.ask(path, stream=streamed)
            await ended(home)
            await home.session.close()
            while home.server is not None and home.server.connections:
                await asyncio.sleep(0)
            assert left(before, collected=False) == []
        finally:
            gc.enable()


async def test_nothing_is_left_of_an_exchange_whose_client_left(before: set[int]) -> None:
    provider = ScriptedProvider("a", stream(chunk(content="Hel"), asyncio.Event()))
    async with house(provider) as home:
        for path, fields in (
            ("/v1/responses", {}),
            ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
        ):
            reader, writer = await home.connect(path, **fields)
            async with asyncio.timeout(5):
                await reader.readuntil(b"Hel")
            writer.transport.abort()
        await home.settled(2)
        await ended(home)
        assert left(before) == []


async def test_nothing_is_left_of_an_exchange_that_was_hedged_and_mirrored(before: set[int]) -> None:
    slow, quick = ScriptedProvider("a", stream(asyncio.Event())), ScriptedProvider("b", ENDS["stream"]())
    said = RouteConfig(hedge=Hedge(after=Duration(0.01)), mirror=Mirror(to="n"))
    models = {"m": [Deployment(slow, "up", 1e9), Deployment(quick, "up", 1e-9)], "n": [Deployment(quick, "up")]}
    async with house(slow, quick, models=models, route=Route(said)) as home:
        await home.ask(stream=True)
        await home.settled(2)
        await ended(home)
        await home.session.close()
        while (home.server is not None and home.server.connections) or len(home.pipeline.mirrors):
            await asyncio.sleep(0)
        assert left(before) == []
