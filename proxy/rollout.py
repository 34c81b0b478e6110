"""One new configuration on its way into all workers: prepared by one after the other, then taken by all at once.

So only one worker at a time is busy with it, and when one of them cannot use it, none has changed. One that has died
before it was asked is passed over: who comes in its place begins with what is used then. One that dies while it
prepares may have died of just that, as others would: it counts as one that cannot.

Supervisor and worker talk over a pair of sockets that keeps messages apart. An answer has the number of the rollout
that it is for: one that comes after its time is not taken for another.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence

import msgspec

_log = logging.getLogger("penstock")
PREPARE = b"prepare "
"""Followed by the rollout's number, a space, and the digest of the configuration as the supervisor has read it."""
COMMIT = b"commit"
DROP = b"drop"
USED = b"used"
REFUSED_FILE = b"refused file"
"""What came of reading the file again, for one worker to count."""
LEAVE = b"leave"
"""Has a worker stop that is one too many: others take its place."""
READY = b"ready "
REFUSED = b"refused "
"""Answers, followed by the number."""
_LONGEST = 128
_PREPARED_WITHIN_S = 120.0


class Assignment(msgspec.Struct, frozen=True):
    """What workers are to do: so many of them, each running `work(index, line)`, which returns an exit code.

    `name` says in messages what it is, `digest` tells it from any other.
    """

    count: int
    work: Callable[[int, socket.socket], int]
    name: str = ""
    digest: str = ""


class Rollout:
    """What workers are to change to, each at the other end of one of the `lines`. Nothing here waits.

    Each has a `number` of its own, which sets it apart from those before.
    """

    def __init__(
        self,
        assignment: Assignment,
        lines: Sequence[socket.socket],
        number: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.assignment = assignment
        self._waiting = list(lines)
        self._number = b"%d" % number
        self._ready: list[socket.socket] = []
        self._asked: socket.socket | None = None
        self._clock = clock
        self._until = 0.0

    def step(self) -> bool | None:
        """Goes on as far as it can; returns whether all have taken it, or None as long as that is open."""
        while True:
            if self._asked is not None:
                answer = self._answer(self._asked)
                if answer is None:
                    return None
                if not answer:
                    self.drop()
                    return False
                self._ready.append(self._asked)
                self._asked = None
            if not self._waiting:
                break
            line = self._waiting.pop(0)
            if tell(line, PREPARE + self._number + b" " + self.assignment.digest.encode()):
                self._asked = line
                self._until = self._clock() + _PREPARED_WITHIN_S
        for line in self._ready:
            tell(line, COMMIT)
        return True

    def drop(self) -> None:
        """Gives it up: those that have prepared it need it no more."""
        for line in (*self._ready, *([] if self._asked is None else [self._asked])):
            tell(line, DROP)

    def _answer(self, line: socket.socket) -> bool | None:
        """Returns whether a worker is ready; None as long as it may still say so."""
        try:
            while said := line.recv(_LONGEST, socket.MSG_DONTWAIT):
                if said in (READY + self._number, REFUSED + self._number):
                    return said.startswith(READY)
        except BlockingIOError:
            if self._clock() < self._until:
                return None
            _log.error("a worker does not answer")
            return False
        except OSError:
            pass
        _log.error("a worker has ended while it started what is new")
        return False


def pair() -> tuple[socket.socket, socket.socket]:
    """Returns a new line, by its two ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def tell(line: socket.socket, message: bytes) -> bool:
    """Says something; returns whether there was somebody to say it to."""
    try:
        line.send(message, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError:
        return False
    return True


def answer_to(prepare: bytes, *, ready: bool) -> bytes:
    """Returns what a worker answers to `PREPARE` with its number and digest."""
    number = prepare.removeprefix(PREPARE).partition(b" ")[0]
    return (READY if ready else REFUSED) + number


def heard(line: socket.socket) -> bytes:
    """Returns the next message; nothing when there is none, and will be none."""
    try:
        return line.recv(_LONGEST, socket.MSG_DONTWAIT)
    except OSError:
        return b""
