"""Paths under `/admin`, for whoever has the admin key: nothing else opens them, the loopback neither."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from aiohttp import web

from ..errors import ExchangeError, Unauthorized
from ..reply import Reply
from .http import to_response

AdminHandler = Callable[[web.BaseRequest], Awaitable[Reply]]
"""Answers a request that had the admin key; may raise ExchangeError."""

AdminRoutes = Mapping[str, Mapping[str, AdminHandler]]
"""Handlers by path (`/admin/limits`) and method. A `*` between slashes stands for any name."""


class Admin:
    """The admin routes of a server. Each of `tables` is what one part of it serves."""

    def __init__(self, key: str, *tables: AdminRoutes) -> None:
        self._digest = hashlib.sha256(key.encode()).digest()
        self._routes = {
            path: {method: partial(self._answer, handler) for method, handler in methods.items()}
            for table in tables
            for path, methods in table.items()
        }

    def find(self, path: str) -> dict[str, Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]] | None:
        """Returns the handlers of a path by method; None when there is none."""
        if path not in self._routes:
            path = next((one for one in self._routes if "*" in one and _stands_for(one, path)), path)
        return {**self._routes[path]} if path in self._routes else None

    async def _answer(self, handler: AdminHandler, request: web.BaseRequest) -> web.StreamResponse:
        try:
            self._check(request)
            return to_response(request, await handler(request))
        except ExchangeError as error:
            return to_response(request, Reply.from_error(error))

    def _check(self, request: web.BaseRequest) -> None:
        """Raises Unauthorized without the admin key; one digest is compared with another, in constant time."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            key = request.headers.get("x-api-key", "")
        digest = hashlib.sha256(key.strip().encode("utf-8", "surrogateescape")).digest()
        if not hmac.compare_digest(digest, self._digest):
            raise Unauthorized("Send the admin key as 'Authorization: Bearer KEY'.")


def _stands_for(pattern: str, path: str) -> bool:
    parts, given = pattern.split("/"), path.split("/")
    return len(parts) == len(given) and all(
        part in ("*", one) and one for part, one in zip(parts[1:], given[1:], strict=True)
    )
