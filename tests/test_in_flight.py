"""Runs found by id and owner, and the room for background responses."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from proxy.errors import RateLimited
from proxy.exchange import Client, Exchange, Key
from proxy.in_flight import Background, InFlight
from proxy.run import Run


class _Run:
    def __init__(self, id: str, owner: str = "") -> None:
        self.exchange = Exchange("req", Client("", {}), None)
        self.exchange.response_id = id
        self.exchange.key = Key(owner) if owner else None


def run(id: str, owner: str = "") -> Run:
    """Returns what stands for a run."""
    return cast(Run, _Run(id, owner))


def test_a_run_is_found_by_its_owner_alone() -> None:
    flight = InFlight()
    mine = run("resp_1", "me")
    flight.add(mine)
    assert flight.get("resp_1", "key:me") is mine
    assert flight.get("resp_1", "key:other") is None
    assert flight.get("resp_2", "key:me") is None
    assert len(flight) == 1
    flight.discard(run("resp_1", "me"))  # another run of that id takes nothing away
    flight.discard(run("resp_9"))
    assert len(flight) == 1
    flight.discard(mine)
    assert flight.get("resp_1", "key:me") is None


async def test_as_many_run_as_there_is_room_for() -> None:
    background = Background(2, 1)
    tickets = [background.enter() for _ in range(3)]
    with pytest.raises(RateLimited):
        background.enter()
    await tickets[0].turn()
    await tickets[1].turn()
    third = asyncio.create_task(tickets[2].turn())
    await asyncio.sleep(0)
    assert not third.done()
    tickets[0].leave()
    tickets[0].leave()  # gives nothing back twice
    await asyncio.wait_for(third, 1)
    fourth = background.enter()
    with pytest.raises(RateLimited):
        background.enter()
    fourth.leave()  # never ran
    tickets[1].leave()
    tickets[2].leave()
    again = [background.enter() for _ in range(3)]
    for ticket in again[:2]:
        await asyncio.wait_for(ticket.turn(), 1)


async def test_one_who_stops_waiting_takes_no_turn() -> None:
    background = Background(1, 1)
    first, second = background.enter(), background.enter()
    await first.turn()
    waiting = asyncio.create_task(second.turn())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    second.leave()
    first.leave()
    third = background.enter()
    await asyncio.wait_for(third.turn(), 1)


async def test_what_waits_may_take_so_many_bytes() -> None:
    background = Background(1, 9, most_bytes=100)
    first = background.enter(5000)
    with pytest.raises(RateLimited, match="5000 bytes"):
        background.enter(1)
    await first.turn()
    second, third = background.enter(60), background.enter(40)
    with pytest.raises(RateLimited):
        background.enter(1)
    third.leave()
    third.leave()  # gives nothing back twice
    fourth = background.enter(40)
    first.leave()
    await second.turn()
    background.enter(60)
    second.leave()
    fourth.leave()
