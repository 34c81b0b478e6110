"""Rows that are chained by hashes, so that a change to any of them shows.

Each row ends with `seq`, counting from 0, `prev`, the hash of the row before it (64 zeros for the first), and `hash`,
its own: over its line up to the comma before `hash`. All workers of a file write one chain: a row is linked while its
writer holds the file's lock alone. The chain goes on over rotation and restarts; `FILE.anchor` holds number and hash of
the last row.

What was cut off, by `kill -9` or a full disk, stays where it is: the row after it has the hash of it as `torn`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

GENESIS = "0" * 64
_BLOCK = 64 * 1024
_LONGEST = 64 * 1024 * 1024


class Link(msgspec.Struct):
    """What ties a row to the one before it."""

    seq: int
    prev: str
    hash: str
    torn: str | None = None


class Anchor(msgspec.Struct):
    """Number and hash of the last row."""

    seq: int
    hash: str


_decode_link = msgspec.json.Decoder(Link).decode
_decode_anchor = msgspec.json.Decoder(Anchor).decode


def hasher(key: str | None) -> Callable[[bytes], str]:
    """Returns what makes hashes: SHA-256, with a key HMAC-SHA-256."""
    if key is None:
        return lambda data: hashlib.sha256(data).hexdigest()
    secret = key.encode()
    return lambda data: hmac.digest(secret, data, "sha256").hex()


def link_of(row: bytes) -> Link | None:
    """Returns what ties a row to the one before it; None when it is no row of a chain."""
    try:
        link = _decode_link(row)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return link if row.endswith(_ending(link.hash)) else None


def hashed_part(row: bytes) -> bytes:
    """Returns what the hash of a row is over."""
    return row[: -len(_ending(GENESIS))]


def _ending(digest: str) -> bytes:
    return b',"hash":"%b"}' % digest.encode()


def read_anchor(path: Path) -> Anchor | None:
    """Returns what an anchor says; None when it is not there, or says nothing. Raises OSError."""
    try:
        return _decode_anchor(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def anchor_of(path: Path) -> Path:
    """Returns where the anchor of a file is."""
    return path.with_name(f"{path.name}.anchor")


class Chain:
    """The chain of one file. Its methods are called while the file's lock is held alone."""

    def __init__(self, path: Path, key: str | None = None, *, sync: bool = False) -> None:
        self._path = path
        self._hash = hasher(key)
        self._sync = sync
        self._at = (-1, -1, -1)  # device, inode and size of the file where this process has left it
        self._seq = 0
        self._prev = GENESIS
        self._torn: str | None = None
        self._mend = False  # the file ends in the middle of a line
        self._anchor_fd = -1

    def open(self) -> None:
        """Opens the anchor; raises OSError."""
        self._anchor_fd = os.open(anchor_of(self._path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def close(self) -> None:
        """Closes it."""
        if self._anchor_fd >= 0:
            os.close(self._anchor_fd)
            self._anchor_fd = -1

    def link(self, fd: int, rows: Sequence[bytes]) -> bytes:
        """Returns rows, each ending in `}` and a line feed, as they are to be written next. Raises OSError."""
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino, status.st_size) != self._at:
            self._find_end()
        else:
            self._mend = False
        self._at = (-1, -1, -1)  # until they are written
        out = [b"\n"] if self._mend else []
        for row in rows:
            torn = b"" if self._torn is None else b',"torn":"%b"' % self._torn.encode()
            linked = b'%b,"seq":%d,"prev":"%b"%b' % (row[:-2], self._seq, self._prev.encode(), torn)
            self._prev, self._torn = self._hash(linked), None
            self._seq += 1
            out += (linked, _ending(self._prev), b"\n")
        return b"".join(out)

    def written(self, fd: int) -> None:
        """Moves the anchor behind what has been written. Raises OSError."""
        if self._sync:
            os.fdatasync(fd)
        anchor = b'{"seq":%20d,"hash":"%b"}\n' % (self._seq - 1, self._prev.encode())
        os.pwrite(self._anchor_fd, anchor, 0)
        if self._sync:
            os.fdatasync(self._anchor_fd)
        status = os.fstat(fd)
        self._at = (status.st_dev, status.st_ino, status.st_size)

    def _find_end(self) -> None:
        """Finds out where the chain has got to: what the file says, or the anchor where that is further."""
        link, rest = self._last_link()
        anchor = read_anchor(anchor_of(self._path))
        torn = rest.removeprefix(b"\n").removesuffix(b"\n")
        self._mend = not rest.endswith(b"\n") and (bool(rest) or link is not None)
        self._torn = self._hash(torn) if torn else None
        if link is not None and (anchor is None or link.seq >= anchor.seq):
            self._seq, self._prev = link.seq + 1, link.hash
        elif anchor is not None:
            self._seq, self._prev = anchor.seq + 1, anchor.hash
        else:
            self._seq, self._prev = 0, GENESIS

    def _last_link(self) -> tuple[Link | None, bytes]:
        """Returns the last row that is whole, if there is one, and what stands behind it: a line feed at least, but for
        one that was cut off right there. Raises OSError.
        """
        tail = b""
        with self._path.open("rb") as file:
            position = file.seek(0, os.SEEK_END)
            while True:
                begin = end = len(tail)
                while begin:
                    begin = tail.rfind(b"\n", 0, end) + 1
                    if begin == 0 and position:
                        break  # its beginning is not read yet
                    link = link_of(tail[begin:end])
                    if link is not None and self._hash(hashed_part(tail[begin:end])) == link.hash:
                        return link, tail[end:]
                    end = begin - 1
                if not position or len(tail) >= _LONGEST:
                    return None, tail
                step = min(_BLOCK, position)
                position -= step
                file.seek(position)
                tail = file.read(step) + tail
