"""The supervisor: workers are started, started again, and stopped together. It runs in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.programs import runs

PROGRAM = """
import os, signal, sys, time
from proxy.rollout import Assignment
from proxy.workers import Supervisor

def work(index, line):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with open(sys.argv[2], "a") as notes:
        notes.write(f"{index} {os.getpid()}\\n")
    if sys.argv[3] == "all die" or (sys.argv[3] == "dies" and index == 0):
        return 3
    signal.sigwait({signal.SIGTERM})
    return 0

sys.exit(Supervisor(Assignment(int(sys.argv[1]), work)).run())
"""


def start(tmp_path: Path, count: int, manner: str) -> tuple[subprocess.Popen[bytes], Path]:
    """Starts a supervisor; returns its process and the file in which workers note index and process id."""
    notes = tmp_path / "notes"
    notes.touch()
    root = Path(__file__).resolve().parents[1]
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(count), str(notes), manner], cwd=root)
    return process, notes


def rows(notes: Path, at_least: int) -> list[tuple[int, int]]:
    """Waits until so many workers have noted themselves; returns index and process id of each."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = [tuple(map(int, line.split())) for line in notes.read_text().splitlines()]
        if len(found) >= at_least:
            return found  # type: ignore[return-value]
        time.sleep(0.005)  # another process writes the file: nothing tells of it
    raise AssertionError(f"only {len(notes.read_text().splitlines())} workers were started")


def test_workers_are_started_and_stopped_together(tmp_path: Path) -> None:
    process, notes = start(tmp_path, 3, "stays")
    found = rows(notes, 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert sorted(index for index, _ in found) == [0, 1, 2]
    assert len({pid for _, pid in found}) == 3


def test_a_worker_that_is_killed_is_started_again(tmp_path: Path) -> None:
    process, notes = start(tmp_path, 2, "stays")
    first = dict(rows(notes, 2))
    os.kill(first[1], signal.SIGKILL)
    index, pid = rows(notes, 3)[-1]
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert index == 1
    assert pid not in first.values()


def test_workers_do_not_outlive_their_supervisor(tmp_path: Path) -> None:
    process, notes = start(tmp_path, 2, "stays")
    found = rows(notes, 2)
    process.kill()
    process.wait(10)
    deadline = time.monotonic() + 10
    while left := [pid for _, pid in found if runs(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.005)  # they are no children of this process any more: nothing tells of their end


def test_a_worker_that_keeps_dying_does_not_spin(tmp_path: Path) -> None:
    process, notes = start(tmp_path, 2, "dies")
    rows(notes, 4)
    began, count = time.monotonic(), len(notes.read_text().splitlines())
    rows(notes, count + 1)
    assert time.monotonic() - began > 0.05  # the pause has grown: 0.1 s, doubled with each early death
    process.send_signal(signal.SIGTERM)
    process.wait(10)


def test_workers_that_cannot_even_start_are_given_up(tmp_path: Path) -> None:
    process, notes = start(tmp_path, 2, "all die")
    assert process.wait(15) == 3
    assert len(rows(notes, 6)) <= 8


CHANGING = """
import logging, os, signal, socket, sys
from pathlib import Path
from proxy.rollout import LEAVE, PREPARE, Assignment, answer_to
from proxy.workers import Supervisor

logging.basicConfig(level=logging.INFO, format="%(message)s")
wanted = Path(sys.argv[2])

def note(*words):
    with open(sys.argv[1], "a") as notes:
        notes.write(" ".join(map(str, words)) + "\\n")

def assignment():
    count, digest = wanted.read_text().split()
    if digest == "wrong":
        raise ValueError("a bug")
    return Assignment(int(count), lambda index, line: work(index, line, digest), "file", digest)

def work(index, line, digest):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    note(index, os.getpid(), digest)
    while said := line.recv(100):
        if said == LEAVE:
            os._exit(0)
        if said.startswith(PREPARE):
            digest = said.split()[-1].decode()
            line.send(answer_to(said, ready=digest != "bad" or index != 1))
        note(index, os.getpid(), said.decode())
    return 1

sys.exit(Supervisor(assignment(), assignment).run())
"""


def test_workers_change_to_another_assignment_all_of_them_or_none(tmp_path: Path) -> None:
    notes, wanted = tmp_path / "notes", tmp_path / "wanted"
    notes.touch()
    wanted.write_text("2 one")
    process = subprocess.Popen(
        [sys.executable, "-c", CHANGING, str(notes), str(wanted)],
        cwd=Path(__file__).resolve().parents[1],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    seen = 0

    def heard(*messages: str) -> list[list[str]]:
        """Waits until workers have noted these, in any order, and no others; returns index, process id and message."""
        nonlocal seen
        deadline = time.monotonic() + 15
        while len(lines := notes.read_text().splitlines()[seen:]) < len(messages):
            assert time.monotonic() < deadline, lines
            time.sleep(0.005)  # other processes write the file: nothing tells of it
        seen += len(lines)
        rows = [line.split(maxsplit=2) for line in lines]
        assert sorted(row[2] for row in rows) == sorted(messages)
        return rows

    def change(text: str) -> None:
        wanted.write_text(text)
        process.send_signal(signal.SIGHUP)

    pids = {row[0]: int(row[1]) for row in heard("one", "one")}
    change("2 bad")
    heard("prepare 1 bad", "prepare 1 bad", "drop", "drop", "refused file")
    assert "nothing has changed" in process.stderr.readline()
    change("2 wrong")
    assert process.stderr.readline() == "nothing has changed\n"
    while not process.stderr.readline().startswith("ValueError"):
        pass
    heard("refused file")
    change("3 two")
    heard("prepare 2 two", "prepare 2 two", "commit", "commit", "used", "two")
    assert process.stderr.readline() == "file (two) is used, by 3 workers\n"
    os.kill(pids["1"], signal.SIGKILL)
    assert heard("two")[0][0] == "1"  # who comes in its place begins with what is used now
    process.stderr.readline()
    change("1 three")
    assert process.stderr.readline() == "file (three) is used, by 1 worker\n"
    assert {process.stderr.readline() for _ in range(2)} == {"worker 1 has left\n", "worker 2 has left\n"}
    assert runs(pids["0"])
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    process.stderr.close()
