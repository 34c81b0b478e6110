"""The paths of conversations: who may ask, what is read, and how it is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from ..errors import ExchangeError
from ..exchange import Exchange
from ..reply import Reply
from ..stores.keeper import owner_of
from .conversations import Conversations
from .http import Query, client_of, query_of, request_id, to_response

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Authenticate = Callable[[Exchange], Awaitable[Reply | None]]
Read = Callable[[web.BaseRequest], Awaitable[bytes]]

_Work = Callable[[Conversations, str, Query, bytes], Awaitable[Any]]
"""Conversations, owner, query, body -> what is answered as JSON."""


class ConversationRoutes:
    """Handlers of `/conversations` and what stands below it.

    `authenticate` takes an exchange through the stages that find out who is asking, `read` returns a request's body.
    """

    def __init__(self, conversations: Conversations, authenticate: Authenticate, read: Read) -> None:
        self._conversations = conversations
        self._authenticate = authenticate
        self._read = read

    def find(self, path: str) -> dict[str, Handler] | None:
        """Returns the methods of a path behind `/conversations`; None when there is no such path."""
        if not path:
            return {"POST": self._handler(lambda to, owner, query, body: to.create(owner, body), reads=True)}
        id, slash, rest = path.removeprefix("/").partition("/")
        if not path.startswith("/") or not id:
            return None
        if not slash:
            return {
                "GET": self._handler(lambda to, owner, query, body: to.retrieve(id, owner)),
                "POST": self._handler(lambda to, owner, query, body: to.update(id, owner, body), reads=True),
                "DELETE": self._handler(lambda to, owner, query, body: to.delete(id, owner)),
            }
        if rest == "items":
            return {
                "GET": self._handler(lambda to, owner, query, body: to.list_items(id, owner, query)),
                "POST": self._handler(lambda to, owner, query, body: to.add_items(id, owner, query, body), reads=True),
            }
        what, _, item = rest.partition("/")
        if what == "items" and item:
            return {
                "GET": self._handler(lambda to, owner, query, body: to.item(id, owner, item, query)),
                "DELETE": self._handler(lambda to, owner, query, body: to.delete_item(id, owner, item)),
            }
        return None

    def _handler(self, work: _Work, *, reads: bool = False) -> Handler:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            exchange = Exchange(request_id(request), client_of(request), None)
            try:
                refused = await self._authenticate(exchange)
                if refused is not None:
                    return to_response(request, refused)
                body = await self._read(request) if reads else b""
                asked = self._conversations.asked_by(exchange)
                return to_response(request, Reply.json(await work(asked, owner_of(exchange), query_of(request), body)))
            except ExchangeError as error:
                return to_response(request, Reply.from_error(error))

        return handle
