"""The first broken place of a chain is named, whatever was done to it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.logs.chain import GENESIS, Anchor, anchor_of, hashed_part, hasher, link_of, read_anchor
from proxy.logs.verify import Verdict, verify
from tests.logs.test_chain import write

Lines = list[bytes]


def judged(path: Path, change: Callable[[Lines], Lines], *, anchor: bool = True) -> str | None:
    lines = path.read_bytes().splitlines(keepends=True)
    changed = path.with_name("changed")
    changed.write_bytes(b"".join(change(lines)))
    broken = verify([changed], None, read_anchor(anchor_of(path)) if anchor else None).broken
    return None if broken is None else broken.replace(str(path.parent) + "/", "")


def made_anew(line: bytes, old: bytes, new: bytes) -> bytes:
    """Returns a row changed by somebody who knows how hashes are made."""
    part = hashed_part(line[:-1]).replace(old, new)
    return b'%b,"hash":"%b"}\n' % (part, hasher(None)(part).encode())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "log", 0, 6)
    return tmp_path / "log"


def test_what_is_right_is_right(path: Path) -> None:
    assert judged(path, lambda lines: lines) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: [*a[:2], a[2].replace(b'"n":2', b'"n":7'), *a[3:]], "changed:3: row 2 was changed"),
        (lambda a: [*a[:5], a[5].replace(b'"n":5', b'"n":7')], "changed:6: row 5 was changed"),
        (lambda a: [made_anew(a[0], GENESIS.encode(), b"1" * 64), *a[1:]], "changed:1: row 0 was changed: nothing"),
        (lambda a: [*a[:2], made_anew(a[2], b'"n":2', b'"n":7'), *a[3:]], "changed:3: row 2 was made anew"),
        (lambda a: [*a[:5], made_anew(a[5], b'"n":5', b'"n":7')], "changed:6: row 5 was made anew"),
        (lambda a: [*a[:2], a[2].replace(b'"hash"', b'"hesh"'), *a[3:]], "changed:3: no row of the chain"),
        (lambda a: [*a[:5], b"{}\n"], "after changed:5: rows 5 to 5 are missing at the end: truncated; changed:6"),
        (lambda a: [*a[:2], *a[3:]], "changed:3: row 2 is missing before this line: removed"),
        (lambda a: [*a[:1], *a[4:]], "changed:2: rows 1 to 3 are missing before this line: removed"),
        (lambda a: a[:4], "after changed:4: rows 4 to 5 are missing at the end: truncated"),
        (lambda a: [], "after the beginning: rows 0 to 5 are missing at the end: truncated"),
        (lambda a: [*a[:5], a[5][:-9]], "rows 5 to 5 are missing at the end: truncated; changed:6 is torn or changed"),
        (lambda a: [*a[:3], a[2], *a[3:]], "changed:4: row 2 comes after row 2: inserted"),
        (lambda a: [*a[:3], b'{"n":9}\n', *a[3:]], "changed:4: no row of the chain: inserted or changed"),
        (lambda a: [*a[:2], a[3], a[2], *a[4:]], "changed:3: row 2 is missing before this line"),
    ],
)
def test_each_change_is_named_at_its_place(path: Path, change: Callable[[Lines], Lines], said: str) -> None:
    broken = judged(path, change)
    assert broken is not None
    assert said in broken


def test_without_an_anchor_the_end_is_open(path: Path) -> None:
    assert judged(path, lambda a: a[:4], anchor=False) is None
    assert "no row of the chain" in str(judged(path, lambda a: [*a[:5], b"{}\n"], anchor=False))
    verdict = verify([path])
    assert verdict.notes == ["without an anchor it is open whether rows are missing at the end"]


def test_a_torn_line_that_the_chain_knows_of_must_stay(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, 0, 2)
    with path.open("ab") as file:
        file.write(b'{"cut')
    write(path, 2, 1)
    assert judged(path, lambda lines: lines) is None
    assert "changed:3: the torn line before row 2 was removed" in str(judged(path, lambda a: [*a[:2], a[3]]))
    assert "changed:3: no row of the chain" in str(judged(path, lambda a: [*a[:2], b'{"cat\n', a[3]]))


def test_files_are_taken_in_the_order_of_their_rows(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    first, second = path.with_name("z.gz"), path.with_name("b")
    first.write_bytes(gzip.compress(b"".join(lines[:2])))
    second.write_bytes(b"".join(lines[2:4]))
    path.write_bytes(b"".join(lines[4:]))
    link = link_of(lines[-1][:-1])
    assert link is not None
    assert verify([path, second, first], None, Anchor(5, link.hash)) == Verdict(rows=6, first=0, last=5)
    assert verify([path, second]).notes[0].endswith("begins with row 2; earlier ones are not in these files")
    assert "row 2 is missing" not in str(verify([path, first]).broken)
    assert "rows 2 to 3 are missing" in str(verify([path, first]).broken)
