"""Several processes that serve one address: started, watched, started again when one dies, stopped together.

All of them are forked from one that has loaded everything: memory that nobody writes stays shared. A signal has them
change to another assignment (`rollout.py`); there may be more or fewer of them then.

A worker whose supervisor is gone, however it went, stops: nobody else would stop it, and it would keep its share of the
port beside those that come after it.
"""

from __future__ import annotations

import itertools
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable

import msgspec

from .rollout import LEAVE, REFUSED_FILE, USED, Assignment, Rollout, pair, tell
from .terminal import Terminal

_log = logging.getLogger("penstock")
_STARTS = 3
_SHORT_LIFE_S = 5.0
_MAX_PAUSE_S = 30.0
_LOOK_S = 0.02
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)


class _Child(msgspec.Struct):
    """A worker that runs: its number, when it was started, the line to it, and whether it was told to leave."""

    index: int
    started: float
    line: socket.socket
    leaves: bool = False


class Supervisor:
    """Runs worker processes as an assignment says.

    A worker that dies is started again, after a pause that grows while it keeps dying young. When none of them can even
    start, three times in a row, that is given up: whoever started the supervisor is told by the exit code. `again`
    returns the next assignment, or None when all is to stay as it is; without it there is none. `gone` is told the
    number of a worker that has ended.
    """

    def __init__(
        self,
        assignment: Assignment,
        again: Callable[[], Assignment | None] | None = None,
        gone: Callable[[int], object] | None = None,
    ) -> None:
        self._assignment = assignment
        self._again = again
        self._gone = gone
        self._children: dict[int, _Child] = {}  # by process id
        self._due: dict[int, float] = dict.fromkeys(range(assignment.count), 0.0)  # when each is to be started
        self._deaths: dict[int, int] = {}
        self._failed_starts: dict[int, int] = dict.fromkeys(range(assignment.count), 0)
        self._stopping = False
        self._code = 0
        self._wanted = False
        self._rollout: Rollout | None = None
        self._numbers = itertools.count(1)
        self._terminal = Terminal()
        self._alive = os.pipe()  # workers read the one end, which ends when the supervisor, who holds the other, does

    def run(self) -> int:
        """Runs until a signal stops it; returns the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        while self._due or self._children:
            if self._rollout is None:
                self._start_due()
            received = signal.sigtimedwait(_HANDLED, self._patience_s())
            if received is not None:
                self._take(received.si_signo)
            for index, code in self._reap():
                self._replace(index, code)
            self._go_on()
        return self._code

    def _patience_s(self) -> float:
        if self._rollout is not None:
            return _LOOK_S
        now = time.monotonic()
        return max(0.0, min(self._due.values(), default=now + 3600) - now)

    def _take(self, number: int) -> None:
        hung_up = number == signal.SIGHUP and self._terminal.is_gone()
        if number in (signal.SIGTERM, signal.SIGINT) or hung_up:
            self._stop()
        elif number == signal.SIGHUP:
            self._wanted = True

    def _stop(self) -> None:
        self._stopping = True
        self._due.clear()
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)

    # --- processes

    def _start_due(self) -> None:
        now = time.monotonic()
        for index in [index for index, moment in self._due.items() if moment <= now]:
            del self._due[index]
            self._start(index)

    def _start(self, index: int) -> None:
        ours, theirs = pair()
        pid = os.fork()
        if pid:
            theirs.close()
            self._children[pid] = _Child(index, time.monotonic(), ours)
            return
        code = 1
        try:
            os.close(self._alive[1])
            for line in (ours, *(child.line for child in self._children.values())):
                line.close()
            threading.Thread(target=_stop_at_end, args=(self._alive[0],), daemon=True).start()
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal tells all of its processes
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
            code = self._assignment.work(index, theirs)
        except BaseException as error:  # the bottom of a process: there is nobody else to tell
            _log.error("worker %d failed", index, exc_info=error)
        finally:
            os._exit(code)

    def _reap(self) -> list[tuple[int, int]]:
        """Returns index and exit code of the workers that have ended and were not told to leave."""
        ended: list[tuple[int, int]] = []
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            child = self._children.pop(pid, None)
            if child is None:
                continue
            child.line.close()
            if self._gone is not None:
                self._gone(child.index)
            code = os.waitstatus_to_exitcode(status)
            if child.leaves and not self._stopping:
                _log.info("worker %d has left", child.index)
                continue
            self._note_death(child, code)
            if not self._stopping:
                _log.error("worker %d (process %d) ended with %d", child.index, pid, code)
            ended.append((child.index, code))
        return ended

    def _note_death(self, child: _Child, code: int) -> None:
        died_young = time.monotonic() - child.started < _SHORT_LIFE_S
        self._deaths[child.index] = self._deaths.get(child.index, 0) + 1 if died_young else 0
        starts = self._failed_starts.get(child.index, 0)
        self._failed_starts[child.index] = starts + 1 if died_young and code > 0 else 0

    def _replace(self, index: int, code: int) -> None:
        if self._stopping:
            self._code = self._code or _exit_code(code)
        elif min(self._failed_starts.values()) >= _STARTS:
            _log.error("no worker can start: giving up")
            self._code = code
            self._stop()
        else:
            self._due[index] = time.monotonic() + self._pause(index)

    def _pause(self, index: int) -> float:
        deaths = self._deaths[index]
        return min(_MAX_PAUSE_S, 0.1 * 2 ** min(10, deaths)) if deaths else 0.0

    # --- another assignment

    def _go_on(self) -> None:
        """Begins with another assignment when one is wanted, and goes on with it."""
        if self._stopping:
            self._rollout = None
            return
        if self._wanted and self._rollout is None:
            self._wanted = False
            assignment = self._another()
            if assignment is None:
                self._have_counted(REFUSED_FILE)
                return
            self._rollout = Rollout(assignment, self._lines(), next(self._numbers))
        done = None if self._rollout is None else self._rollout.step()
        if self._rollout is None or done is None:
            return
        assignment, self._rollout = self._rollout.assignment, None
        self._have_counted(USED if done else REFUSED_FILE)
        if not done:
            what = f"{assignment.name} ({assignment.digest})"
            _log.error("%s is not used: a worker cannot start it, and nothing has changed", what)
            return
        self._assignment = assignment
        self._resize()
        _log.info("%s (%s) is used, by %s", assignment.name, assignment.digest, _counted(assignment.count))

    def _lines(self) -> list[socket.socket]:
        """Returns the lines to the workers that are to stay, in their order."""
        staying = [child for child in self._children.values() if not child.leaves]
        return [child.line for child in sorted(staying, key=lambda child: child.index)]

    def _have_counted(self, what: bytes) -> None:
        for line in self._lines()[:1]:
            tell(line, what)

    def _another(self) -> Assignment | None:
        try:
            return None if self._again is None else self._again()
        except Exception as error:  # whatever is wrong with the new one, those who run must not suffer from it
            _log.error("nothing has changed", exc_info=error)
            return None

    def _resize(self) -> None:
        """Has as many workers as the assignment says: the last ones leave when what they do is done."""
        pids = {child.index: pid for pid, child in self._children.items() if not child.leaves}
        serving = sorted({*pids, *self._due})
        for index in serving[self._assignment.count :]:
            self._due.pop(index, None)
            del self._failed_starts[index]
            if index in pids:
                child = self._children[pids[index]]
                child.leaves = True
                tell(child.line, LEAVE)
        taken = {*serving, *(child.index for child in self._children.values())}
        free = (index for index in itertools.count() if index not in taken)  # nobody has the number of one that leaves
        for index in itertools.islice(free, max(0, self._assignment.count - len(serving))):
            self._due[index] = 0.0
            self._failed_starts[index] = 0


def _counted(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


def _stop_at_end(alive: int) -> None:
    """Waits for the end of the pipe, in a thread of its own; then tells this process to stop."""
    os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _exit_code(status: int) -> int:
    """Returns what a worker's end means for the whole: one that was told to stop before it could listen did well."""
    return 0 if status == -signal.SIGTERM else abs(status)
