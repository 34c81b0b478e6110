"""What the figures of a run depend on: the machine, the versions, the day, the command."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from proxy import __version__
from proxy.compiled import is_compiled

from .peers import litellm, nginx
from .processes import ROOT

_PACKAGES = ("aiohttp", "uvloop", "msgspec", "orjson", "httptools")


class About(msgspec.Struct, frozen=True):
    """What the figures of a run depend on."""

    machine: str
    versions: dict[str, str]
    date: str
    command: str
    revision: str = ""


def about(command: Sequence[str]) -> About:
    """Returns what is known of this machine and this day."""
    return About(
        machine=f"{machine()}; {_processor()}; {platform.system()} {platform.release()}",
        versions=_versions(),
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        command=" ".join(("python -m bench", *command)),
        revision=_said("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
    )


def machine() -> str:
    """Returns the machine in a few words, and how busy it is now."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0]
    return f"Python {platform.python_version()}, {platform.machine()}, {cores} cores, load {load:.1f}"


def _versions() -> dict[str, str]:
    found = {"Penstock": f"{__version__} (compiled)" if is_compiled() else __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # orjson is not everywhere
            continue
    if (program := nginx.program()) and (said := re.search(r"nginx/([\d.]+)", _said(program, "-v"))):
        found["nginx"] = said[1]
    if litellm.is_installed():
        found["LiteLLM"] = litellm.version()
    return found


def _processor() -> str:
    try:
        said = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        return platform.processor()
    return said[1] if said else platform.processor()


def _said(*command: str) -> str:
    """Returns what a program says; nothing where it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout + done.stderr).strip()
