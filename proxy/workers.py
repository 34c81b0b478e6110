"""Several processes on one port: started, watched, started again when one dies, stopped together.

Each worker listens on a socket of its own with SO_REUSEPORT, so that the kernel spreads connections. The first worker
to be forked inherits what was loaded; memory that nobody writes stays shared.

A worker whose supervisor is gone, however it went, stops: nobody else would stop it, and it would keep its share of the
port beside those that come after it.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable

_log = logging.getLogger("penstock")
_STARTS = 3
_SHORT_LIFE_S = 5.0
_MAX_PAUSE_S = 30.0


class Supervisor:
    """Runs `count` worker processes; each runs `work(index)` and exits with what it returns.

    A worker that dies is started again, after a pause that grows while it keeps dying young. When none of them can even
    start, three times in a row, that is given up: whoever started the supervisor is told by the exit code.
    """

    def __init__(self, count: int, work: Callable[[int], int]) -> None:
        self._count = count
        self._work = work
        self._pids: dict[int, tuple[int, float]] = {}  # index and moment of start, by process id
        self._deaths = [0] * count
        self._failed_starts = [0] * count
        self._stopping = False
        self._alive = os.pipe()  # workers read the one end, which ends when the supervisor, who holds the other, does

    def run(self) -> int:
        """Runs until a signal stops it; returns the exit code."""
        handled = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
        signal.pthread_sigmask(signal.SIG_BLOCK, handled)
        due: dict[int, float] = dict.fromkeys(range(self._count), 0.0)
        code = 0
        while due or self._pids:
            now = time.monotonic()
            for index in [index for index, moment in due.items() if moment <= now]:
                del due[index]
                self._start(index, handled)
            wait = min(due.values(), default=now + 3600) - now
            received = signal.sigtimedwait(handled, max(0.0, wait))
            if received is not None and received.si_signo in (signal.SIGTERM, signal.SIGINT):
                self._stopping = True
                due.clear()
                self._tell(signal.SIGTERM)
            for index, status in self._reap():
                if self._stopping:
                    code = code or _exit_code(status)
                elif min(self._failed_starts) >= _STARTS:
                    _log.error("no worker can start: giving up")
                    self._stopping, code = True, status
                    due.clear()
                    self._tell(signal.SIGTERM)
                else:
                    due[index] = time.monotonic() + self._pause(index)
        return code

    def _start(self, index: int, blocked: tuple[signal.Signals, ...]) -> None:
        pid = os.fork()
        if pid:
            self._pids[pid] = (index, time.monotonic())
            return
        code = 1
        try:
            os.close(self._alive[1])
            threading.Thread(target=_stop_at_end, args=(self._alive[0],), daemon=True).start()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
            code = self._work(index)
        except BaseException as error:  # the bottom of a process: there is nobody else to tell
            _log.error("worker %d failed", index, exc_info=error)
        finally:
            os._exit(code)

    def _tell(self, number: signal.Signals) -> None:
        for pid in self._pids:
            os.kill(pid, number)

    def _reap(self) -> list[tuple[int, int]]:
        """Returns index and exit code of the workers that have ended."""
        ended: list[tuple[int, int]] = []
        while self._pids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            if pid not in self._pids:
                continue
            index, started = self._pids.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            died_young = time.monotonic() - started < _SHORT_LIFE_S
            self._deaths[index] = self._deaths[index] + 1 if died_young else 0
            self._failed_starts[index] = self._failed_starts[index] + 1 if died_young and code > 0 else 0
            if not self._stopping:
                _log.error("worker %d (process %d) ended with %d", index, pid, code)
            ended.append((index, code))
        return ended

    def _pause(self, index: int) -> float:
        return min(_MAX_PAUSE_S, 0.1 * 2 ** min(10, self._deaths[index])) if self._deaths[index] else 0.0


def _stop_at_end(alive: int) -> None:
    """Waits for the end of the pipe, in a thread of its own; then tells this process to stop."""
    os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _exit_code(status: int) -> int:
    """Returns what a worker's end means for the whole: one that was told to stop before it could listen did well."""
    return 0 if status == -signal.SIGTERM else abs(status)
