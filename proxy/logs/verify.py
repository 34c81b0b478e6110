"""Finds the first place where a chain of rows is broken."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec

from .chain import GENESIS, Anchor, Link, hashed_part, hasher, link_of


class Verdict(msgspec.Struct):
    """What became of a chain. `broken` is what is wrong at the first broken place, and None when nothing is."""

    rows: int = 0
    first: int | None = None
    last: int | None = None
    broken: str | None = None
    notes: list[str] = []


class _Broken(Exception):
    """The chain is broken; the message says where and how."""


class _Walk:
    """The way along a chain."""

    def __init__(self, key: str | None, anchor: Anchor | None) -> None:
        self.verdict = Verdict()
        self._hash: Callable[[bytes], str] = hasher(key)
        self._anchor = anchor
        self._prev = ""
        self._before = ""  # where the last row stands
        self._odd: list[bytes] = []  # lines that are no rows
        self._odd_at = ""
        self._open = False  # the last line has no end

    def line(self, where: str, line: bytes) -> None:
        """Takes the next line; raises _Broken."""
        whole = line.endswith(b"\n")
        self._open = not whole
        row = line[:-1] if whole else line
        link = link_of(row)
        if link is None:
            self._odd_at = self._odd_at or where
            self._odd.append(row)
            return
        self._check(where, row, link)
        self._odd, self._odd_at = [], ""
        verdict = self.verdict
        verdict.rows += 1
        verdict.first = link.seq if verdict.first is None else verdict.first
        verdict.last = link.seq
        self._prev, self._before = link.hash, where
        if self._anchor is not None and link.seq == self._anchor.seq and link.hash != self._anchor.hash:
            raise _Broken(f"{where}: row {link.seq} was made anew: the anchor has another hash")

    def _check(self, where: str, row: bytes, link: Link) -> None:
        last = self.verdict.last
        if self._odd:
            if link.torn != self._hash(b"\n".join(self._odd)):
                raise _Broken(f"{self._odd_at}: no row of the chain: inserted or changed")
            self.verdict.notes.append(f"{self._odd_at}: torn: a write was cut off there; row {link.seq} says so")
        elif link.torn is not None:
            raise _Broken(f"{where}: the torn line before row {link.seq} was removed or changed")
        if self._hash(hashed_part(row)) != link.hash:
            raise _Broken(f"{where}: row {link.seq} was changed: it has another hash (or the key is not this one)")
        if last is None:
            if link.seq == 0 and link.prev != GENESIS:
                raise _Broken(f"{where}: row 0 was changed: nothing can come before it")
            if link.seq:
                self.verdict.notes.append(f"{where}: begins with row {link.seq}; earlier ones are not in these files")
        elif link.seq <= last:
            raise _Broken(f"{where}: row {link.seq} comes after row {last}: inserted, repeated or moved")
        elif link.seq > last + 1:
            missing = f"row {last + 1} is" if link.seq == last + 2 else f"rows {last + 1} to {link.seq - 1} are"
            raise _Broken(f"{where}: {missing} missing before this line: removed")
        elif link.prev != self._prev:
            raise _Broken(f"{self._before}: row {last} was made anew: row {link.seq} behind it has another hash")

    def end(self) -> None:
        """Compares the end with the anchor; raises _Broken."""
        last, anchor = self.verdict.last, self._anchor
        if anchor is not None and (last is None or anchor.seq > last):
            at = self._before or "the beginning"
            what = f"; {self._odd_at} is torn or changed" if self._odd else ""
            first = 0 if last is None else last + 1
            raise _Broken(f"after {at}: rows {first} to {anchor.seq} are missing at the end: truncated{what}")
        if self._odd and not self._open:
            raise _Broken(f"{self._odd_at}: no row of the chain: inserted or changed")
        if self._odd:
            self.verdict.notes.append(f"{self._odd_at}: torn: a write was cut off there, and nothing follows")
        if anchor is None:
            self.verdict.notes.append("without an anchor it is open whether rows are missing at the end")
        elif last is not None and anchor.seq < last:
            self.verdict.notes.append(f"the anchor is at row {anchor.seq}: the last write was not finished")


def verify(files: Sequence[Path], key: str | None = None, anchor: Anchor | None = None) -> Verdict:
    """Walks along the chain in files, in the order of their rows. Raises OSError for what cannot be read."""
    walk = _Walk(key, anchor)
    # one that is there both ways was being compressed
    plain = [path for path in files if path.suffix != ".gz" or path.with_suffix("") not in files]
    try:
        for path in sorted(plain, key=_first_row):
            for number, line in enumerate(_lines(path), 1):
                walk.line(f"{path}:{number}", line)
        walk.end()
    except _Broken as broken:
        walk.verdict.broken = str(broken)
    return walk.verdict


def _first_row(path: Path) -> tuple[float, str]:
    """Returns what files are sorted by: the number of the first row; those without any come last."""
    links = (link_of(line.removesuffix(b"\n")) for line in _lines(path))
    return next((float(link.seq) for link in links if link is not None), float("inf")), path.name


def _lines(path: Path) -> Iterator[bytes]:
    with _opened(path) as file:
        yield from file


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
