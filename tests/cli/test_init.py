"""The command line as a whole: dispatch, usage, exit codes, and how fast the version is told."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from proxy import __version__
from proxy.cli import COMMANDS, main
from proxy.compiled import is_built

SAID = f"{__version__} (compiled)" if is_built() else __version__
VERSION = "import sys; from proxy.cli import main; code = main(['--version']); "


def test_the_version(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"penstock {SAID}\n"


def test_the_version_is_told_within_a_fifth_of_a_second():
    def seconds() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", VERSION], check=True, capture_output=True)
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.2


def test_the_version_imports_nothing_heavy():
    command = VERSION + "print(*[m for m in ('msgspec', 'yaml', 'aiohttp', 'asyncio', 'uvloop') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", command], check=True, capture_output=True, text=True)
    assert done.stdout == f"penstock {SAID}\n\n"


@pytest.mark.parametrize("argument", ["-h", "--help"])
def test_help_names_every_command(argument: str, capsys: pytest.CaptureFixture[str]):
    assert main([argument]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {command} " in printed for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        ([], "which command?"),
        (["sreve"], 'no command "sreve"'),
        (["-x"], 'no command "-x"'),
    ],
)
def test_what_is_no_command(arguments: list[str], first: str, capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.splitlines()[0]) == ("", f"penstock: {first}")
    assert "usage: penstock COMMAND" in printed.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]):
    assert main([command, "--help"]) == 0
    assert f"usage: penstock {command}" in capsys.readouterr().out


def test_a_wrong_option_is_told(capsys: pytest.CaptureFixture[str]):
    assert main(["check", "--jsno"]) == 2
    assert "unrecognized arguments: --jsno" in capsys.readouterr().err


def test_a_reader_that_has_read_enough_is_no_error():
    command = "import sys; from proxy.cli import main; sys.exit(main(['schema']))"
    process = subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as stderr:
        assert stderr.read() == b""
    assert process.wait(timeout=10) == 0
