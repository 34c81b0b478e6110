"""What commands print about problems, and the exit code that goes with it."""

from __future__ import annotations

import json

import pytest

from proxy.cli.report import exit_code, print_json, tell
from proxy.errors import ConfigError, ConfigMissing, Problem

PROBLEM = Problem("f", 1, 2, "what", "fix")


def test_exit_codes():
    assert exit_code(ConfigError([PROBLEM])) == 1
    assert exit_code(ConfigMissing([PROBLEM])) == 2


def test_people_read_stderr_and_programs_stdout(capsys: pytest.CaptureFixture[str]):
    tell([PROBLEM, Problem("f", 2, 1, "odd", warning=True)])
    print_json({"a": PROBLEM})
    printed = capsys.readouterr()
    assert printed.err == "f:1:2: what   (fix)\nf:2:1: warning: odd\n"
    assert json.loads(printed.out)["a"]["column"] == 2
