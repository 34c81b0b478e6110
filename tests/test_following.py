"""Followers of an event log: at their own pace, live, to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from proxy.api.responses.event_log import EventLog
from proxy.following import Follower, Nobody, Tee


class Client:
    """A client that takes what it is given, and stops reading when it is told to."""

    send: Callable[[bytes], None] | None = None

    def __init__(self) -> None:
        self.got = b""
        self.writes = 0
        self.opened = True
        self.paused = False
        self.finished = 0
        self.resume: Callable[[], None] | None = None

    def open(self, headers: dict[str, str], events: bytes = b"") -> None:
        self.opened = True
        if events:
            self.write(events)

    def write(self, data: bytes) -> None:
        self.got += data
        self.writes += 1

    def finish(self) -> None:
        self.finished += 1

    def on_flow(self, pause: Callable[[], None] | None, resume: Callable[[], None] | None) -> None:
        self.resume = resume


def log_of(count: int) -> EventLog:
    """Returns a log of so many events that has not ended."""
    log = EventLog()
    log.entries += [b"<%d>" % number for number in range(count)]
    return log


def ended(log: EventLog) -> EventLog:
    """Ends a log."""
    log.hold("response.completed", b"{}")
    log.release()
    return log


async def test_a_log_that_has_ended_is_read_in_pieces() -> None:
    log, client = ended(log_of(1000)), Client()
    await Follower(log, client, 10).run()
    assert client.got.startswith(b"<10><11>")
    assert client.got.endswith(b"data: [DONE]\n\n")
    assert client.got == log.render(10, 10_000)[0]
    assert client.writes == 4
    assert client.finished == 1
    assert client.resume is None


async def test_a_reader_that_stalls_holds_little() -> None:
    class Stalls(Client):
        def write(self, data: bytes) -> None:
            super().write(data)
            self.paused = True

    log, client = EventLog(), Stalls()
    log.entries += [b"x" * 200_000 for _ in range(20)]
    follower = Follower(ended(log), client, 0)
    running = asyncio.create_task(follower.run())
    await asyncio.sleep(0)
    assert len(client.got) == 200_000
    while not running.done():
        client.paused = False
        follower.wake()
        await asyncio.sleep(0)
    assert client.got == log.render(0, 100)[0]


async def test_a_follower_goes_on_live() -> None:
    log, client, source = log_of(2), Client(), Client()
    tee = Tee(source)
    follower = Follower(log, client, 0)
    tee.followers.add(follower)
    running = asyncio.create_task(follower.run())
    await asyncio.sleep(0)
    assert client.got == b"<0><1>"
    log.entries.append(b"<2>")
    tee.write(b"x")
    assert client.got == b"<0><1><2>"  # in the same turn
    assert source.got == b"x"
    ended(log)
    tee.finish()
    await asyncio.wait_for(running, 1)
    assert client.got == log.render(0, 100)[0]
    assert (source.finished, client.finished) == (1, 1)


async def test_a_follower_that_does_not_read_gets_the_rest_when_it_does() -> None:
    log, client, source = log_of(1), Client(), Client()
    tee = Tee(source)
    follower = Follower(log, client, 0)
    tee.followers.add(follower)
    running = asyncio.create_task(follower.run())
    await asyncio.sleep(0)
    client.paused = True
    log.entries += [b"a", b"b"]
    tee.write(b"x")
    ended(log)
    tee.finish()
    await asyncio.sleep(0)
    assert client.got == b"<0>"
    assert not running.done()
    client.paused = False
    assert client.resume is not None
    client.resume()
    await asyncio.wait_for(running, 1)
    assert client.got == log.render(0, 100)[0]


async def test_a_follower_from_beyond_the_end_waits_for_what_comes() -> None:
    log, client = log_of(2), Client()
    follower = Follower(log, client, log.position_after(5))
    running = asyncio.create_task(follower.run())
    await asyncio.sleep(0)
    log.entries += [b"<%d>" % number for number in range(2, 8)]
    follower.wake()
    ended(log)
    follower.wake()
    await asyncio.wait_for(running, 1)
    assert client.got.startswith(b"<6><7>event: response.completed")


async def test_what_goes_wrong_with_one_reader_is_its_own_matter() -> None:
    class Broken(Client):
        def write(self, data: bytes) -> None:
            raise OSError("a broken reader")

    log, client, other, broken = log_of(0), Client(), Client(), Broken()
    tee = Tee(client)
    followers = [Follower(log, broken, 0), Follower(log, other, 0)]
    tee.followers |= set(followers)
    running = [asyncio.create_task(one.run()) for one in followers]
    await asyncio.sleep(0)
    log.entries.append(b"<0>")
    tee.write(b"<0>")
    ended(log)
    tee.write(b"")
    with pytest.raises(OSError, match="a broken reader"):
        await asyncio.wait_for(running[0], 1)
    await asyncio.wait_for(running[1], 1)
    assert (client.got, broken.finished) == (b"<0>", 1)
    assert other.got == log.render(0, 10)[0]


async def test_a_log_that_never_ends_lets_its_followers_go() -> None:
    log, client = log_of(2), Client()
    follower = Follower(log, client, 0)
    running = asyncio.create_task(follower.run())
    await asyncio.sleep(0)
    follower.stop()
    await asyncio.wait_for(running, 1)
    assert client.got == b"<0><1>"


def test_a_tee_is_its_client() -> None:
    source = Client()
    source.opened = False
    tee = Tee(source)
    assert (tee.opened, tee.paused) == (False, False)
    tee.open({})
    source.paused = True
    assert (tee.opened, tee.paused) == (True, True)
    tee.on_flow(lambda: None, tee.finish)
    assert source.resume == tee.finish


def test_nobody_takes_everything() -> None:
    nobody = Nobody()
    nobody.open({})
    nobody.write(b"x")
    nobody.on_flow(None, None)
    nobody.finish()
    assert nobody.opened
    assert not nobody.paused
