"""Rows stay one chain over processes, rotation, restarts and writes that were cut off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from proxy.linesink import LineSink
from proxy.logs.chain import GENESIS, Anchor, Chain, anchor_of, link_of, read_anchor
from proxy.logs.config import RotateConfig
from proxy.logs.rotation import Rotation
from proxy.logs.verify import verify
from tests.support.fixtures import ROOT


def write(path: Path, first: int, count: int, key: str | None = None) -> None:
    sink = LineSink(path, chain=Chain(path, key))
    sink.open()
    for number in range(first, first + count):
        sink.write(msgspec.json.encode({"n": number}) + b"\n")
    sink.close()
    assert sink.lost == 0


def numbers(path: Path) -> list[int]:
    return [msgspec.json.decode(line)["n"] for line in path.read_bytes().splitlines() if link_of(line)]


def check(path: Path, key: str | None = None, *more: Path) -> tuple[int, list[str]]:
    verdict = verify([*more, path], key, read_anchor(anchor_of(path)))
    assert verdict.broken is None
    return verdict.rows, verdict.notes


@pytest.mark.parametrize("key", [None, "a key"])
def test_a_chain_goes_on_over_restarts(tmp_path: Path, key: str | None) -> None:
    path = tmp_path / "log"
    write(path, 0, 3, key)
    write(path, 3, 2, key)
    rows = [link_of(line) for line in path.read_bytes().splitlines()]
    assert [row.seq for row in rows if row] == [0, 1, 2, 3, 4]
    assert [row.prev for row in rows if row] == [GENESIS, *(row.hash for row in rows[:-1] if row)]
    assert (check(path, key), numbers(path)) == ((5, []), [0, 1, 2, 3, 4])
    last = rows[-1]
    assert last is not None
    assert read_anchor(anchor_of(path)) == Anchor(4, last.hash)
    assert verify([path], "another key").broken is not None


def test_what_was_cut_off_stays_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, 0, 3)
    for cut in (30, 200):  # the second time also the row that tells of the first
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - cut)
        anchor_of(path).unlink()  # it had not got there either
        assert any("torn: a write was cut off there, and nothing follows" in note for note in check(path)[1])
        write(path, 10, 2)
    rows, notes = check(path)
    assert (rows, numbers(path)) == (4, [0, 1, 10, 11])
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)  # all but the line feed
    write(path, 20, 1)
    assert check(path)[0] == 5
    assert [note.partition(": ")[2] for note in notes] == [
        "torn: a write was cut off there; row 2 says so",
    ]


def test_a_row_behind_the_anchor_counts(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, 0, 2)
    old = anchor_of(path).read_bytes()
    write(path, 2, 1)
    anchor_of(path).write_bytes(old)  # killed in between
    assert "the anchor is at row 1" in check(path)[1][0]
    write(path, 3, 1)
    assert check(path) == (4, [])


def test_rows_that_somebody_took_away_stay_missing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, 0, 3)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:1]))
    write(path, 3, 1)
    assert "rows 1 to 2 are missing" in str(verify([path]).broken)
    path.unlink()
    write(path, 4, 1)
    assert [link.seq for link in map(link_of, path.read_bytes().splitlines()) if link] == [4]


def test_a_very_long_row_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sink = LineSink(path, chain=Chain(path))
    sink.open()
    sink.write(msgspec.json.encode({"n": 0, "text": "x" * 200_000}) + b"\n")
    sink.close()
    write(path, 1, 1)
    assert check(path) == (2, [])


WRITER = """
import sys, time
from pathlib import Path
from proxy.linesink import LineSink
from proxy.logs.chain import Chain
from proxy.logs.config import RotateConfig
from proxy.logs.rotation import Rotation
path = Path(sys.argv[1])
rotation = Rotation(path, RotateConfig(size=60_000, files=0))
sink = LineSink(path, rotation=rotation, chain=Chain(path, "k", sync=False))
sink.open()
number = 0
while number < int(sys.argv[3]):
    sink.write(b'{"writer":"%b","n":%d}\\n' % (sys.argv[2].encode(), number))
    number += 1
    if number % 50 == 0:
        time.sleep(0.002)  # lets the others write in between; nothing is right by it
sink.close()
"""


def test_workers_write_one_chain_over_rotation_and_kill(tmp_path: Path) -> None:
    path = tmp_path / "log"
    command = [sys.executable, "-c", WRITER, str(path)]
    killed = subprocess.Popen([*command, "killed", "1000000000"], cwd=ROOT)
    writers = [subprocess.Popen([*command, name, "600"], cwd=ROOT) for name in ("a", "b")]
    try:
        assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait(60)
    sink = LineSink(path, rotation=Rotation(path, RotateConfig(size=1 << 30, files=0)), chain=Chain(path, "k"))
    sink.open()
    sink.write(b'{"writer":"last","n":0}\n')
    sink.close()
    files = [each for each in tmp_path.iterdir() if each.name.startswith("log") and each.suffix != ".anchor"]
    assert len(files) > 2
    verdict = verify(files, "k", read_anchor(anchor_of(path)))
    assert (verdict.broken, verdict.first) == (None, 0)
    assert verdict.rows == (verdict.last or 0) + 1 > 1200
    assert os.stat(anchor_of(path)).st_size < 200
