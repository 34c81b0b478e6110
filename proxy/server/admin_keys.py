"""`/admin/keys`: makes, shows, changes, rotates and revokes the keys of the key store.

    POST   /admin/keys               make one: {"id": ..., "owner": ..., "limits": {...}, "expires": "90d"}
    GET    /admin/keys               a page of them: ?limit=100&after=ID; ?status=active leaves out what does not work
    GET    /admin/keys/ID            one, and what was done to it
    PATCH  /admin/keys/ID            change what is given; null takes it away
    POST   /admin/keys/ID/rotate     a new secret; {"grace": "24h"} has the old one work so long
    DELETE /admin/keys/ID            revoke it

A secret is in the answer that makes it, under `key`, and nowhere else. Every change is told to the log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec
from aiohttp import web

from ..auth.attributes import KeyAttributes, attributes_of, plain_attributes
from ..auth.key_store import KeyRecord, KeyRefused, KeyStore, KeyStoreFailed, UnknownKey
from ..auth.shown import shown
from ..auth.stage import KeyStage
from ..auth.stored_keys import StoredKeys
from ..config.types import Duration, Mistake, Sources
from ..errors import BadRequest, NotFound, Overloaded
from ..reply import Reply
from ..stage import Stage
from .admin import AdminRoutes
from .body import read_body

T = TypeVar("T")

_log = logging.getLogger("penstock")
_MOST_BYTES = 64 * 1024
_IDLE_S = 10.0
_PAGE = 1000
_WHO = "admin"


def key_routes(stages: Iterable[Stage]) -> AdminRoutes:
    """Returns the routes of the key store; none when no stage asks for its keys."""
    stored = [stage.stored for stage in stages if isinstance(stage, KeyStage) and stage.stored is not None]
    if not stored:
        return {}
    routes = _KeyRoutes(stored)
    return {
        "/admin/keys": {"GET": routes.every, "POST": routes.create},
        "/admin/keys/*": {"GET": routes.one, "PATCH": routes.change, "DELETE": routes.revoke},
        "/admin/keys/*/rotate": {"POST": routes.rotate},
    }


class _KeyRoutes:
    def __init__(self, stored: list[StoredKeys]) -> None:
        self._stored = stored
        self._store = KeyStore(stored[0].path)

    async def every(self, request: web.BaseRequest) -> Reply:
        asked = {name: values[-1] for name, values in parse_qs(request.query_string).items()}
        status, limit = asked.get("status"), asked.get("limit", str(_PAGE))
        if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit[:6]) <= _PAGE):
            raise BadRequest(f"Expected an integer from 1 to {_PAGE}.", param="limit", code="invalid_value")
        now, most = time.time(), int(limit)
        records = await self._done(lambda: self._store.every(asked.get("after"), most + 1))
        page = records[:most]
        data = [shown(one, now) for one in page if status in (None, one.status(now))]
        last = page[-1].id if page else None
        return Reply.json({"object": "list", "data": data, "last_id": last, "has_more": len(records) > most})

    async def one(self, request: web.BaseRequest) -> Reply:
        id = _id(request)
        record = await self._done(lambda: self._store.get(id))
        changes = await self._done(lambda: self._store.changes(id))
        return Reply.json({**shown(record, time.time()), "changes": changes})

    async def create(self, request: web.BaseRequest) -> Reply:
        fields = await _fields(request)
        id = fields.pop("id", None)
        if id is not None and not isinstance(id, str):
            raise BadRequest("Expected a string.", param="id", code="invalid_value")
        attributes = _attributes(fields)
        return self._told("create", request, *await self._done(lambda: self._store.create(id, attributes, _WHO)))

    async def change(self, request: web.BaseRequest) -> Reply:
        id, fields = _id(request), await _fields(request)

        def changed(present: KeyAttributes) -> KeyAttributes:
            return _attributes({**plain_attributes(present), **fields})

        return self._told("change", request, await self._done(lambda: self._store.change(id, changed, _WHO)))

    async def rotate(self, request: web.BaseRequest) -> Reply:
        id, fields = _id(request), await _fields(request)
        try:
            grace_s = Duration.parse(fields.pop("grace", 0), Sources())
        except Mistake as mistake:
            raise BadRequest(f"{mistake.what}: {mistake.fix}.", param="grace", code="invalid_value") from None
        if fields:
            raise BadRequest(f"Unknown parameter: '{next(iter(fields))}'.", code="unknown_parameter")
        return self._told("rotate", request, *await self._done(lambda: self._store.rotate(id, grace_s, _WHO)))

    async def revoke(self, request: web.BaseRequest) -> Reply:
        id = _id(request)
        return self._told("revoke", request, await self._done(lambda: self._store.revoke(id, _WHO)))

    async def _done(self, work: Callable[[], T]) -> T:
        """Returns what the store does in a thread: it may have to wait for other writers."""
        try:
            return await asyncio.to_thread(work)
        except UnknownKey as error:
            raise NotFound(str(error), code="key_not_found") from None
        except KeyRefused as error:
            raise BadRequest(str(error), code="invalid_key", status=409) from None
        except KeyStoreFailed as error:
            _log.error("the key store cannot be used: %s", error)
            raise Overloaded("The key store cannot be used now: see the log.", retry_after_s=1) from None

    def _told(self, what: str, request: web.BaseRequest, record: KeyRecord, secret: str | None = None) -> Reply:
        """Tells the log of a change, and has this worker see it at once; the others do within a second."""
        for stored in self._stored:
            stored.look_at_once()
        _log.info("audit: who=%s what=keys.%s key=%s from=%s", _WHO, what, record.id, request.remote)
        reply = Reply.json({**shown(record, time.time()), **({} if secret is None else {"key": secret})})
        reply.headers["cache-control"] = "no-store"
        return reply


def _id(request: web.BaseRequest) -> str:
    return request.path.partition("/admin/keys/")[2].partition("/")[0]


async def _fields(request: web.BaseRequest) -> dict[str, Any]:
    body = await read_body(request, _MOST_BYTES, _IDLE_S)
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is no JSON object: {error}", code="invalid_body") from None


def _attributes(fields: dict[str, Any]) -> KeyAttributes:
    try:
        return attributes_of(fields, time.time())
    except (msgspec.ValidationError, Mistake) as error:
        raise BadRequest(f"The key cannot be made so: {error}.", code="invalid_value") from None
