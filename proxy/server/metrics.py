"""`GET /metrics`: what Prometheus is told. Whoever has the admin key sees it, or this machine where there is none.

It may have an address of its own instead; then whoever can connect there sees it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from aiohttp import web

from ..errors import ExchangeError, Forbidden, MethodNotAllowed, NotFound
from ..metrics.exposition import CONTENT_TYPE
from ..metrics.stage import MetricsStage
from ..reply import Reply
from ..stage import Stage
from .admin import AdminHandler, AdminRoutes
from .http import to_response

METRICS = "/metrics"
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-real-ip")
"""Headers of a request that a reverse proxy of this machine passes on: its client may be anybody."""


def metrics_routes(stages: Iterable[Stage]) -> AdminRoutes:
    """Returns the route of the stage that counts; none where there is no such stage."""
    stage = next((one for one in stages if isinstance(one, MetricsStage)), None)
    if stage is None:
        return {}

    async def show(request: web.BaseRequest) -> Reply:
        return Reply(200, await stage.exposition(), {"content-type": CONTENT_TYPE, "cache-control": "no-store"})

    return {METRICS: {"GET": show}}


class OwnAddress:
    """What is served where metrics have an address of their own; `handle` is the handler of all requests.

    `stages` and `ready` tell of the pipeline as it is now. What only this machine can connect to, no page that was led
    here by another name is told.
    """

    def __init__(self, stages: Callable[[], Iterable[Stage]], ready: Callable[[], bool], *, loopback: bool) -> None:
        self._stages = stages
        self._ready = ready
        self._loopback = loopback

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one request."""
        try:
            return to_response(request, await self._answer(request))
        except ExchangeError as error:
            return to_response(request, Reply.from_error(error))

    async def _answer(self, request: web.BaseRequest) -> Reply:
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"Not allowed: {request.method}. Use GET.")
        if request.path in ("/health", "/healthz"):
            return Reply.json({"status": "ok"})
        if request.path == "/readyz":
            return Reply.json({"status": "ready"}) if self._ready() else Reply.json({"status": "draining"}, 503)
        show = metrics_routes(self._stages()).get(request.path)
        if show is None:
            raise NotFound(f"Invalid URL ({request.method} {request.path}).", code="unknown_url")
        if self._loopback and not is_local(request):
            raise Forbidden("This address is for clients of the same machine only.")
        return await show["GET"](request)


class Local:
    """Routes for clients of this machine alone."""

    def __init__(self, routes: AdminRoutes) -> None:
        self._routes = routes

    def find(self, path: str) -> dict[str, Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] | None:
        """Returns the handlers of a path by method; None when there is none."""
        methods = self._routes.get(path)
        return None if methods is None else {name: partial(_answer, handler) for name, handler in methods.items()}


async def _answer(handler: AdminHandler, request: web.BaseRequest) -> web.StreamResponse:
    try:
        if not is_local(request):
            raise Forbidden("Without an admin key (admin: in the file) this is for clients of the same machine only.")
        return to_response(request, await handler(request))
    except ExchangeError as error:
        return to_response(request, Reply.from_error(error))


def is_local(request: web.BaseRequest) -> bool:
    """Tells whether a request comes from this machine itself."""
    try:
        local = ipaddress.ip_address((request.remote or "").partition("%")[0]).is_loopback
    except ValueError:
        return False
    return (
        local
        and _is_own_name(request.headers.get("host", ""))
        and not any(name in request.headers for name in _FORWARDED)
    )


def _is_own_name(host: str) -> bool:
    """Tells whether a Host header names this machine: a page of somebody else's, led here by its DNS, names that."""
    name = host.rpartition(":")[0] if re.fullmatch(r".*:\d+", host) else host
    try:
        return name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
