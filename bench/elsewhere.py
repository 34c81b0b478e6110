"""Targets that run already, anywhere: given to the bench by their URL."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Mapping
from typing import cast
from urllib.parse import urlsplit

from .load import Dialect
from .processes import StartFailed
from .targets import Target

HOW = "NAME=URL[,dialect=responses|chat][,key=env:NAME][,model=NAME][,pid=NUMBER]"
"""How a target is written."""
_KEYS = ("dialect", "key", "model", "pid")
_PATIENCE_S = 5.0


def target(words: str, environment: Mapping[str, str] = os.environ) -> Target:
    """Returns the target that words like those of HOW name; raises ValueError, saying what is wrong with them.

    The URL is what stands in front of `/responses`. The key is sent as a bearer token. With `pid` the process's CPU
    time and memory are read too.
    """
    first, *rest = words.split(",")
    name, _, url = first.partition("=")
    parts = urlsplit(url)
    if not re.fullmatch(r"[\w.-]+", name) or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{first!r} is not NAME=URL with an http or https URL ({HOW})")
    said = dict(one.partition("=")[::2] for one in rest)
    if unknown := [key for key in said if key not in _KEYS]:
        raise ValueError(f"{unknown[0]!r} says nothing of a target: {HOW}")
    dialect, pid = said.get("dialect", "responses"), said.get("pid", "0")
    if dialect not in ("responses", "chat"):
        raise ValueError(f"dialect {dialect!r} is neither responses nor chat")
    if not pid.isdecimal():
        raise ValueError(f"pid {pid!r} is no number")
    tls = parts.scheme == "https"
    return Target(
        name=name,
        dialect=cast(Dialect, dialect),
        host=parts.hostname,
        port=parts.port or (443 if tls else 80),
        tls=tls,
        base=parts.path.rstrip("/"),
        model=said.get("model", ""),
        headers=_headers(said.get("key", ""), environment),
        pid=int(pid) or None,
        strict=False,
    )


def _headers(key: str, environment: Mapping[str, str]) -> dict[str, str]:
    if not key:
        return {}
    kind, _, name = key.partition(":")
    if kind != "env":
        raise ValueError("a key is given as env:NAME: words of a command are seen by everybody on the machine")
    if not environment.get(name):
        raise ValueError(f"the environment has no {name}")
    return {"authorization": f"Bearer {environment[name]}"}


def check_runs(target: Target) -> None:
    """Raises StartFailed when nobody listens at a target's URL, or its process is not there."""
    where = f"{'https' if target.tls else 'http'}://{target.host}:{target.port}{target.base}"
    try:
        with socket.create_connection((target.host, target.port), timeout=_PATIENCE_S) as connection:
            if target.tls:
                ssl.create_default_context().wrap_socket(connection, server_hostname=target.host).close()
    except OSError as error:
        raise StartFailed(f"{target.name}: nobody answers at {where}: {error}") from None
    if target.pid is not None and not os.path.exists(f"/proc/{target.pid}"):
        raise StartFailed(f"{target.name}: there is no process {target.pid}")
