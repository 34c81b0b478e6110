"""Lines reach the file whole, also past rotation, full disks and several writers; nothing waits for them."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.linesink import LineSink
from tests.support.fixtures import ROOT


def wait_for(condition: Callable[[], Any], timeout_s: float = 5.0) -> None:
    """Waits for what a thread is about to do."""
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.005)):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it did not happen in time")


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_what_was_taken_is_written_by_the_close(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old\n")
    sink = LineSink(path)
    sink.open()
    for number in range(5000):
        sink.write(b"line %d\n" % number)
    sink.close()
    assert lines(path) == ["old", *(f"line {number}" for number in range(5000))]
    assert sink.lost == 0


def test_lines_come_without_a_close(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sink = LineSink(path)
    sink.open()
    sink.write(b"now\n")
    wait_for(lambda: lines(path) == ["now"])
    sink.close()


def test_a_file_that_was_rotated_away_is_opened_anew(tmp_path: Path) -> None:
    path, old = tmp_path / "log", tmp_path / "log.1"
    sink = LineSink(path)
    sink.open()
    sink.write(b"one\n")
    wait_for(lambda: lines(path))
    path.rename(old)
    sink.write(b"two\n")
    wait_for(lambda: lines(path))
    path.unlink()
    sink.write(b"three\n")
    sink.close()
    assert (lines(old), lines(path)) == (["one"], ["three"])


class Disk:
    """Stands between the sink and the kernel: full when told so, after so many bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.tries = 0
        self._write = os.write
        monkeypatch.setattr("proxy.linesink.os.write", self.write)
        monkeypatch.setattr("proxy.linesink._RETRY_S", 0.01)

    def write(self, fd: int, data: bytes) -> int:
        self.tries += 1
        if self.room is None:
            return self._write(fd, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = data[: self.room]
        self.room -= len(part)
        return self._write(fd, part)


def test_a_full_disk_loses_nothing_while_there_is_room_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log"
    disk = Disk(monkeypatch)
    sink = LineSink(path)
    sink.open()
    disk.room = 17  # two lines and a half
    for number in range(10):
        sink.write(b"line %d\n" % number)
    wait_for(lambda: disk.tries > 10)
    assert sum("cannot write" in record.message for record in caplog.records) == 1
    disk.room = None
    sink.close()
    assert lines(path) == ["line 0", "line 1", "lin", *(f"line {number}" for number in range(2, 10))]
    assert sink.lost == 0
    assert sum("again; 0 lines were lost" in record.message for record in caplog.records) == 1


def test_what_waits_is_bounded_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log"
    disk = Disk(monkeypatch)
    disk.room = 0
    sink = LineSink(path, most_waiting=70)
    sink.open()
    for number in range(20):
        sink.write(b"line %02d\n" % number)
    assert sink.lost == 12
    wait_for(lambda: disk.tries)
    disk.room = None
    wait_for(lambda: len(lines(path)) == 8)
    wait_for(lambda: sink._written_bytes == 64)
    sink.write(b"later\n")
    disk.room = 3
    sink.close()
    assert sink.lost == 13
    assert lines(path)[:8] == [f"line {number:02}" for number in range(8)]
    assert "13 lines for" in caplog.text


def test_a_target_that_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        LineSink(tmp_path / "absent" / "log").open()
    with pytest.raises(OSError, match="Is a directory"):
        LineSink(tmp_path).open()
    LineSink(tmp_path / "never opened").close()


def test_a_reader_that_is_gone_is_a_failure_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    reading, writing = os.pipe()
    sink = LineSink(writing)
    sink.open()
    os.close(reading)
    with caplog.at_level(logging.ERROR):
        sink.write(b"line\n")
        sink.close()
    os.close(writing)
    assert sink.lost == 1
    assert "Broken pipe" in caplog.text


def test_a_pipe_gets_no_more_than_it_takes_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    sizes: list[int] = []
    write = os.write

    def watched(fd: int, data: bytes) -> int:
        sizes.append(len(data))
        return write(fd, data)

    monkeypatch.setattr("proxy.linesink.os.write", watched)
    sink = LineSink(writing)
    sink.open()
    for _ in range(200):
        sink.write(b"x" * 99 + b"\n")
    sink.close()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == (b"x" * 99 + b"\n") * 200
    assert max(sizes) <= 4096
    assert len(sizes) < 20


def test_a_slow_reader_stops_nobody() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    sink = LineSink(writing)
    sink.open()
    line = b"x" * 999 + b"\n"
    for _ in range(200):
        sink.write(line)
    received = 0
    while received < 200_000:
        received += len(os.read(reading, 10_000))
    sink.close()
    os.close(reading)
    os.close(writing)
    assert (received, sink.lost) == (200_000, 0)


WRITER = """
import sys
from pathlib import Path
from proxy.linesink import LineSink
sink = LineSink(Path(sys.argv[1]))
sink.open()
for number in range(3000):
    sink.write(b"%s %d %s\\n" % (sys.argv[2].encode(), number, b"x" * (number % 300)))
sink.close()
"""


def test_several_processes_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], cwd=ROOT) for name in ("a", "b", "c", "d")
    ]
    assert [writer.wait(timeout=20) for writer in writers] == [0] * 4
    seen: dict[str, list[int]] = {name: [] for name in "abcd"}
    for line in lines(path):
        name, number, *padding = line.split(" ")
        assert padding == ["x" * (int(number) % 300)]
        seen[name].append(int(number))
    assert all(numbers == list(range(3000)) for numbers in seen.values())
