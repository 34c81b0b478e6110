"""One file in several event loops: connections are each loop's own, what is kept in memory belongs to all."""

from __future__ import annotations

import asyncio

import pytest

from proxy.config.loader import load_text
from proxy.errors import ConfigError
from proxy.inprocess.loop_thread import loop_thread
from proxy.inprocess.penstock import Penstock
from proxy.inprocess.service import Service
from proxy.inprocess.services import Services
from tests.support.hostile import until
from tests.support.inprocess import ECHO


async def test_a_loop_has_one() -> None:
    services = Services(load_text(ECHO, "test"))
    first, second = await asyncio.gather(services.here(), services.here())
    assert first is second
    other = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(services.here(), loop_thread().loop))
    assert other is not first
    assert other.pipeline.store is first.pipeline.store
    await services.close_here()
    assert await services.here() is not first
    await services.close_here()
    await asyncio.to_thread(services.close_in_thread)


def test_loops_that_are_over_are_forgotten() -> None:
    services = Services(load_text(ECHO, "test"))
    for _ in range(5):
        asyncio.run(ask(services))
    assert len(services._all()) == 1


async def ask(services: Services) -> Service:
    return await services.here()


async def test_a_start_that_failed_is_tried_again() -> None:
    file = ECHO.replace("pipeline: [", "pipeline: [auth: {keys: ./no-such-keys.yaml}, ")
    penstock = Penstock.from_text(file)
    for _ in range(2):
        with pytest.raises(ConfigError, match="no-such-keys"):
            await penstock.aresponses("hi", "m")
    assert penstock._services._all() == []


def test_responses_and_seals_of_one_loop_are_good_in_the_next() -> None:
    penstock = Penstock.from_text(ECHO)
    asked = {"model": "m", "include": ["reasoning.encrypted_content"], "store": False}
    first = asyncio.run(penstock.aresponses("[[reasoning Hm.]] [[say One.]]", **asked))
    [thought, _] = first.output
    assert thought.type == "reasoning"
    assert thought.encrypted_content
    kept = asyncio.run(penstock.aresponses([*first.output, {"role": "user", "content": "on"}], "m"))
    assert asyncio.run(penstock.aget_responses(kept.id)) == penstock.get_responses(kept.id) == kept
    penstock.close()


async def test_what_nobody_refers_to_is_closed() -> None:
    penstock = Penstock.from_text(ECHO)
    await penstock.aresponses("hi", "m")
    [service] = penstock._services._all()
    del penstock
    await until(lambda: service._closing is not None and service._closing.done())
