import os
import sys

import pytest

from bench.instructions import Counts
from bench.processes import Process, StartFailed, Watched, cores, tree

_SERVE = "print('port 4711', flush=True); input()"
_DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('port 1', flush=True); input(); input()"
_NEST = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()']); print('port 1', flush=True); input()"
)
_BURN = "sum(range(3_000_000)); print('port 1', flush=True); input()"


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def start(code, tmp_path):
    return Process(["python", "-c", code], errors=tmp_path / "errors")


def test_a_process_says_its_port_and_is_gone_after_the_block(tmp_path):
    with start(_SERVE, tmp_path) as process:
        assert process.port(r"port (\d+)") == 4711
        assert tree(process.pid) == [process.pid]
        assert not gone(process.pid)
    assert gone(process.pid)


def test_a_process_that_does_not_listen_to_words_is_ended_by_force(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.processes._LAST_WORDS_S", 0.05)
    with start(_DEAF, tmp_path) as process:
        process.port(r"port (\d+)")
    assert gone(process.pid)


def test_a_process_that_fails_to_start_says_why(tmp_path):
    with (
        start("raise SystemExit('no such luck')", tmp_path) as process,
        pytest.raises(StartFailed, match="no such luck"),
    ):
        process.port(r"port (\d+)")


def test_cpu_time_instructions_and_memory_are_read_from_outside(tmp_path):
    with start(_BURN, tmp_path) as process:
        process.port(r"port (\d+)")
        assert 0.005 < process.cpu_s() < 20
        assert process.peak_kb() > 1000
        counts = process.counts()
        assert counts.instructions is None or counts.instructions.count > 3_000_000
        with Watched(process.pid) as watched:
            assert watched.cpu_s() == pytest.approx(process.cpu_s(), abs=1)
        assert not gone(process.pid)


def test_of_no_process_nothing_is_known():
    with Watched(None) as nothing:
        assert (nothing.cpu_s(), nothing.reset_peak(), nothing.counts()) == (None, 0, Counts())


def test_the_tree_holds_the_processes_below(tmp_path):
    with start(_NEST, tmp_path) as process:
        process.port(r"port (\d+)")
        assert len(tree(process.pid)) == 2


def test_talking_gives_the_answer_or_says_what_went_wrong(tmp_path):
    with start("print(input()[::-1])", tmp_path) as process:
        assert process.talk(b"abc\n", 10) == b"cba\n"
    with start("import sys; sys.exit('broken')", tmp_path) as process, pytest.raises(StartFailed, match="broken"):
        process.talk(b"", 10)
    # it sleeps until it is killed, at the end of the block: nothing waits for it
    with start("import time; time.sleep(30)", tmp_path) as process, pytest.raises(StartFailed, match="did not end"):
        process.talk(b"", 0.05)
    assert gone(process.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="cores are known on Linux alone")
def test_the_cores_are_split_where_there_are_two(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    assert cores() == ({2}, {0, 1})
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {4})
    assert cores() == ({4}, {4})
