"""How many exchanges run: counted, bounded, waited for."""

from __future__ import annotations

import asyncio

import pytest

from proxy.errors import Overloaded
from proxy.server.running import Running


async def test_it_waits_until_nothing_runs() -> None:
    running = Running()
    await running.none()
    with running:
        waiting = asyncio.ensure_future(running.none())
        with running:
            assert running.count == 2
        await asyncio.sleep(0)
        assert not waiting.done()
    async with asyncio.timeout(1):
        await waiting
    assert running.count == 0


async def test_more_than_may_run_are_refused() -> None:
    running = Running(1)
    with running:
        running.check()
        with running, pytest.raises(Overloaded, match="1 requests at a time"):
            running.check()
        running.check()


async def test_those_without_a_client_count_too() -> None:
    alone = {1}
    running = Running(2, alone)
    with running:
        running.check()
        alone.add(2)
        with pytest.raises(Overloaded):
            running.check()
        alone.clear()
        running.check()


async def test_without_a_limit_any_number_may_run() -> None:
    running = Running()
    with running, running, running:
        running.check()


async def test_what_fails_has_ended() -> None:
    running = Running()
    with pytest.raises(KeyError), running:
        raise KeyError
    assert running.count == 0
