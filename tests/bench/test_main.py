"""The bench as it is run: functions, not figures."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time

import pytest

from bench.__main__ import main
from bench.processes import ROOT, tree
from tests.support.programs import runs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bench needs Linux")


def test_a_quick_run_measures_everything_and_finds_nothing_wrong(tmp_path):
    out = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--targets", "pass-through,penstock", "--json", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    assert {"micro", "paced", "bulk", "plain"} <= set(figures)
    assert figures["about"]["versions"]["aiohttp"]
    for name in ("paced", "bulk", "plain"):
        runs = figures[name]["runs"]
        assert [run["target"] for run in runs] == ["pass-through", "penstock"]
        assert all(run["report"]["errors"] == 0 and run["report"]["pieces"] and run["cost"] > 0 for run in runs)
    for words in ("translator, text delta", "ratio", "pass-through", "penstock", "us/delta", "ms/request"):
        assert words in done.stdout


def test_ctrl_c_ends_the_run_and_every_process_of_it():
    run = subprocess.Popen(
        [sys.executable, "-m", "bench", "--only", "paced", "--targets", "direct"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        below = _wait_for_processes(run.pid, 3)  # itself, the upstream, a load generator
        os.kill(run.pid, signal.SIGINT)
        _, errors = run.communicate(timeout=20)
    finally:
        if run.poll() is None:
            run.kill()
            run.wait()
    assert run.returncode == 130
    assert b"interrupted" in errors
    assert b"Traceback" not in errors
    assert not [pid for pid in below if runs(pid)]


def _wait_for_processes(pid, count):
    deadline = time.monotonic() + 20
    with selectors.DefaultSelector() as pause:
        while len(found := tree(pid)) < count:
            assert time.monotonic() < deadline, "the bench did not get to its work"
            pause.select(0.02)
    return found


def test_elsewhere_than_on_linux_it_says_what_can_be_run(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert main([]) == 2
    assert "--only micro" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--targets", "nothing"], ["--only", "everything"], ["--rounds", "x"], ["--target", "x"], ["--upstream", "h:x"]],
)
def test_what_is_not_there_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err
