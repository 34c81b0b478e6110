"""Who works on entries: files that only a living process keeps locked."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from proxy.stores import sqlite_holder
from proxy.stores.sqlite_holder import Holder, file_of, is_gone, remove_left
from tests.support.fixtures import ROOT

HOLD = """
import sys
from pathlib import Path
from proxy.stores.sqlite_holder import Holder
holder = Holder(Path(sys.argv[1]))
print(holder.token(), flush=True)
sys.stdin.readline()
holder.close()
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "kept.db"


@contextmanager
def process(database: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Runs a process that holds until it is given a line; gives it and its token."""
    command = [sys.executable, "-c", HOLD, str(database)]
    held = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert held.stdout is not None
        yield held, held.stdout.readline().strip()
    finally:
        held.kill()
        held.communicate()


def files(database: Path) -> list[str]:
    return sorted(file.name for file in database.parent.iterdir())


def test_a_file_is_made_when_it_is_asked_for_and_removed_at_the_end(database: Path) -> None:
    holder = Holder(database)
    assert files(database) == []
    token = holder.token()
    assert holder.token() == token
    assert files(database) == [f"kept.db-run-{token}"]
    assert file_of(database, token).stat().st_mode & 0o777 == 0o600
    assert not is_gone(database, token)
    holder.close()
    assert files(database) == []
    assert is_gone(database, token)
    holder.close()


def test_two_in_one_process_are_two(database: Path) -> None:
    one, two = Holder(database), Holder(database)
    with closing(two):
        tokens = one.token(), two.token()
        assert [is_gone(database, token) for token in tokens] == [False, False]
        one.close()
        assert [is_gone(database, token) for token in tokens] == [True, False]


def test_a_process_that_was_killed_is_gone_and_its_file_removed(database: Path) -> None:
    with process(database) as (held, token):
        assert not is_gone(database, token)
        remove_left(database)
        assert files(database) == [f"kept.db-run-{token}"]
        held.kill()
        held.wait()
        assert files(database) == [f"kept.db-run-{token}"]
        assert is_gone(database, token)
    assert files(database) == []


def test_a_process_that_ends_leaves_nothing(database: Path) -> None:
    with process(database) as (held, token):
        held.communicate("\n", timeout=10)
        assert held.returncode == 0
        assert files(database) == []
        assert is_gone(database, token)


def test_a_child_does_not_hold_what_its_parent_held(database: Path) -> None:
    """The parent lets go, as it does when it is killed; the child, still alive, must not keep the lock."""
    holder = Holder(database)
    token = holder.token()
    told, tell = os.pipe()
    asked, ask = os.pipe()
    child = os.fork()
    if not child:
        os.write(tell, holder.token().encode())
        os.read(asked, 1)
        holder.close()
        os._exit(0)
    try:
        of_child = os.read(told, 100).decode()
        assert of_child != token
        assert not is_gone(database, of_child)
        assert not is_gone(database, token)
        holder._let_go()
        assert is_gone(database, token)
        assert not is_gone(database, of_child)
    finally:
        os.write(ask, b"x")
        os.waitpid(child, 0)
        for descriptor in (told, tell, asked, ask):
            os.close(descriptor)
    assert is_gone(database, of_child)
    assert files(database) == []


def test_forking_while_others_open_and_close_leaves_no_lock(database: Path) -> None:
    stop = threading.Event()
    tokens: list[str] = []

    def work() -> None:
        while not stop.is_set():
            with closing(Holder(database)) as holder:
                tokens.append(holder.token())

    thread = threading.Thread(target=work)
    thread.start()
    asked, ask = os.pipe()
    told, tell = os.pipe()
    children = []
    try:
        for _ in range(20):
            child = os.fork()
            if not child:
                os.close(ask)
                os.write(tell, b".")  # only now is it what a fork leaves
                os.read(asked, 1)
                os._exit(0)
            children.append(child)
            os.read(told, 1)
        stop.set()
        thread.join()
        assert tokens
        assert sqlite_holder._open == {}
        descriptors = [os.readlink(f"/proc/{child}/fd/{fd}") for child in children for fd in fds(child)]
        assert [name for name in descriptors if "-run-" in name] == []
    finally:
        stop.set()
        os.close(ask)
        for child in children:
            os.waitpid(child, 0)
        for descriptor in (asked, told, tell):
            os.close(descriptor)


def fds(pid: int) -> list[str]:
    return os.listdir(f"/proc/{pid}/fd")


def test_a_file_that_was_taken_away_is_made_again(database: Path) -> None:
    with closing(Holder(database)) as holder:
        token = holder.token()
        file_of(database, token).unlink()
        assert holder.token() == token
        assert not is_gone(database, token)
        file_of(database, token).rename(database.with_name("away"))
        file_of(database, token).write_text("another")
        assert holder.token() == token
        assert not is_gone(database, token)
    assert files(database) == ["away"]


def test_one_that_is_looked_at_while_it_is_made_is_made_all_the_same(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    flock = fcntl.flock

    def look_first(descriptor: int, operation: int) -> None:
        if operation & fcntl.LOCK_EX and len(looks) < 2:
            looks.append(is_gone(database, holder._token))
        flock(descriptor, operation)

    with closing(Holder(database)) as holder:
        monkeypatch.setattr(fcntl, "flock", look_first)
        token = holder.token()
        assert looks == [True, True]
        assert not is_gone(database, token)


def test_a_lock_that_somebody_has_for_a_moment_is_waited_for(database: Path) -> None:
    with closing(Holder(database)) as holder:
        file = file_of(database, holder._token)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        timer = threading.Timer(0.02, os.close, [descriptor])
        timer.start()
        assert not is_gone(database, holder.token())
        timer.join()


def test_two_may_look_at_the_same_time(database: Path) -> None:
    file = file_of(database, "abc")
    file.touch()
    descriptor = os.open(file, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    assert is_gone(database, "abc")
    os.close(descriptor)


def test_no_token_leads_elsewhere(database: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.db-run-").mkdir()
    victim = tmp_path / "kept.db-run-" / "x"
    victim.touch()
    for token in ("", "/x", "../kept.db", "a\x00b", "a b"):
        assert is_gone(database, token)
    assert victim.exists()


def test_what_cannot_be_looked_at_is_taken_for_alive(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file_of(database, "abc").symlink_to(database)
    assert not is_gone(database, "abc")

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "no")

    file_of(database, "def").touch()
    monkeypatch.setattr(os, "open", refuse)
    assert not is_gone(database, "def")


def test_only_files_of_this_database_are_removed(database: Path, tmp_path: Path) -> None:
    for name in ("kept.db", "kept.db-wal", "kept.db-run-abc", "other.db-run-abc", "kept.db-runs"):
        (tmp_path / name).touch()
    remove_left(database)
    assert files(database) == ["kept.db", "kept.db-runs", "kept.db-wal", "other.db-run-abc"]


def test_a_place_where_no_file_can_be_made_is_told(tmp_path: Path) -> None:
    holder = Holder(tmp_path / "missing" / "kept.db")
    with pytest.raises(FileNotFoundError):
        holder.token()
    holder.close()
