"""Batches on disk while they cannot be delivered; those of a process that died are found by the next.

A process has a directory of its own in the spool, which it holds by a lock. A directory whose lock is free is nobody's
any more: whoever finds it sends what is in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

_LOCK = ".lock"
_PART = ".part"


class Spool:
    """A directory of batches by name. Blocking: call it from a thread."""

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self._directory = directory
        self._most_bytes = most_bytes
        self._own = directory / secrets.token_hex(6)
        self._lock = -1
        self._adopted: list[tuple[Path, int]] = []

    def open(self) -> None:
        """Makes the process's own directory; raises OSError."""
        self._own.mkdir(parents=True, mode=0o700)
        self._lock = os.open(self._own / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def write(self, name: str, data: bytes) -> Path | None:
        """Keeps a batch; returns its path, or None when there is no room. Raises OSError.

        It is there whole or not at all.
        """
        if self.size() + len(data) > self._most_bytes:
            return None
        path = self._own / name
        part = self._own / f"{name}.{secrets.token_hex(3)}{_PART}"
        try:
            part.write_bytes(data)
            part.rename(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return path

    def size(self) -> int:
        """Returns how many bytes wait in the whole spool, those of other processes included."""
        total = 0
        for directory in self._directories():
            with contextlib.suppress(OSError):
                total += sum(entry.stat().st_size for entry in os.scandir(directory))
        return total

    def adopt(self) -> list[Path]:
        """Returns the batches that dead processes have left, oldest first; they are this one's now."""
        found: list[Path] = []
        for directory in self._directories():
            if directory == self._own or any(directory == one for one, _ in self._adopted):
                continue
            try:
                lock = os.open(directory / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError:
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # its process lives
                os.close(lock)
                continue
            self._adopted.append((directory, lock))
            with contextlib.suppress(OSError):  # its process may just have removed it
                found += [path for path in directory.iterdir() if path.name != _LOCK and path.suffix != _PART]
        return sorted(found, key=lambda path: path.name)

    def close(self) -> None:
        """Lets go of all directories; the empty ones are removed."""
        held = [*self._adopted, (self._own, self._lock)] if self._lock >= 0 else []
        for directory, lock in held:
            with contextlib.suppress(OSError):
                for path in directory.iterdir():
                    if path.suffix == _PART:
                        path.unlink()
                if [path.name for path in directory.iterdir()] == [_LOCK]:
                    (directory / _LOCK).unlink()
                    directory.rmdir()
            os.close(lock)
        self._lock, self._adopted = -1, []

    def _directories(self) -> Iterator[Path]:
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._directory):
                if entry.is_dir():
                    yield Path(entry.path)
