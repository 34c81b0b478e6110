"""Counts the instructions that a process executes: a figure that does not move when the machine is busy.

Linux alone has it (perf_event_open(2)), and not everywhere: in many containers and virtual machines it is forbidden or
missing. `Counter.open` then gives None, and the bench shows times only.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

_SYSCALL = {"x86_64": 298, "aarch64": 241}
_SIZE = 128  # of struct perf_event_attr
_HARDWARE, _INSTRUCTIONS = 0, 1
_INHERIT, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6


class Counter:
    """Counts user-space instructions of one process's main thread, and of threads that it starts from now on."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def open(cls, pid: int = 0) -> Counter | None:
        """Returns a running counter of a process (0: this one), or None where there is none to be had."""
        number = _SYSCALL.get(platform.machine())
        if platform.system() != "Linux" or number is None:
            return None
        attributes = bytearray(_SIZE)
        struct.pack_into("=IIQ", attributes, 0, _HARDWARE, _SIZE, _INSTRUCTIONS)
        struct.pack_into("=Q", attributes, 40, _INHERIT | _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR)
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
        """Returns the instructions so far."""
        count: int = struct.unpack("=Q", os.read(self._fd, 8))[0]
        return count

    def close(self) -> None:
        """Gives the counter back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _counts(counter: Counter) -> bool:
    """Tells whether a counter moves: some machines let it be opened and never count."""
    before = counter.read()
    sum(range(1000))
    return counter.read() > before
