"""Who works on entries that are not finished: known by files that only a living process keeps locked.

A holder is a file beside the database, locked for as long as its process lives, whichever way that ends; entries name
it by a token. No clock and no process id comes into it: neither a long pause nor a number that is given again makes a
living process look dead, or a dead one alive.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
from pathlib import Path

_INFIX = "-run-"

_forking = threading.Lock()
"""Held while a process is forked, and while a file is opened: so that all open ones are known to the child."""
_open: dict[int, Holder] = {}


class Holder:
    """What shows that this process lives. Its file is made when it is first asked for."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._token = secrets.token_hex(8)
        self._descriptor = -1

    def token(self) -> str:
        """Returns what names it, whose file is then there and locked; raises OSError."""
        if self._descriptor >= 0 and not _is_open(file_of(self._database, self._token), self._descriptor):
            self._let_go()  # somebody has removed the file: another takes its place
        while self._descriptor < 0:
            self._make()
        return self._token

    def close(self) -> None:
        """Removes the file: what is still not finished is abandoned."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):  # whoever finds it later finds it unlocked, and removes it
                file_of(self._database, self._token).unlink()
            self._let_go()

    def _make(self) -> None:
        file = file_of(self._database, self._token)
        with _forking:
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            _open[self._descriptor] = self
        locked = False
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = _is_open(file, self._descriptor)
        except BlockingIOError:
            pass  # somebody takes it for one that was left, and is about to remove it
        finally:
            if not locked:
                self._let_go()

    def _let_go(self) -> None:
        with _forking:
            del _open[self._descriptor]
            os.close(self._descriptor)
            self._descriptor = -1

    def forget(self) -> None:
        """Makes it a new one, without closing the file, in a process that was forked: the entries are not its own."""
        self._token = secrets.token_hex(8)
        self._descriptor = -1


def file_of(database: Path, token: str) -> Path:
    """Returns where the file of a holder is."""
    return database.with_name(f"{database.name}{_INFIX}{token}")


def is_gone(database: Path, token: str) -> bool:
    """Tells whether the process of a holder is gone, and removes the file that it left."""
    if not token.isalnum():
        return True
    file = file_of(database, token)
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # it is somebody else's, or too many files are open: nothing is known of it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: others may look at the same time
    except OSError:
        return False
    else:
        if not _is_open(file, descriptor):
            return False  # it was removed and made again meanwhile
        with contextlib.suppress(OSError):
            file.unlink()
        return True
    finally:
        os.close(descriptor)


def remove_left(database: Path) -> None:
    """Removes the files of all processes that are gone."""
    beginning = database.name + _INFIX
    for file in database.parent.iterdir():
        if file.name.startswith(beginning):
            is_gone(database, file.name.removeprefix(beginning))


def _is_open(file: Path, descriptor: int) -> bool:
    try:
        there = file.stat()
    except OSError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def _forget_all() -> None:
    for descriptor, holder in _open.items():
        os.close(descriptor)
        holder.forget()
    _open.clear()
    _forking.release()


os.register_at_fork(before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_forget_all)
