"""Counters in Redis, exact over all replicas: one script a decision, by the clock of the server.

A server that does not answer is waited for no longer than `timeout_s`. After a few failures it is left alone until it
answers again, and meanwhile requests go by `on_failure`. What was used meanwhile is told it when it is back.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..errors import Overloaded, PenstockError
from . import cells
from .breaker import Breaker
from .holds import Holds
from .late import Late, Settling
from .limits import SLOTS, Counters, CounterState, Demand, Grant, Holder, Standing
from .redis_scripts import RENEW, RESERVE, SETTLE

if TYPE_CHECKING:
    from redis.asyncio import Redis

_log = logging.getLogger("penstock")
_REMEMBERED_MS = 120_000
_KEPT_LONGER_S = 3600.0
_LONGEST_MS = 1 << 50
_MOST_LATE = 100_000
_RENEWED_AT_ONCE = 500
_SHOWN_AT_ONCE = 500
_TURNS = 5

_NOT_TAKEN, _PERHAPS = "+", "?"
"""Slots of requests that Redis has not counted, and that it may have counted; behind them, for how long already."""

OnFailure = Literal["local", "open", "closed"]
_MEANWHILE = {
    "local": "limits are counted by this host alone",
    "open": "nothing is limited",
    "closed": "requests are refused",
}


class _Unanswered(PenstockError):
    """Redis did not answer, or was not asked."""


class _Taken(msgspec.Struct):
    """Where a decision is kept: `record` in Redis, `slots` of its requests.

    Where Redis has not decided, there is a moment `since` which it is in force, for `charged`; `local` is what this
    host has decided itself.
    """

    record: str
    slots: list[str]
    holds: bool
    since: float = 0.0
    local: Grant | None = None


class RedisSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How Redis is asked. `prefix` is what all keys begin with; times in seconds."""

    url: str
    prefix: str = "penstock"
    timeout_s: float = 0.1
    lease_s: float = 30.0
    on_failure: OnFailure = "local"
    connections: int = 32
    probe_s: float = 1.0


class RedisCounters:
    """Counters of all that use one Redis. `fallback` counts while it does not answer and `on_failure` is `local`.

    `clock` stands for the server's clock in tests.
    """

    settles_at_once = False

    def __init__(self, settings: RedisSettings, fallback: Counters, clock: Callable[[], float] | None = None) -> None:
        self._settings = settings
        self._fallback = fallback
        self._clock = clock
        tag = f"{{{settings.prefix}}}"
        self._counter = f"{tag}:counter:"
        self._record = f"{tag}:record:"
        self._leases = f"{tag}:leases"
        self._who = f"{socket.gethostname()}:{os.getpid()}"
        self._breaker = Breaker("the Redis of the counters", _MEANWHILE[settings.on_failure])
        self._held: set[str] = set()
        self._moment = clock or time.monotonic
        self._late = Late(_MOST_LATE, self._moment)
        self._tasks: list[asyncio.Task[None]] = []
        self._deserted: set[asyncio.Future[None]] = set()
        self._connections = asyncio.Semaphore(settings.connections)
        self._redis: Redis | None = None
        self.holds = Holds()
        self._users = 0

    def is_like(self, other: Counters) -> bool:
        """Tells whether other counters ask the same Redis in the same way."""
        if not isinstance(other, RedisCounters):
            return False
        return self._settings == other._settings and self._fallback is other._fallback

    async def start(self) -> None:
        """Makes the connections' pool; whether Redis answers shows with the first decision."""
        self._users += 1
        if self._redis is not None:
            return
        from redis.asyncio import ConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        settings = self._settings
        pool = ConnectionPool.from_url(
            settings.url,
            max_connections=settings.connections,
            socket_timeout=None,  # see _answer
            socket_connect_timeout=None,
            retry=Retry(NoBackoff(), 0),
            retry_on_timeout=False,
            protocol=2,  # with 3, redis 8 does not look whether a connection was closed meanwhile before it is used
            decode_responses=True,
        )
        self._redis = redis = Redis(connection_pool=pool)
        self._reserve, self._settle, self._renew = map(redis.register_script, (RESERVE, SETTLE, RENEW))
        await self._fallback.start()
        self._tasks = [asyncio.create_task(self._renewing()), asyncio.create_task(self._probing())]

    async def close(self) -> None:
        """Tells Redis what it does not know yet, and closes the connections, once nobody uses the counters any more."""
        self._users = max(0, self._users - 1)
        if self._users or self._redis is None:
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.wait((*self._tasks, *self._deserted))
        try:
            await self._catch_up()
        except _Unanswered:
            _log.error("%d exchanges were not counted: Redis does not answer", len(self._late))
        await self._fallback.close()
        redis, self._redis = self._redis, None
        await redis.aclose()

    # --- decisions

    async def reserve(self, demands: Sequence[Demand]) -> Grant:
        """Meets all demands, or none of them; what is decided for somebody who has left meanwhile is given back."""
        deciding = asyncio.ensure_future(self._decide(demands))
        try:
            return await asyncio.shield(deciding)
        except asyncio.CancelledError:
            deserted = asyncio.ensure_future(self._give_back(deciding))
            self._deserted.add(deserted)
            deserted.add_done_callback(self._deserted.discard)
            raise

    async def _give_back(self, deciding: asyncio.Future[Grant]) -> None:
        with suppress(Overloaded):
            grant = await deciding
            await self.settle(grant, [0] * len(grant.demands))

    async def _decide(self, demands: Sequence[Demand]) -> Grant:
        record = self._record + secrets.token_hex(12)
        keys = [self._leases, record, *(self._counter + demand.counter for demand in demands)]
        args: list[Any] = [self._now(), int(self._settings.lease_s * 1e6), self._who]
        for one in demands:
            args += (one.limit.unit, one.limit.most, one.amount, one.limit.slot_us, _kept_ms(one))
        try:
            answer = await self._asked(lambda: self._reserve(keys, args))
        except _Unanswered as unanswered:
            asked = unanswered.__cause__ is not None
            if self._settings.on_failure == "closed" and asked:  # it may yet do it: for nobody
                self._late.add(self._settling(record, demands, [0] * len(demands), ["0"] * len(demands)))
            return await self._alone(demands, record, _NOT_TAKEN if not _may_have_taken(unanswered) else _PERHAPS)
        grant = Grant(demands, [])
        slots = []
        for at, demand in zip(range(2, len(answer), 5), demands, strict=True):
            slots.append(str(answer[at + 4]))
            grant.standings.append(_standing(demand, answer[at : at + 5], answer[1], taken=not answer[0]))
        if answer[0]:
            grant.refused = answer[0] - 1
            return grant
        holds = any(demand.limit.unit != "requests" for demand in demands)
        if holds:
            self._held.add(record)
        grant.taken = _Taken(record, slots, holds)
        return grant

    async def settle(self, grant: Grant, used: Sequence[int]) -> None:
        """Puts what was used in the place of what was taken; what Redis cannot be told now it is told later."""
        taken: _Taken | None = grant.taken
        if taken is None:
            return
        grant.taken = None
        self._held.discard(taken.record)
        if taken.local is not None:
            await self._fallback.settle(taken.local, used)
        if not taken.holds and all(used) and _NOT_TAKEN not in taken.slots:
            return
        slots = taken.slots
        if taken.since:
            age_us = int((self._moment() - taken.since) * 1e6)
            slots = [f"{one}{age_us}" for one in slots]
        keys, args = settling = self._settling(taken.record, grant.demands, used, slots)
        try:
            await self._asked(lambda: self._settle(keys, args))
        except (_Unanswered, asyncio.CancelledError) as error:
            self._late.add(settling)
            if isinstance(error, asyncio.CancelledError):
                raise

    def _settling(self, record: str, demands: Sequence[Demand], used: Sequence[int], slots: Sequence[str]) -> Settling:
        """Returns keys and arguments of the script that settles a record. It may run twice: then it runs once."""
        keys = [self._leases, record, *(self._counter + demand.counter for demand in demands)]
        args: list[Any] = [self._now(), _REMEMBERED_MS, 0]
        for one, amount, slot in zip(demands, used, slots, strict=True):
            limit = one.limit
            args += (limit.unit, limit.most, amount, one.amount, limit.slot_us, _kept_ms(one), slot)
        return keys, args

    async def _alone(self, demands: Sequence[Demand], record: str, mark: str) -> Grant:
        """Decides without Redis, which is told afterwards what was used; `mark` says whether it has taken it, too."""
        if self._settings.on_failure == "closed":
            raise Overloaded("Limits cannot be checked at the moment.", retry_after_s=self._settings.probe_s)
        holds = any(demand.limit.unit != "requests" for demand in demands)
        taken = _Taken(record, [mark] * len(demands), holds, since=self._moment())
        if self._settings.on_failure == "open":
            return Grant(demands, [Standing(0, 0, one.limit.most) for one in demands], None, taken)
        grant = await self._fallback.reserve(demands)
        if grant.refused is None:
            taken.local = Grant(grant.demands, grant.standings, None, grant.taken)
            grant.taken = taken
        return grant

    # --- the server

    async def _asked(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Returns the server's answer; raises _Unanswered when there is none in time, or none to be expected.

        Waiting for a connection counts for nothing: where the server is slow, those in front open the breaker.
        """
        async with self._connections:
            if self._breaker.open:
                raise _Unanswered
            return await self._tried(ask)

    async def _tried(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        from redis.exceptions import RedisError

        try:
            answer = await _within(self._settings.timeout_s, ask)
        except (RedisError, OSError, TimeoutError) as error:
            self._breaker.failed(error)
            raise _Unanswered from error
        self._breaker.answered()
        return answer

    async def _probing(self) -> None:
        """Looks for a server that was left alone; when it answers, it is told what it has missed."""
        assert self._redis is not None
        redis = self._redis
        while True:
            await asyncio.sleep(self._settings.probe_s)
            with suppress(_Unanswered):
                if self._breaker.open:  # a write: a full server, or one that follows another, would answer a ping
                    await self._tried(lambda: redis.set(self._leases + ":probe", "", px=_REMEMBERED_MS))
                await self._catch_up()

    async def _catch_up(self) -> None:
        while self._late:
            keys, args = self._late.first()
            args[0] = self._now()
            await self._asked(lambda keys=keys, args=args: self._settle(keys, args))  # type: ignore[misc]
            self._late.told()

    async def _renewing(self) -> None:
        while True:
            await asyncio.sleep(self._settings.lease_s / 4)
            with suppress(_Unanswered):  # the breaker has told it
                await self.renew()

    async def renew(self) -> None:
        """Renews the leases of what runs, and ends those of the dead; done again and again without being asked."""
        lease_us = int(self._settings.lease_s * 1e6)
        held = list(self._held)
        for first in range(0, len(held) or 1, _RENEWED_AT_ONCE):
            keys = [self._leases, *held[first : first + _RENEWED_AT_ONCE]]
            await self._asked(lambda keys=keys: self._renew(keys, [self._now(), lease_us]))  # type: ignore[misc]

    # --- to be shown

    async def snapshot(self) -> list[CounterState]:
        """Returns every counter as it is now; those of this host while Redis does not answer."""
        try:
            return await self._snapshot()
        except _Unanswered:
            return await self._fallback.snapshot()

    async def _snapshot(self) -> list[CounterState]:
        holders = await self._holders()
        now = await self._server_us()
        states = []
        cursor: Any = 0
        redis = self._redis
        assert redis is not None
        while True:
            cursor, keys = await self._asked(
                lambda cursor=cursor: redis.scan(cursor, match=_escaped(self._counter) + "*", count=_SHOWN_AT_ONCE)  # type: ignore[misc]
            )
            for key in keys:
                fields = await self._asked(lambda key=key: redis.hgetall(key))  # type: ignore[misc]
                if "unit" in fields:
                    states.append(self._state(key, fields, now, holders.get(key, ())))
            if not int(cursor):
                return states

    def _state(self, key: str, fields: dict[str, str], now: int, holders: Sequence[Holder]) -> CounterState:
        length = int(fields["length"])
        slot = cells.slot_of(length, now)
        used = sum(int(count) for name, count in fields.items() if name.isdecimal() and slot - SLOTS <= int(name))
        unit: Any = fields["unit"]
        name = key.removeprefix(self._counter)
        held = int(fields.get("held", 0))
        return CounterState(name, unit, int(fields["most"]), length, used, held, tuple(holders))

    async def _holders(self) -> dict[str, list[Holder]]:
        """Returns who holds what, by counter."""
        redis = self._redis
        assert redis is not None
        amounts: dict[tuple[str, str], int] = {}
        for record in await self._asked(lambda: redis.zrange(self._leases, 0, -1)):
            fields = await self._asked(lambda record=record: redis.hgetall(record))  # type: ignore[misc]
            who = fields.pop(":who", "")
            for counter, amount in fields.items():
                if counter.startswith(self._counter):
                    amounts[counter, who] = amounts.get((counter, who), 0) + int(amount)
        holders: dict[str, list[Holder]] = {}
        for (counter, who), amount in amounts.items():
            holders.setdefault(counter, []).append(Holder(who, amount))
        return holders

    async def _server_us(self) -> int:
        if self._clock is not None:
            return int(self._clock() * 1e6)
        redis = self._redis
        assert redis is not None
        seconds, micro = await self._asked(redis.time)
        return int(seconds) * 1_000_000 + int(micro)

    def _now(self) -> str:
        return "" if self._clock is None else str(int(self._clock() * 1e6))


def _may_have_taken(unanswered: BaseException) -> bool:
    """Tells whether Redis may do what it was asked, although it has not said so in time."""
    return isinstance(unanswered.__cause__, TimeoutError)


async def _within(timeout_s: float, ask: Callable[[], Awaitable[Any]]) -> Any:
    """Returns what comes in time; raises TimeoutError. An answer that is there already is in time, however late it is
    that this event loop gets to read it.
    """
    asking = asyncio.ensure_future(ask())
    try:
        await asyncio.wait((asking,), timeout=timeout_s)
        for _ in range(_TURNS):
            if asking.done():
                return asking.result()
            await asyncio.sleep(0)
        raise TimeoutError(f"no answer within {timeout_s:g} s")
    finally:
        asking.cancel()


def _standing(demand: Demand, found: Sequence[Any], now_us: int, *, taken: bool) -> Standing:
    """Returns how a counter stands after the decision, for how the script found it."""
    used, held, wait_us, last, slot = map(int, found)
    if taken and demand.limit.unit == "requests":
        used, last = used + demand.amount, slot
    elif taken:
        held += demand.amount
    stand = cells.standing(demand.limit, used, held, last, now_us)
    stand.retry_after_s = None if wait_us < 0 else wait_us / 1e6
    return stand


def _kept_ms(demand: Demand) -> int:
    return min(int((demand.limit.window_s * (SLOTS + 1) / SLOTS + _KEPT_LONGER_S) * 1000), _LONGEST_MS)


def _escaped(text: str) -> str:
    """Returns a text for Redis's patterns, in which nothing has a meaning of its own."""
    return "".join(f"\\{one}" if one in "*?[]\\" else one for one in text)
