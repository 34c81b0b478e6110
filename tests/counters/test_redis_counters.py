"""A Redis that is paused, killed or slow: what requests get meanwhile, how soon, and what the log says of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.counters import Demand, Grant, Limit, LocalCounters
from proxy.counters.redis_counters import OnFailure, RedisCounters, RedisSettings
from proxy.errors import Overloaded
from tests.support.redis_server import RedisServer, redis_server

TWO = Limit(unit="requests", most=2, window_s=3600)
TOKENS = Limit(unit="tokens", most=10**6, window_s=3600)
PATIENCE_S = 30.0


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as one:
        yield one


def counting(server: RedisServer, on_failure: OnFailure, **settings: Any) -> RedisCounters:
    chosen = RedisSettings(url=server.url, on_failure=on_failure, probe_s=0.05, **{"timeout_s": 0.1, **settings})
    return RedisCounters(chosen, LocalCounters())


async def ask(counters: RedisCounters, name: str = "a") -> Grant:
    return await counters.reserve([Demand(f"{name} requests", TWO, 1), Demand(f"{name} tokens", TOKENS, 100)])


async def used(counters: RedisCounters, unit: str) -> int:
    return sum(state.used for state in await counters.snapshot() if state.unit == unit)


async def until(condition: Any) -> None:
    """Waits until something asynchronous is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():
            await asyncio.sleep(0.02)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().partition(" (")[0] for record in caplog.records if record.name == "penstock"]


async def test_8_7_paused_it_costs_no_more_than_its_timeout_and_nothing_is_lost(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    counters = counting(server, "local")
    await counters.start()
    before = await ask(counters)
    server.pause()
    began = time.monotonic()
    grants = [await ask(counters, "b") for _ in range(3)]
    assert time.monotonic() - began < 3 * 0.1 + 5, "each waits for the timeout, on a busy machine a little longer"
    assert [grant.refused for grant in grants] == [None, None, 0], "this host counts for itself"
    began = time.monotonic()
    for _ in range(200):
        await ask(counters, "c")
    assert time.monotonic() - began < 5, "what is left alone is not waited for"
    await counters.settle(before, [1, 70])
    await counters.settle(grants[0], [1, 30])
    await counters.settle(grants[1], [1, 0])
    server.resume()

    async def counted() -> bool:
        return await used(counters, "tokens") == 100

    await until(counted)
    states = {state.counter: (state.used, state.held) for state in await counters.snapshot()}
    assert states["a tokens"] == (70, 0)
    assert states["b tokens"] == (30, 0), "what was asked of the paused server and what was decided here is one thing"
    assert told(caplog) == ["the Redis of the counters does not answer", "the Redis of the counters answers again"]
    await counters.close()


@pytest.mark.parametrize("on_failure", ["open", "closed"])
async def test_killed_it_is_as_the_file_says(
    server: RedisServer, on_failure: OnFailure, caplog: pytest.LogCaptureFixture
) -> None:
    counters = counting(server, on_failure)
    await counters.start()
    assert (await ask(counters)).refused is None
    server.kill()
    for _ in range(5):
        if on_failure == "open":
            grant = await ask(counters)
            assert (grant.refused, grant.standings[0].remaining) == (None, 2)
            await counters.settle(grant, [1, 10])
        else:
            with pytest.raises(Overloaded) as found:
                await ask(counters)
            assert (found.value.status, found.value.retry_after_s) == (503, 0.05)
    server.start()

    async def back() -> bool:
        return len(told(caplog)) == 2

    await until(back)

    async def caught_up() -> bool:
        return await used(counters, "tokens") == (50 if on_failure == "open" else 0)

    await until(caught_up)
    assert (await ask(counters, "new")).standings[0].remaining == 1
    await counters.close()
    assert len(told(caplog)) == 2


@pytest.mark.parametrize("on_failure", ["local", "open"])
async def test_8_7_what_was_let_in_without_it_is_counted_when_it_is_back(
    server: RedisServer, on_failure: OnFailure
) -> None:
    now = [1_700_000_000.0]
    chosen = RedisSettings(url=server.url, on_failure=on_failure, probe_s=0.05, timeout_s=10)
    counters = RedisCounters(chosen, LocalCounters(lambda: now[0]), lambda: now[0])
    await counters.start()
    server.kill()
    minute = Limit(unit="requests", most=9, window_s=60)
    brief = await counters.reserve([Demand("brief", minute, 1)])
    await counters.settle(brief, [1])
    now[0] += 120
    kept, unused, alone = (
        await ask(counters),
        await ask(counters, "b"),
        await counters.reserve([Demand("x", minute, 1)]),
    )
    assert (kept.refused, unused.refused, alone.refused) == (None, None, None)
    now[0] += 10
    await counters.settle(kept, [1, 40])
    await counters.settle(unused, [0, 0])
    await counters.settle(alone, [1])
    now[0] += 20
    server.start()
    other = RedisCounters(chosen, LocalCounters(), lambda: now[0])
    await other.start()

    async def counted() -> bool:
        return await used(other, "tokens") == 40

    async def found() -> dict[str, int]:
        states = {state.counter: state.used for state in await other.snapshot()}
        assert states, "it answers"
        return states

    await until(counted)
    assert await found() == {"a requests": 1, "a tokens": 40, "x": 1}, "not what was unused, or has left its window"
    now[0] += 31
    assert (await found())["x"] == 1
    now[0] += 2
    assert (await found())["x"] == 0, "counted from when it was let in"
    await counters.close()
    await other.close()


async def test_8_5_who_was_refused_because_it_did_not_answer_holds_nothing_when_it_does(server: RedisServer) -> None:
    counters = counting(server, "closed", lease_s=3600.0)
    await counters.start()
    held = await ask(counters)
    server.pause()
    for _ in range(2):
        with pytest.raises(Overloaded):
            await ask(counters)
    server.resume()

    async def given_back() -> bool:
        return [state.held for state in await counters.snapshot() if state.unit == "tokens"] == [100]

    await until(given_back)
    await counters.settle(held, [1, 7])
    assert await used(counters, "tokens") == 7
    await counters.close()


async def test_slow_it_is_left_alone_like_one_that_does_not_answer(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    held: asyncio.Event = asyncio.Event()
    served: list[asyncio.StreamWriter] = []

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(writer)
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", server.port)
        served.append(upstream_writer)

        async def back() -> None:
            while data := await upstream_reader.read(65536):
                await held.wait()
                writer.write(data)

        answering = asyncio.create_task(back())
        try:
            while data := await reader.read(65536):
                upstream_writer.write(data)
        finally:
            answering.cancel()

    listening = await asyncio.start_server(slow, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    settings = RedisSettings(url=f"redis://127.0.0.1:{port}", timeout_s=0.05, on_failure="open", probe_s=0.05)
    counters = RedisCounters(settings, LocalCounters())
    await counters.start()
    for _ in range(3):
        await ask(counters)
    assert told(caplog) == ["the Redis of the counters does not answer"]
    held.set()

    async def back_again() -> bool:
        return len(told(caplog)) == 2

    await until(back_again)
    await counters.close()
    listening.close()
    for writer in served:
        writer.close()


async def test_a_restart_that_nobody_noticed_refuses_nobody(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    counters = counting(server, "closed", timeout_s=20)
    await counters.start()
    await asyncio.gather(*(ask(counters, f"before {n}") for n in range(8)))  # which leave as many connections
    server.kill()
    server.start()
    assert counters._redis is not None
    idle = list(counters._redis.connection_pool._available_connections)

    async def all_closed() -> bool:
        return all([await one.can_read() for one in idle])

    await until(all_closed)
    grants = await asyncio.gather(*(ask(counters, f"after {n}") for n in range(8)))
    assert [grant.refused for grant in grants] == [None] * 8
    assert told(caplog) == []
    await counters.close()


async def test_a_decision_whose_client_left_meanwhile_holds_nothing(server: RedisServer) -> None:
    counters = counting(server, "closed", timeout_s=20)
    await counters.start()
    await ask(counters, "warm")
    server.pause()
    asking = asyncio.create_task(ask(counters))
    while not counters._connections._value < 32:
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait((asking,))
    assert asking.cancelled()
    server.resume()

    async def nothing_held() -> bool:
        return sum(state.held for state in await counters.snapshot()) == 100

    await until(nothing_held)
    states = {state.counter: state.held for state in await counters.snapshot()}
    assert states.get("a tokens", 0) == 0
    await counters.close()


async def test_many_at_once_are_all_decided_by_redis(server: RedisServer) -> None:
    counters = [counting(server, "closed", timeout_s=10) for _ in range(3)]
    for one in counters:
        await one.start()
    limit = Limit(unit="requests", most=100, window_s=3600)
    grants = await asyncio.gather(*(counters[n % 3].reserve([Demand("all", limit, 1)]) for n in range(300)))
    assert sum(grant.refused is None for grant in grants) == 100
    for one in counters:
        await one.close()


async def test_a_password_is_in_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    settings = RedisSettings(url="redis://user:planted-secret@127.0.0.1:1/0", on_failure="open")
    counters = RedisCounters(settings, LocalCounters())
    await counters.start()
    for _ in range(4):
        await ask(counters)
    assert told(caplog) == ["the Redis of the counters does not answer"]
    await counters.close()
    assert "planted-secret" not in caplog.text
