"""SIGHUP of a terminal that was closed, and of somebody who means it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import fcntl, os, signal, sys, termios
from proxy.terminal import Terminal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
terminal = Terminal()
told = os.open(sys.argv[1], os.O_WRONLY)
os.write(told, b"ready\\n")
signal.sigwait({signal.SIGHUP})
os.write(told, b"gone\\n" if terminal.is_gone() else b"there\\n")
"""


def told(tmp_path: Path, *, ignored: bool, closed: bool) -> bytes:
    """Runs a program in a terminal, has it hung up or only signalled, and returns what it makes of that."""
    pipe = tmp_path / "told"
    os.mkfifo(pipe)
    master, slave = pty.openpty()
    program = [sys.executable, "-c", PROGRAM, str(pipe)]
    shell = 'trap "" HUP; ' if ignored else ""
    process = subprocess.Popen(
        ["sh", "-c", shell + 'exec "$@"', "sh", *program],
        stdin=slave,
        cwd=Path(__file__).resolve().parents[1],
        start_new_session=True,
    )
    os.close(slave)
    with pipe.open("rb") as reading:
        assert reading.readline() == b"ready\n"
        if closed:
            os.close(master)
        else:
            process.send_signal(signal.SIGHUP)
        said = reading.readline()
    process.wait(10)
    if not closed:
        os.close(master)
    return said


@pytest.mark.parametrize(
    ("ignored", "closed", "said"), [(False, True, b"gone\n"), (False, False, b"there\n"), (True, True, b"there\n")]
)
def test_a_terminal_that_was_closed_is_gone_unless_nobody_minds(
    tmp_path: Path, ignored: bool, closed: bool, said: bytes
) -> None:
    assert told(tmp_path, ignored=ignored, closed=closed) == said
