"""Which worker takes the next connection: all wait at one socket, and one that has more than its share lets others go.

The kernel would spread by hashing addresses: with eight workers and 200 streams the busiest has 1.4 times its share
then; without either, three times. And who waits at one socket is not lost when a worker dies or is one too many.
"""

from __future__ import annotations

import asyncio
import logging
import mmap
import socket
from collections.abc import Callable

_log = logging.getLogger("penstock")
_MOST = 65536 // 8
_PAUSE_S = 0.005
_LEEWAY = 3
_NO_ROOM_PAUSE_S = 0.5


class Shares:
    """How many connections each worker has, in memory that is shared by those who are forked from who made it.

    A worker that is not there has none to count: it is no reason to wait.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._cells = memoryview(mmap.mmap(-1, 8 * (most + 1))).cast("q")  # its length, and one more than each has
        self._most = most

    def expect(self, count: int) -> None:
        """Looks from now on at the workers of so many numbers. Only for who made it: nothing here is locked."""
        self._cells[0] = max(self._cells[0], count)

    def enter(self, index: int) -> None:
        """Has a worker take part, with no connection yet."""
        self._cells[index + 1] = 1
        if index >= self._cells[0]:  # where one of a lower number is still about to leave
            self._cells[0] = index + 1

    def leave(self, index: int) -> None:
        """Has a worker take part no longer."""
        self._cells[index + 1] = 0

    def add(self, index: int, change: int) -> None:
        """Counts a worker's connections; one that has left is not counted any more."""
        if self._cells[index + 1]:
            self._cells[index + 1] += change

    @property
    def there(self) -> int:
        """How many workers take part."""
        return sum(map(bool, self._cells[1 : self._cells[0] + 1].tolist()))

    def has_too_many(self, index: int) -> bool:
        """Tells whether another worker should take the next connection: it has less than eight ninths of this one's."""
        own = self._cells[index + 1]
        least = min(filter(None, self._cells[1 : self._cells[0] + 1].tolist()), default=own)
        return own > least + max(_LEEWAY, least >> 3)


class Acceptor:
    """Takes the connections of one worker from a socket at which others wait, too; one at a time: they get theirs.

    A worker that has too many leaves the next one for a moment to the others; then it takes it all the same: they may
    have too much to do.
    """

    def __init__(
        self, listener: socket.socket, factory: Callable[[], asyncio.BaseProtocol], shares: Shares, index: int
    ) -> None:
        self._listener = listener
        self._factory = factory
        self._shares = shares
        self._index = index
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._patient = True

    def start(self) -> None:
        """Begins to take connections."""
        self._shares.enter(self._index)
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Takes no more; those that wait are for the other workers."""
        self._shares.leave(self._index)
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener.fileno())
        self._listener.close()

    def lost(self) -> None:
        """Takes note that a connection is closed."""
        self._shares.add(self._index, -1)

    def _accept(self) -> None:
        if self._patient and self._shares.has_too_many(self._index):
            self._wait(_PAUSE_S)
            return
        self._patient = True
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was faster, or the client has left
        except OSError as error:
            _log.error("no connection can be taken: %s", error.strerror or error)
            self._wait(_NO_ROOM_PAUSE_S)
            return
        sock.setblocking(False)
        self._shares.add(self._index, 1)
        task = self._loop.create_task(self._open(sock))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, sock: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._factory, sock)
        except OSError:
            self.lost()
            sock.close()

    def _wait(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener.fileno())
        self._pause = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._patient = False
        self._loop.add_reader(self._listener.fileno(), self._accept)
