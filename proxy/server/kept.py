"""What is asked of responses: retrieve, read the stream again, delete, cancel, list the input items.

Wire reference, sections 1.2 to 1.4. An id of somebody else answers exactly like an unknown one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from ..api.responses.event_log import EventLog
from ..api.responses.fields import FIELDS
from ..client_side import COST
from ..errors import BadRequest, ExchangeError, NotFound, Overloaded
from ..following import Follower
from ..in_flight import InFlight
from ..pricing.rates import written
from ..pump import ClientStream
from ..reply import Reply
from ..run import Run
from ..stores.keeper import Keeper, store_error
from ..stores.outage import tell
from ..stores.store import Entry, ResponseStore, StoreFailed, StoreUnavailable
from .paging import Page, item_shown, page_of

_log = logging.getLogger("penstock")
_SEALED = "reasoning.encrypted_content"

Query = Mapping[str, list[str]]


class KeptResponses:
    """Answers what is asked of responses: those in flight in this worker, and those that are kept."""

    def __init__(self, store: ResponseStore, keeper: Keeper, in_flight: InFlight) -> None:
        self._store = store
        self._keeper = keeper
        self._in_flight = in_flight

    def is_here(self, id: str, owner: str) -> bool:
        """Tells whether this worker is making a response now."""
        return self._in_flight.get(id, owner) is not None

    async def is_finished(self, id: str, owner: str) -> bool:
        """Tells whether a response is kept as it ended; where the store cannot say now, somebody else may know."""
        try:
            entry = await self._store.get(id, owner)
        except StoreUnavailable:
            return False
        except StoreFailed as error:
            raise _broken(error) from None
        return entry is not None and entry.finished

    async def retrieve(self, id: str, owner: str, query: Query) -> Any:
        """Returns the Response in its present state, with what `include` asks for besides."""
        return (await self._retrieved(id, owner, query))[0]

    async def show(self, id: str, owner: str, query: Query) -> Reply:
        """Answers with the Response in its present state, and with what it has cost, where that is known."""
        response, cost = await self._retrieved(id, owner, query)
        reply = Reply.json(response)
        if cost is not None:
            reply.headers[COST] = written(cost)
        return reply

    async def _retrieved(self, id: str, owner: str, query: Query) -> tuple[Any, Decimal | None]:
        included = _included(query)
        run = self._kept_run(id, owner)
        if run is not None:
            return msgspec.Raw(run.encoder.now()), run.exchange.cost if run.encoder.done else None
        entry = await self._entry(id, owner)
        if _SEALED not in included:
            return entry.response, entry.cost
        fields = msgspec.json.decode(entry.response, type=dict[str, msgspec.Raw])
        return {**fields, "output": entry.output}, entry.cost

    async def delete(self, id: str, owner: str) -> Any:
        """Forgets a response, after cancelling it if need be; returns OpenAI's note that it did."""
        run = self._in_flight.get(id, owner)
        if run is not None:
            await run.cancel()
        self._keeper.forget(id, owner)
        try:
            found = await self._store.delete(id, owner)
        except StoreFailed as error:
            raise _broken(error) from None
        if not found and run is None:
            raise unknown_response(id)
        return {"id": id, "object": "response", "deleted": True}

    async def cancel(self, id: str, owner: str) -> Any:
        """Ends a response that is in flight; returns it as it is then. One that has ended stays as it was."""
        run = self._in_flight.get(id, owner)
        if run is None:
            entry = await self._entry(id, owner)
            if not entry.finished:  # several hosts share the store; who asks again may reach the right one
                raise Overloaded("This response is being made on another host, and can be cancelled there only.")
            return entry.response
        await run.cancel()
        if not run.encoder.done:  # its client had left, or got an error instead; and it is kept nowhere
            raise unknown_response(id)
        return msgspec.Raw(run.encoder.now())

    async def input_items(self, id: str, owner: str, query: Query) -> Any:
        """Returns a page of the request's own items; the newest first unless `order` says otherwise."""
        page = Page.of(query)
        _included(query)  # items are shown as they were sent: what may be asked for besides is there
        run = self._kept_run(id, owner)
        items = run.exchange.input_items if run is not None else (await self._entry(id, owner)).input
        return page_of(items, page, item_shown)

    async def stream(self, id: str, owner: str, query: Query) -> Follow:
        """Returns a way to read the stream of a response, from behind `starting_after` on."""
        after = _starting_after(query)
        run = self._kept_run(id, owner)
        if run is not None and run.exchange.keeps_log:
            return Follow(run, None, after)
        try:
            kept = await self._store.log(id, owner)
        except StoreFailed as error:
            raise _broken(error) from None
        if not kept and (late := self._keeper.late(id, owner)) is not None:
            kept = late.log
        if kept:
            try:
                return Follow(None, EventLog.from_bytes(kept), after)
            except ValueError as error:
                _log.error("the event log of response %s is damaged: %s", id, error)
        elif run is None:
            await self._entry(id, owner)
        raise BadRequest(
            "The events of this response cannot be read again: it was not created with stream=true, or too long ago.",
            param="stream",
            code="unsupported_value",
        )

    def _kept_run(self, id: str, owner: str) -> Run | None:
        """Returns the run of a response in flight that may be read; with `store: false` there is nothing to read."""
        run = self._in_flight.get(id, owner)
        return run if run is not None and run.exchange.keeps else None

    async def _entry(self, id: str, owner: str) -> Entry:
        entry = await self._get(id, owner)
        if entry is not None and not entry.finished:  # not in flight here or, as has been asked, elsewhere
            await self._keeper.reap()
            entry = self._keeper.late(id, owner) or await self._get(id, owner)
        if entry is None:
            raise unknown_response(id)
        return entry

    async def _get(self, id: str, owner: str) -> Entry | None:
        try:
            return await self._store.get(id, owner)
        except StoreFailed as error:
            raise _broken(error) from None


class Follow:
    """A stream that is read again: of a run in flight, or of a log that is complete."""

    def __init__(self, run: Run | None, log: EventLog | None, starting_after: int) -> None:
        self._run = run
        self._log = log
        self._after = starting_after

    async def to(self, client: ClientStream) -> None:
        """Writes it to a client, which must be open; returns at its end."""
        if self._run is not None:
            await self._run.follow(client, self._after)
        elif self._log is not None:
            follower = Follower(self._log, client, self._log.position_after(self._after))
            follower.stop()
            await follower.run()


def _included(query: Query) -> set[str]:
    values = [*query.get("include", ()), *query.get("include[]", ())]
    names = [one for value in values for one in value.split(",") if one]
    FIELDS["include"].read(msgspec.Raw(msgspec.json.encode(names)), "include")
    return set(names)


def _starting_after(query: Query) -> int:
    said = (query.get("starting_after") or ["-1"])[-1]
    if said != "-1" and not (said.isascii() and said.isdecimal() and len(said) < 16):
        raise BadRequest(
            "Invalid 'starting_after': expected the sequence number of an event.",
            param="starting_after",
            code="invalid_value",
        )
    return int(said)


def unknown_response(id: str) -> NotFound:
    """A response is not there, or not the caller's."""
    return NotFound(f"Response with id '{id[:100]}' not found.")


def _broken(error: StoreFailed) -> ExchangeError:
    tell(error)
    return store_error(error)
