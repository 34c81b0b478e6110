"""Builds the compiled form when PENSTOCK_COMPILE=1 asks for it; all else about the package says pyproject.toml.

The modules that most of a request's and a delta's time is spent in can be compiled with mypyc. They stay what they are:
the Python files are the reference, are installed beside what was compiled from them, and pass the same tests.
It takes mypy, which pip gets for the build, and a C compiler.
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

from setuptools import setup

COMPILED = (
    "proxy/api/chat/encoder.py",
    "proxy/api/raw.py",
    "proxy/api/responses/encoder.py",
    "proxy/api/responses/event_writer.py",
    "proxy/api/responses/ids.py",
    "proxy/api/responses/made_ids.py",
    "proxy/api/responses/open_calls.py",
    "proxy/api/responses/open_item.py",
    "proxy/api/responses/output.py",
    "proxy/api/responses/output_items.py",
    "proxy/api/responses/relay.py",
    "proxy/chunks.py",
    "proxy/providers/chat/build.py",
    "proxy/providers/chat/calls.py",
    "proxy/providers/chat/content.py",
    "proxy/providers/chat/decoder.py",
    "proxy/providers/chat/finish.py",
    "proxy/providers/chat/frame.py",
    "proxy/providers/chat/message.py",
    "proxy/providers/chat/messages.py",
    "proxy/providers/chat/plain.py",
    "proxy/providers/chat/reasoning.py",
    "proxy/providers/chat/think.py",
    "proxy/providers/chat/usage.py",
    "proxy/shortcut.py",
    "proxy/sse/parser.py",
    "proxy/upstream/answer.py",
    "proxy/upstream/http1.py",
    "proxy/upstream/request_head.py",
)
"""What is compiled. No struct may stand there: mypyc drops what is said behind the bases of a class (`frozen=True`)."""

COMPILER = "mypy>=2.4,<3"


def extensions() -> list[Any]:
    """Returns what is to be compiled: nothing, unless it was asked for, and is built now and not only described."""
    if not ASKED or DESCRIBED:
        return []
    try:
        from mypyc.build import mypycify
    except ImportError:
        raise SystemExit(f"PENSTOCK_COMPILE=1 needs mypy: pip install '{COMPILER}'") from None
    options = ["--config-file=", "--ignore-missing-imports"]  # of what is an extra, no types may be there
    return mypycify([*options, *COMPILED], opt_level="2", debug_level="0", group_name="penstock")


def needed() -> list[str]:
    """Returns what it takes: the compiler, and the packages whose types it looks at."""
    project = tomllib.loads(Path(__file__).with_name("pyproject.toml").read_text())["project"]
    return [COMPILER, *project["dependencies"]]


ASKED = os.environ.get("PENSTOCK_COMPILE") == "1"
DESCRIBED = not {"egg_info", "dist_info"}.isdisjoint(sys.argv)

setup(ext_modules=extensions(), setup_requires=needed() if ASKED and DESCRIBED else [])
