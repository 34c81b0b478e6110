"""The paths that name a response: who may ask, which worker knows, and how it is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from ..errors import ExchangeError
from ..exchange import Exchange
from ..reply import Reply
from ..stores.keeper import owner_of
from .http import Query, client_of, query_of, request_id, to_response
from .keepalive import KeepAlive
from .kept import KeptResponses
from .peers import Peers
from .running import Running
from .stream import EventStream

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Authenticate = Callable[[Exchange], Awaitable[Reply | None]]

FROM_PEER = web.RequestKey("from_peer", bool)
"""Set in a request that another worker has passed on: it goes no further."""


class ResponseRoutes:
    """Handlers of `/responses/{id}` and what stands below it.

    `authenticate` takes an exchange through the stages that find out who is asking. `readers` counts who is reading a
    stream, here or from another worker.
    """

    def __init__(
        self, kept: KeptResponses, authenticate: Authenticate, keepalive: KeepAlive, peers: Peers, readers: Running
    ) -> None:
        self._kept = kept
        self._authenticate = authenticate
        self._keepalive = keepalive
        self._peers = peers
        self._readers = readers

    def find(self, path: str) -> dict[str, Handler] | None:
        """Returns the methods of a path behind `/responses/`; None when there is no such path."""
        kept = self._kept
        id, slash, what = path.partition("/")
        if id and not slash:
            return {
                "GET": self._handler(id, kept.show, may_stream=True),
                "DELETE": self._handler(id, lambda id, owner, query: kept.delete(id, owner)),
            }
        if id and what == "input_items":
            return {"GET": self._handler(id, kept.input_items)}
        if id and what == "cancel":
            return {"POST": self._handler(id, lambda id, owner, query: kept.cancel(id, owner))}
        return None

    def _handler(
        self, id: str, work: Callable[[str, str, Query], Awaitable[Any]], *, may_stream: bool = False
    ) -> Handler:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            exchange = Exchange(request_id(request), client_of(request), None)
            try:
                refused = await self._authenticate(exchange)
                if refused is not None:
                    return to_response(request, refused)
                owner, query = owner_of(exchange), query_of(request)
                elsewhere = await self._elsewhere(request, id, owner)
                if elsewhere is not None:
                    return elsewhere
                if may_stream and (query.get("stream") or ["false"])[-1].lower() in ("true", "1"):
                    return await self._stream(request, id, owner, query)
                answer = await work(id, owner, query)
                return to_response(request, answer if isinstance(answer, Reply) else Reply.json(answer))
            except ExchangeError as error:
                return to_response(request, Reply.from_error(error))

        return handle

    async def _elsewhere(self, request: web.BaseRequest, id: str, owner: str) -> web.StreamResponse | None:
        """Has the worker answer that is making the response; None when it is not another one."""
        maker = self._peers.maker_of(id)
        if maker is None or FROM_PEER in request or self._kept.is_here(id, owner):
            return None
        if await self._kept.is_finished(id, owner):
            return None
        with self._readers:
            return await self._peers.forward(request, maker)

    async def _stream(self, request: web.BaseRequest, id: str, owner: str, query: Query) -> web.StreamResponse:
        follow = await self._kept.stream(id, owner, query)
        if request.method == "HEAD":
            return to_response(request, Reply(200, b"", {"content-type": "text/event-stream; charset=utf-8"}))
        stream = EventStream(request, self._keepalive)
        stream.open({"x-request-id": request_id(request)})
        try:
            with self._readers:
                await follow.to(stream)
        finally:
            stream.drop()
        return stream
