"""The command `penstock`: one module a command, imported only when it is asked for.

Exit codes: 0 right, 1 problems found, 2 the file is missing or the command was not understood.
Each command module has `add_arguments(parser)` and `run(args) -> int`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from .. import __version__
from ..compiled import is_built

COMMANDS = {
    "serve": "start the proxy",
    "check": "find every mistake in a pipeline.yaml",
    "stages": "list the stages, or explain one",
    "keys": "make, list, change and revoke the keys of clients",
    "prices": "tell what models cost, and which have no price",
    "audit": "verify the chain of an audit log",
    "import": "write the pipeline.yaml for a configuration of LiteLLM's proxy",
    "spend": "tell what was spent, by whom and on what",
    "schema": "print the JSON Schema of pipeline.yaml",
}

_MODULES = {"import": "import_config"}
"""Where a command's module cannot have its name."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments else ""
    if command == "--version":
        print(f"penstock {__version__} (compiled)" if is_built() else f"penstock {__version__}")
        return 0
    if command in ("-h", "--help"):
        print(_usage())
        return 0
    if command not in COMMANDS:
        print(f'penstock: no command "{command}"\n' if command else "penstock: which command?\n", file=sys.stderr)
        print(_usage(), file=sys.stderr)
        return 2
    if command == "serve":  # it would end it: kept for the server, who reads its file again once it has read it
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    return _run(command, arguments[1:])


def _run(command: str, arguments: Sequence[str]) -> int:
    module = importlib.import_module(f".{_MODULES.get(command, command)}", __name__)
    parser = argparse.ArgumentParser(
        f"penstock {command}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    try:
        args = parser.parse_args(arguments)
    except SystemExit as wish:  # argparse has printed help or usage
        return int(wish.code or 0)
    try:
        code: int = module.run(args)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:{width}}  {what}" for name, what in COMMANDS.items())
    return f"usage: penstock COMMAND [...]\n\n{lines}\n\npenstock COMMAND --help explains one; penstock --version"
