"""Counts the instructions that a process executes: a figure that does not move when the machine is busy.

Linux alone has it (perf_event_open(2)), and not everywhere: in many containers and virtual machines it is forbidden or
missing. `Counter.open` then gives None, and the bench shows times only.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from typing import Literal

import msgspec

_SYSCALL = {"x86_64": 298, "aarch64": 241}
_SIZE = 128  # of struct perf_event_attr
_HARDWARE = 0
_ENABLED, _RUNNING = 1 << 0, 1 << 1  # of the times in what is read
_INHERIT, _EXCLUDE_USER, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1 << 1, 1 << 4, 1 << 5, 1 << 6

What = Literal["instructions", "kernel", "cycles"]
_EVENTS: dict[What, tuple[int, int]] = {
    "instructions": (1, _EXCLUDE_KERNEL),
    "kernel": (1, _EXCLUDE_USER),
    "cycles": (0, 0),
}


class Sample(msgspec.Struct, frozen=True):
    """A count, and for how long (ns) the process ran and was counted: counters are few, and others want them too."""

    count: int
    enabled_ns: int
    counted_ns: int

    def since(self, before: Sample) -> float | None:
        """Returns the count since then, estimated where it was counted for a part of the time; None for none."""
        counted_ns = self.counted_ns - before.counted_ns
        if counted_ns <= 0:
            return None
        return (self.count - before.count) * (self.enabled_ns - before.enabled_ns) / counted_ns


class Counter:
    """Counts what one process's main thread does, and threads that it starts from now on.

    That is instructions in user space, or those of the `kernel`, or `cycles` of both.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def open(cls, pid: int = 0, what: What = "instructions") -> Counter | None:
        """Returns a running counter of a process (0: this one), or None where there is none to be had."""
        number = _SYSCALL.get(platform.machine())
        if platform.system() != "Linux" or number is None:
            return None
        event, excluded = _EVENTS[what]
        attributes = bytearray(_SIZE)
        struct.pack_into("=IIQ", attributes, 0, _HARDWARE, _SIZE, event)
        struct.pack_into("=Q", attributes, 32, _ENABLED | _RUNNING)
        struct.pack_into("=Q", attributes, 40, _INHERIT | excluded | _EXCLUDE_HYPERVISOR)
        buffer = (ctypes.c_char * _SIZE).from_buffer(attributes)
        fd = ctypes.CDLL(None, use_errno=True).syscall(number, buffer, pid, -1, -1, 0)
        if fd < 0:
            return None
        counter = cls(fd)
        if pid == 0 and not _counts(counter):
            counter.close()
            return None
        return counter

    def read(self) -> int:
        """Returns the count so far."""
        return self.sample().count

    def sample(self) -> Sample:
        """Returns the count so far, and for how long it was to be counted and was."""
        return Sample(*struct.unpack("=QQQ", os.read(self._fd, 24)))

    def close(self) -> None:
        """Gives the counter back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Counts(msgspec.Struct, frozen=True):
    """What a process has done so far; None is what cannot be counted here."""

    instructions: Sample | None = None
    kernel: Sample | None = None
    cycles: Sample | None = None

    def per(self, before: Counts, units: int) -> tuple[float | None, float | None, float | None]:
        """Returns what was done since then for each of `units`: instructions, the kernel's, cycles."""

        def one(now: Sample | None, then: Sample | None) -> float | None:
            count = now.since(then) if now is not None and then is not None else None
            return count / units if count is not None else None

        return (
            one(self.instructions, before.instructions),
            one(self.kernel, before.kernel),
            one(self.cycles, before.cycles),
        )


class Counters:
    """All counters of a process that are to be had."""

    def __init__(self, pid: int) -> None:
        self._counters = {what: Counter.open(pid, what) for what in _EVENTS}

    def read(self) -> Counts:
        """Returns all counts so far."""
        found = {what: None if one is None else one.sample() for what, one in self._counters.items()}
        return Counts(**found)

    def close(self) -> None:
        """Gives the counters back."""
        for one in self._counters.values():
            if one is not None:
                one.close()


def _counts(counter: Counter) -> bool:
    """Tells whether a counter moves: some machines let it be opened and never count."""
    before = counter.read()
    sum(range(1000))
    os.getppid()
    return counter.read() > before
