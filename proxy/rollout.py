"""One new configuration on its way into all workers: prepared by one after the other, then taken by all at once.

So only one worker at a time is busy with it, and when one of them cannot use it, none has changed. Supervisor and
worker talk over a pair of sockets that keeps messages apart.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

_log = logging.getLogger("penstock")
PREPARE = b"prepare "
"""Followed by the digest of the configuration that the supervisor has found right."""
COMMIT = b"commit"
DROP = b"drop"
USED = b"used"
REFUSED_FILE = b"refused file"
"""What came of reading the file again, for one worker to count."""
LEAVE = b"leave"
"""Has a worker stop that is one too many: others take its place."""
READY = b"ready"
REFUSED = b"refused"
_LONGEST = 128
_PREPARED_WITHIN_S = 120.0


class Plan(msgspec.Struct, frozen=True):
    """What workers are to do: so many of them, each running `work(index, line)`, which returns an exit code.

    `name` says in messages what it is, `digest` tells it from any other.
    """

    count: int
    work: Callable[[int, socket.socket], int]
    name: str = ""
    digest: str = ""


class Rollout:
    """A plan that workers are to change to, each at the other end of one of the `lines`. Nothing here waits."""

    def __init__(self, plan: Plan, lines: Sequence[socket.socket], clock: Callable[[], float] = time.monotonic) -> None:
        self.plan = plan
        self._waiting = list(lines)
        self._ready: list[socket.socket] = []
        self._asked: socket.socket | None = None
        self._clock = clock
        self._until = 0.0

    def step(self) -> bool | None:
        """Goes on as far as it can; returns whether all have taken the plan, or None as long as that is open."""
        while True:
            if self._asked is not None:
                answer = self._answer(self._asked)
                if answer is None:
                    return None
                if answer != READY:
                    self.drop()
                    return False
                self._ready.append(self._asked)
                self._asked = None
            if not self._waiting:
                break
            self._asked = self._waiting.pop(0)
            self._until = self._clock() + _PREPARED_WITHIN_S
            tell(self._asked, PREPARE + self.plan.digest.encode())
        for line in self._ready:
            tell(line, COMMIT)
        return True

    def drop(self) -> None:
        """Gives it up: those that have prepared it need it no more."""
        for line in (*self._ready, *([] if self._asked is None else [self._asked])):
            tell(line, DROP)

    def _answer(self, line: socket.socket) -> bytes | None:
        """Returns what a worker has said; None as long as it may still say something."""
        try:
            said = line.recv(_LONGEST, socket.MSG_DONTWAIT)
        except BlockingIOError:
            if self._clock() < self._until:
                return None
            _log.error("a worker does not answer")
            return REFUSED
        except OSError:
            return REFUSED
        return said or REFUSED  # it is gone


def pair() -> tuple[socket.socket, socket.socket]:
    """Returns a new line, by its two ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def tell(line: socket.socket, message: bytes) -> None:
    """Says something to who may be gone."""
    with suppress(OSError):
        line.send(message, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def heard(line: socket.socket) -> bytes:
    """Returns the next message; nothing when there is none, and will be none."""
    try:
        return line.recv(_LONGEST, socket.MSG_DONTWAIT)
    except OSError:
        return b""
