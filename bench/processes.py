"""The processes of a run: started on cores of their own, their CPU time read from outside, ended by their ids."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from .instructions import Counters, Counts

ROOT = Path(__file__).resolve().parent.parent
_PATIENCE_S = 20.0
_LAST_WORDS_S = 3.0


class StartFailed(Exception):
    """A process of the bench did not start; the message has its last words."""


class Watched:
    """A process whose CPU time and memory are read from outside, with all below it; of none (None) nothing is known."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self._counters = Counters(pid) if pid is not None else None

    def cpu_s(self) -> float | None:
        """Returns the CPU time, user and system, of the process and all below it."""
        return sum(map(_cpu_s, self._tree())) if self._pid is not None else None

    def counts(self) -> Counts:
        """Returns the instructions and cycles of the process so far, where they can be counted."""
        return self._counters.read() if self._counters is not None else Counts()

    def reset_peak(self) -> int:
        """Begins to watch the memory anew; returns what the process and those below it have resident now, in kB."""
        for pid in self._tree():
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")
        return self.peak_kb()

    def peak_kb(self) -> int:
        """Returns the most memory that the process and those below it have had resident since then, in kB."""
        return sum(_kb(pid, "VmHWM") for pid in self._tree())

    def resident_kb(self) -> int:
        """Returns the memory that the process and those below it have resident now, in kB."""
        return sum(_kb(pid, "VmRSS") for pid in self._tree())

    def _tree(self) -> list[int]:
        return tree(self._pid) if self._pid is not None else []

    def end(self) -> None:
        """Looks at it no longer; what was not started here runs on."""
        if self._counters is not None:
            self._counters.close()
            self._counters = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


class Process(Watched):
    """One child process, of a command of which `python` is this one. What it says on standard error goes to a file.

    `environment` is added to this process's own. With `quiet` what it says on standard output goes there too:
    programs that nobody listens to would stop.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        errors: Path,
        cores: set[int] | None = None,
        environment: Mapping[str, str] | None = None,
        quiet: bool = False,
    ) -> None:
        self._command = [sys.executable if command[0] == "python" else command[0], *command[1:]]
        self._errors = errors
        # a session of its own: Ctrl-C reaches the bench alone, which then ends its children itself
        with errors.open("wb") as log:
            self._child = subprocess.Popen(
                self._command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=log if quiet else subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        if cores:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(self._child.pid, cores)
        super().__init__(self._child.pid)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._child.pid

    def port(self, ready: str) -> int:
        """Waits for the line that says which port is served, the group of `ready`; raises StartFailed without it."""
        assert self._child.stdout is not None
        pattern = re.compile(ready.encode())
        said = b""
        deadline = time.monotonic() + _PATIENCE_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                if not selector.select(deadline - time.monotonic()):
                    break
                data = os.read(self._child.stdout.fileno(), 4096)
                said += data
                if found := pattern.search(said):
                    return int(found[1])
                if not data:
                    break
        raise StartFailed(f"{self._command} does not serve: {said.decode()}{self.errors()}")

    def wait_for(self, port: int, patience_s: float) -> int:
        """Waits until the process listens on the port it was given; raises StartFailed when it does not."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and self._child.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.05)  # there is no word of it that could be waited for
            else:
                return port
        raise StartFailed(f"{self._command} does not listen on port {port}: {self.errors()}")

    def errors(self) -> str:
        """Returns the end of what the process wrote to its standard error."""
        return self._errors.read_text(errors="replace")[-2000:]

    def talk(self, data: bytes, timeout_s: float) -> bytes:
        """Gives the process its input and returns its output; raises StartFailed when it fails or is too late."""
        try:
            out, _ = self._child.communicate(data, timeout_s)
        except subprocess.TimeoutExpired:
            raise StartFailed(f"{self._command} did not end within {timeout_s:g} s: {self.errors()}") from None
        if self._child.returncode:
            raise StartFailed(f"{self._command} failed: {self.errors()}")
        return out

    def end(self) -> None:
        """Ends the process: by a word, and if that does not help by force."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(_LAST_WORDS_S)
            except subprocess.TimeoutExpired:
                for pid in reversed(tree(self.pid)):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, 9)
                self._child.wait()
        super().end()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def tree(pid: int) -> list[int]:
    """Returns the ids of a process and of all that stem from it."""
    found = [pid]
    for parent in found:
        for task in _tasks(parent):
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{parent}/task/{task}/children").read_text().split())
    return found


def _tasks(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def _cpu_s(pid: int) -> float:
    try:
        # Linux: the CPU clock of another process, in ns (/proc counts in hundredths of a second)
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def _kb(pid: int, what: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(rf"{what}:\s+(\d+)", status)
    return int(found[1]) if found else 0


def cores() -> tuple[set[int], set[int]]:
    """Returns the cores for the proxy and those for everything around it; one core serves both."""
    free = sorted(os.sched_getaffinity(0))
    return ({free[-1]}, set(free[:-1])) if len(free) > 1 else (set(free), set(free))
