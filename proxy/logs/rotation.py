"""When a file of lines ends and a new one begins, with several processes writing to it.

Whoever writes holds the lock shared, and looks first whether the file is still the one of that name; whoever rotates
holds it alone. So nothing is written to a file that has been put away, and it can be compressed at leisure.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .config import RotateConfig

_log = logging.getLogger("penstock")
_STAMP = r"\.\d{8}T\d{6}\.\d{6}Z"


class FileLock:
    """A lock between processes, beside the file that it is for: `.NAME.lock`."""

    def __init__(self, path: Path, name: str = "lock") -> None:
        self._path = path.with_name(f".{path.name}.{name}")
        self._fd = -1

    def open(self) -> None:
        """Makes the lock's file; raises OSError."""
        self._fd = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Holds it together with others."""
        fcntl.flock(self._fd, fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Holds it against all others."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def take(self) -> bool:
        """Takes it alone until it is closed, if nobody holds it."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Lets go of it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Rotation:
    """Puts a file away when it is large or old enough: `NAME.20261122T035559.000000Z`, compressed with `.gz`."""

    def __init__(self, path: Path, config: RotateConfig, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._config = config
        self._clock = clock
        self._tidying: threading.Thread | None = None

    def is_due(self, fd: int, more: int) -> bool:
        """Tells whether so many bytes more belong into a new file. What a file was last written says how old it is."""
        status = os.fstat(fd)
        if not status.st_size:
            return False
        size, every = self._config.size, self._config.every
        if size is not None and status.st_size + more > size:
            return True
        return every is not None and status.st_mtime // every != self._clock() // every

    def put_away(self) -> None:
        """Renames the file; the lock must be held alone. Raises OSError."""
        moment = self._clock()
        while True:
            whole = time.strftime("%Y%m%dT%H%M%S", time.gmtime(moment))
            there = self._path.with_name(f"{self._path.name}.{whole}.{int(moment % 1 * 1e6):06}Z")
            if not there.exists() and not there.with_name(f"{there.name}.gz").exists():
                break
            moment += 1e-3
        self._path.rename(there)

    def tidy(self) -> None:
        """Compresses and removes old files, in a thread of its own; where one does, in this process or another, it
        will find these too, now or the next time.
        """
        if self._tidying is None or not self._tidying.is_alive():
            self._tidying = threading.Thread(target=self._tidy, name="penstock-log-tidy", daemon=True)
            self._tidying.start()

    def join(self, timeout_s: float) -> None:
        """Waits for the thread that tidies."""
        if self._tidying is not None:
            self._tidying.join(timeout_s)

    def old_files(self) -> list[Path]:
        """Returns the files that were put away, oldest first."""
        named = re.compile(re.escape(self._path.name) + _STAMP + r"(?:\.gz)?")
        return sorted(path for path in self._path.parent.iterdir() if named.fullmatch(path.name))

    def _tidy(self) -> None:
        lock = FileLock(self._path, "tidy")
        try:
            lock.open()
            if lock.take():
                old = self.old_files()
                keep = self._config.files
                for path in old[:-keep] if keep else ():
                    path.unlink(missing_ok=True)
                if self._config.compress:
                    for path in self.old_files():
                        _compress(path)
        except OSError as error:
            _log.error("old files of %s cannot be tidied: %s", self._path, error.strerror or error)
        finally:
            lock.close()


def _compress(path: Path) -> None:
    if path.suffix == ".gz":
        return
    part = path.with_name(f".{path.name}.part")
    try:
        with path.open("rb") as source, gzip.open(part, "wb", 6) as target:
            shutil.copyfileobj(source, target, 256 * 1024)
        os.chmod(part, path.stat().st_mode & 0o777)
        part.rename(path.with_name(f"{path.name}.gz"))
        path.unlink()
    except FileNotFoundError:
        part.unlink(missing_ok=True)  # it was too old, for another process
    except OSError:
        part.unlink(missing_ok=True)
        raise
