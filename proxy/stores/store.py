"""What is kept of a response, and the interface of what keeps it."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from ..errors import PenstockError

UNFINISHED = ("queued", "in_progress")
"""What responses are of which more is to come."""


class StoreFailed(PenstockError):
    """The store could not do what was asked: no space, no connection, a broken file. Says which and why."""

    told = False
    """Whether the log says so already."""


class StoreUnavailable(StoreFailed):
    """What the store has is out of reach for now: the same call may work later."""


class Entry(msgspec.Struct, kw_only=True):
    """One response as it is kept. Items and the Response are JSON, ready to be sent.

    `owner` is who may see it ("" where nobody is asked for a key). `response` is the Response object in its present
    state. `input` are the request's own items, each with an id, as received; `output` the response's items, reasoning
    items with their `encrypted_content` whether or not the client asked for it: the next turn may need it. `parent`
    is the response it continues. `deployment` is `upstream/model` of what made it; `cost` is in dollars, and
    None where it is not known (yet). Times are Unix seconds.

    `log` is the stream of its events as `EventLog.to_bytes` gives it, b"" when it was not streamed; it is kept until
    `log_until` and read by `ResponseStore.log` alone: entries that were read from a store come without it.
    """

    id: str
    owner: str
    created_at: float
    expires_at: float
    status: str
    model: str
    response: msgspec.Raw
    input: list[msgspec.Raw]
    output: list[msgspec.Raw]
    parent: str | None = None
    deployment: str | None = None
    cost: Decimal | None = None
    log: bytes = b""
    log_until: float = 0.0

    @property
    def finished(self) -> bool:
        """Whether nothing more is to come."""
        return self.status not in UNFINISHED

    @property
    def size(self) -> int:
        """How many bytes its items and its Response take. Hot: once a put."""
        size = len(self.response)
        for item in self.input:  # sum() takes twice as long for a few
            size += len(item)
        for item in self.output:
            size += len(item)
        return size

    def copy(self) -> Entry:
        """Returns an entry that shares nothing that changes, and no part of a larger buffer, with this one."""
        given, output = self.input, self.output
        return msgspec.structs.replace(
            self,
            response=self.response.copy(),  # of items there is mostly one, for which a comprehension takes long
            input=[given[0].copy()] if len(given) == 1 else [item.copy() for item in given],
            output=[output[0].copy()] if len(output) == 1 else [item.copy() for item in output],
        )


class ResponseStore(Protocol):
    """Keeps responses. An owner sees its own; any other id is unknown to it, whether it exists or not.

    What was put is found by the next call, from whichever worker it comes (read-your-writes), as soon as `put` has
    returned. All methods raise StoreFailed.
    """

    async def start(self) -> None:
        """Opens it."""

    async def close(self) -> None:
        """Writes what is still to be written, and closes it."""

    def put(self, entry: Entry) -> Awaitable[None]:
        """Keeps an entry, in the place of one with the same id.

        An entry that is not finished belongs to this process until it is put again.
        """

    async def get(self, id: str, owner: str) -> Entry | None:
        """Returns an entry, or None when the owner has none of that id, or it has expired."""

    async def delete(self, id: str, owner: str) -> bool:
        """Forgets an entry; tells whether there was one."""

    async def chain(self, id: str, owner: str) -> list[Entry] | None:
        """Returns an entry and all before it, the oldest first; None when one of them is not there."""

    async def items(self, ids: Sequence[str], owner: str) -> dict[str, msgspec.Raw]:
        """Returns those items, of any response's input or output, that the owner has."""

    async def log(self, id: str, owner: str) -> bytes:
        """Returns the event log of an entry; b"" when there is none, or its time is over."""

    async def abandoned(self) -> list[Entry]:
        """Returns entries, of any owner, that are not finished and whose process is gone: nobody will finish them."""
