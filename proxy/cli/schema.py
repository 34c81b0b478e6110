"""Print the JSON Schema of pipeline.yaml, with the stages that are installed here.

Editors that know the YAML language server complete and underline by it: name its file in the first line,
# yaml-language-server: $schema=./penstock.schema.json
"""

from __future__ import annotations

import argparse
import json
import sys

from ..config.schema import schema
from ..errors import ConfigError
from ..providers.registry import kinds
from ..registry import installed_stages
from .report import exit_code, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds nothing: the command has no options."""


def run(args: argparse.Namespace) -> int:
    """Prints the schema."""
    try:
        sys.stdout.write(text())
    except ConfigError as error:
        tell(error.problems)
        return exit_code(error)
    return 0


def text() -> str:
    """Returns the schema as it is written to its file; raises ConfigError when a package of stages is broken."""
    return json.dumps(schema(kinds(), installed_stages()), indent=2, ensure_ascii=False) + "\n"
