"""Old files are put away whole, whoever writes; none is lost, and no more are kept than asked for."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

from proxy.config.types import Duration, Size
from proxy.linesink import LineSink
from proxy.logs.config import RotateConfig
from proxy.logs.rotation import FileLock, Rotation
from tests.support.fixtures import ROOT


def text(path: Path) -> str:
    return (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()


def test_a_file_that_is_large_enough_is_put_away(tmp_path: Path) -> None:
    path = tmp_path / "log"
    rotation = Rotation(path, RotateConfig(size=Size(1024), files=0))
    sink = LineSink(path, rotation=rotation)
    sink.open()
    wanted = [f"{number:03} {'x' * 200}" for number in range(20)]
    for line in wanted:
        sink.write(line.encode() + b"\n")
        sink._write_all()  # what the thread does, at a time that is known
    sink.close()
    rotation._tidy()
    old = rotation.old_files()
    assert [each.suffix for each in old] == [".gz"] * 4
    assert path.stat().st_size <= 1024
    assert "".join(map(text, [*old, path])).splitlines() == wanted


def test_a_day_has_its_file(tmp_path: Path) -> None:
    path, now = tmp_path / "log", [10 * 86400.0 + 5]
    rotation = Rotation(path, RotateConfig(every=Duration(86400), compress=False, files=2), clock=lambda: now[0])
    for day in range(4):
        now[0] = (10 + day) * 86400.0 + 5
        sink = LineSink(path, rotation=rotation)
        sink.open()
        for _ in range(2):
            sink.write(b"day %d\n" % day)
            sink._write_all()
            os.utime(path, (now[0], now[0]))
        sink.close()
    rotation._tidy()
    old = rotation.old_files()
    assert [text(each) for each in [*old, path]] == [f"day {day}\n" * 2 for day in (1, 2, 3)]
    assert old[0].name == "log.19700113T000005.000000Z"


def test_two_files_of_one_moment_have_two_names(tmp_path: Path) -> None:
    path = tmp_path / "log"
    rotation = Rotation(path, RotateConfig(size=Size(1024)), clock=lambda: 1e9)
    for number in range(3):
        path.write_text(str(number))
        rotation.put_away()
    assert [text(each) for each in rotation.old_files()] == ["0", "1", "2"]


def test_what_another_process_tidies_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    rotation = Rotation(path, RotateConfig(size=Size(1024)))
    path.write_text("old")
    rotation.put_away()
    lock = FileLock(path, "tidy")
    lock.open()
    assert lock.take()
    rotation._tidy()
    assert [each.suffix for each in rotation.old_files()] != [".gz"]
    lock.close()
    rotation._tidy()
    assert [each.suffix for each in rotation.old_files()] == [".gz"]


WRITER = """
import sys
from pathlib import Path
from proxy.linesink import LineSink
from proxy.logs.config import RotateConfig
from proxy.logs.rotation import Rotation
path = Path(sys.argv[1])
sink = LineSink(path, rotation=Rotation(path, RotateConfig(size=4_096, files=0)))
sink.open()
for number in range(2000):
    sink.write(b"%s %d\\n" % (sys.argv[2].encode(), number))
    if number % 20 == 0:
        sink._closing.wait(0.003)
sink.close()
"""


def test_several_processes_rotate_one_file_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    names = ("a", "b", "c")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], cwd=ROOT) for name in names]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 3
    rotation = Rotation(path, RotateConfig(size=Size(1024), files=0))
    files = [*rotation.old_files(), path]
    assert len(files) > 2
    seen: dict[str, list[int]] = {name: [] for name in names}
    for line in "".join(map(text, files)).splitlines():
        name, number = line.split(" ")
        seen[name].append(int(number))
    assert all(numbers == list(range(2000)) for numbers in seen.values())
