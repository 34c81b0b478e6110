"""Tries whether the upstreams of a file can be reached, and take us for who we are, without asking for any answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from .api.responses.request import ResponsesRequest
from .config.file import Config, UpstreamEntry
from .config.types import Secret
from .errors import ExchangeError, Problem, UpstreamRefused, UpstreamTimeout, UpstreamUnreachable
from .exchange import Client, Exchange
from .providers.provider import Deployment, Provider
from .redact import redact

_NO_SUCH_PATH = (404, 405, 501)
_FIXES = {
    "certificate": "check {where}, or say by tls which authority to trust",
    "TLS failed": "check {where}",
    "name not known": "check {where}",
    "name resolution failed": "check the network's name servers",
}
"""What to do about a connection that cannot be made, by what was found; else to see whether anybody is there."""


class Reached(msgspec.Struct, frozen=True):
    """How the trial of one upstream went, and how long it took; without a problem it went well."""

    upstream: str
    seconds: float
    problem: Problem | None = None

    @property
    def ok(self) -> bool:
        """Whether requests may be expected to get there; of what only may be wrong it is warned."""
        return self.problem is None or self.problem.warning


async def reach(config: Config, limit_s: float) -> list[Reached]:
    """Returns how each upstream of a file was reached, in the file's order. All are asked at the same time.

    `limit_s`: how long one may take, in seconds.
    """
    named: dict[str, str] = {}
    for entries in config.models.values():
        for one in entries:
            if "*" not in one.model:
                named.setdefault(one.upstream, one.model)
    trials = [_reach(config.file, one, named.get(one.name, ""), limit_s) for one in config.upstreams.values()]
    return await asyncio.gather(*trials)


async def _reach(file: str, entry: UpstreamEntry, model: str, limit_s: float) -> Reached:
    began = time.monotonic()
    problem: Problem | None = None
    try:
        await _ask(entry, model, limit_s)
    except (ExchangeError, ValueError) as error:  # ValueError: files of TLS that cannot be used
        what = str(error).removeprefix(f'upstream "{entry.name}"').removeprefix(":").strip()
        said = redact(f"upstreams.{entry.name}: {what}", _secrets(entry.config))
        problem = Problem(file, *entry.place, said, _fix(error, entry.config), warning=_may_be_right(error))
    return Reached(entry.name, time.monotonic() - began, problem)


async def _ask(entry: UpstreamEntry, model: str, limit_s: float) -> None:
    """Opens an upstream and asks it; raises ExchangeError or ValueError."""
    provider = entry.provider(entry.name, entry.config)
    try:
        async with asyncio.timeout(limit_s):
            await provider.probe(_question(provider, model) if model else None, model)
    except TimeoutError:
        raise UpstreamTimeout(f"did not answer within {limit_s:g} s", phase="total") from None
    finally:
        await provider.close()


def _question(provider: Provider, model: str) -> Exchange:
    request = ResponsesRequest.parse(msgspec.json.encode({"model": model, "input": "hi"}))
    exchange = Exchange("check", Client("127.0.0.1", {}), request)
    exchange.deployment = Deployment(provider, model)
    return exchange


def _may_be_right(error: Exception) -> bool:
    """Tells whether it may be that the upstream just has nothing that could be asked for free."""
    if not isinstance(error, UpstreamRefused) or error.code != "upstream_error":
        return False
    return error.upstream_status in _NO_SUCH_PATH


def _fix(error: Exception, config: Any) -> str:
    """Returns what to do; nothing where the error itself says it."""
    where = _where(config)
    if isinstance(error, UpstreamUnreachable):
        found = next((fix for mark, fix in _FIXES.items() if mark in error.message), None)
        return (found or "check {where}, and that the server runs").format(where=where)
    if isinstance(error, UpstreamTimeout):
        return f"check {where}, and what stands between: firewalls, a proxy"
    if _may_be_right(error):
        return "nothing is wrong if it has no list of models"
    return ""


def _where(config: Any) -> str:
    """Returns the setting that says where an upstream is."""
    if getattr(config, "proxy", None) is not None:
        return "base_url and proxy"
    places = [name for name in ("region", "location") if hasattr(config, name)]
    if places and getattr(config, "base_url", None) is None:
        return places[0]
    return "base_url"


def _secrets(value: Any) -> Iterator[str]:
    """Returns all secrets in the settings of an upstream."""
    if isinstance(value, Secret):
        if value.reveal():
            yield value.reveal()
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, dict):
        for one in value.values():
            yield from _secrets(one)
