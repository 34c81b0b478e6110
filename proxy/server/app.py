"""The routes of the server, and what each does with a request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ..api.dialects import DIALECTS
from ..errors import BadRequest, ExchangeError, MethodNotAllowed, NotFound, Overloaded, UpgradeRequired
from ..exchange import Exchange
from ..pipeline import Pipeline
from ..reply import Reply
from ..request import Dialect
from ..stores.nothing import NothingKept
from .admin import Admin
from .azure_paths import DEPLOYMENT, read_path
from .body import IDLE_S, body_at_hand, read_body
from .catalog import Catalog
from .compact import read_compact
from .connection import Connection
from .conversation_routes import ConversationRoutes
from .conversations import Conversations
from .http import client_of, is_upgrade, request_id, to_response
from .input_tokens import read_count
from .keepalive import KeepAlive
from .kept import KeptResponses
from .known_request import KnownRequest
from .metrics import METRICS, Local
from .passthrough import PassLimits, Passthrough
from .peers import Peers
from .response_routes import FROM_PEER, ResponseRoutes
from .running import Running
from .screening import Screening
from .stream import EventStream
from .uploads import Uploads
from .websocket import WebSockets
from .websocket_connection import SocketOptions
from .whole_answer import whole_answer

if TYPE_CHECKING:
    from .compat import Compat

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_Finish = Callable[[Reply], Reply]
_Read = Callable[[Exchange, bytes], _Finish | None]
"""Gives an exchange the request of a body; what it returns makes the client's answer of the Reply."""


class App:
    """Serves one pipeline. `handle` is the handler of all requests.

    Paths are served with and without `/v1`, and where Azure's clients ask for them. `max_body` and `max_head` (all
    headers together) are in bytes. `max_requests` is how many exchanges run at a time; None is no limit. `body_idle_s`
    is how long the next piece of a request's body may take, `websocket_s` how long a WebSocket may live (0: none is).
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        max_body: int,
        max_head: int = 64 * 1024,
        max_requests: int | None = None,
        body_idle_s: float = IDLE_S,
        websocket_s: float = 3600.0,
        peers: Peers | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._compat: Compat | None = None
        self._max_body = max_body
        self._max_head = max_head
        self._body_idle_s = body_idle_s
        self._keepalive = KeepAlive(pipeline.keepalive_s)
        self._catalog = Catalog(pipeline.models, int(time.time()))
        self._peers = peers or Peers(None, 0)
        self._readers = Running()
        kept = KeptResponses(pipeline.store or NothingKept(), pipeline.keeper, pipeline.in_flight)
        self._responses = ResponseRoutes(kept, self._authenticate, self._keepalive, self._peers, self._readers)
        self._conversations: ConversationRoutes | None = None
        if pipeline.store is not None and pipeline.conversations is not None:
            screening = Screening(pipeline.stages, pipeline)
            conversations = Conversations(pipeline.conversations, pipeline.store, screening)
            self._conversations = ConversationRoutes(conversations, self._authenticate, self._read)
        self._mounted: list[Admin | Local] = []
        self._draining = False
        self._uploads = Uploads()
        self._running = Running(max_requests, pipeline.alone)
        options = SocketOptions(max_message=max_body, life_s=websocket_s, ping_s=pipeline.keepalive_s)
        self._websockets = WebSockets(pipeline, self._running, options)
        bounds = PassLimits(whole=max_body, upload=pipeline.max_upload_bytes, idle_s=body_idle_s)
        self._passthrough = Passthrough(pipeline, self._running, bounds, pipeline.default_upstream)
        self._routes: dict[str, dict[str, Handler]] = {
            "/responses": {"POST": self._answers(_parser("responses"))},
            "/responses/compact": {"POST": self._answers(read_compact)},
            "/responses/input_tokens": {"POST": self._answers(read_count)},
            "/chat/completions": {"POST": self._answers(_parser("chat"))},
            "/models": {"GET": self._models},
            "/healthz": {"GET": self._healthz},
            "/readyz": {"GET": self._readyz},
        }
        if websocket_s:
            self._routes["/responses"]["GET"] = self._websocket
        self._with_version = {"/v1" + path: methods for path, methods in self._routes.items()}

    def mount(self, routes: Admin | Local) -> None:
        """Serves paths for whoever has the admin key, or for this machine alone, too."""
        self._mounted.append(routes)

    def answer_as(self, compat: Compat) -> None:
        """Answers as clients of another gateway expect it."""
        self._compat = compat

    def handle(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        """Answers one request. Hot: what mostly comes goes to its handler without a coroutine between."""
        if type(request) is KnownRequest and self._compat is None and request.head.most_bytes <= self._max_head:
            return self._with_version[request.head.path]["POST"](request)
        if self._compat is None and not self._head_is_too_large(request):
            return self._handler(request)(request)
        return self._handle(request)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._head_is_too_large(request):
            error = BadRequest(f"The request's head is larger than {self._max_head} bytes (limits.header).", status=431)
            response: web.StreamResponse = to_response(request, Reply.from_error(error))
        else:
            response = await self._handler(request)(request)
        return response if self._compat is None else self._compat.answer(response)

    def _head_is_too_large(self, request: web.BaseRequest) -> bool:
        connection = request.protocol
        came = connection.came_whole if isinstance(connection, Connection) else None
        return (came is None or came > self._max_head) and _head_size(request) > self._max_head

    def _handler(self, request: web.BaseRequest) -> Handler:
        """Returns what answers a request, be it that there is no such path or method."""
        methods = self._methods(request)
        if methods is None:
            return _unknown
        handler = methods.get("GET" if request.method == "HEAD" else request.method)
        return handler or partial(self._wrong_method, methods=methods)

    def _methods(self, request: web.BaseRequest) -> dict[str, Handler] | None:
        """Returns the handlers of a request's path, by method."""
        asked = request.path
        if (known := self._with_version.get(asked)) is not None:
            return known  # what mostly comes
        path, model = read_path(asked)
        if self._compat is not None:
            path = self._compat.path(path)
        if model is not None:
            request[DEPLOYMENT] = model
        return self._routes.get(path) or self._named(path)

    def drain(self) -> None:
        """Stops being ready; running exchanges go on."""
        self._draining = True
        self._websockets.drain()

    def succeed(self, before: App) -> None:
        """Takes over the WebSockets of the app before it: what they ask from now on is asked here.

        What still runs there is counted here.
        """
        self._running.follow(before._running)
        self._websockets, before._websockets = before._websockets, self._websockets
        self._websockets.go_on_with(before._websockets)

    async def drained(self, timeout_s: float | None) -> bool:
        """Waits until nothing runs any more; tells whether that came about in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._running.none()
                await self._pipeline.idle()
                await self._readers.none()
                await self._websockets.closed()
        except TimeoutError:
            return False
        return True

    def cut_off(self) -> None:
        """Ends what is still running with an error that says why; what comes now, or is still coming, gets it too."""
        error = Overloaded("The server is shutting down.", code="server_error", retry_after_s=1)
        self._websockets.cut_off(error)
        self._pipeline.abort_all(error)
        self._passthrough.cut_off(error)
        self._uploads.cut_off(error)

    async def close(self) -> None:
        """Stops the timers, and closes the ways to the other workers."""
        self._keepalive.close()
        await self._peers.close()

    @property
    def is_ready(self) -> bool:
        """Whether requests are taken: not while the server stops."""
        return not self._draining

    @property
    def catalog(self) -> Catalog:
        """The list of models."""
        return self._catalog

    def _answers(self, read: _Read) -> Handler:
        """Returns the handler of requests that go through the pipeline."""

        return partial(self._answer, read)

    async def _answer(self, read: _Read, request: web.BaseRequest) -> web.StreamResponse:
        running = self._running
        running.enter()
        try:
            exchange = Exchange(request_id(request), client_of(request), None)
            stream = EventStream(request, self._keepalive)
            try:
                running.check()
                body = self._at_hand(request)
                finish = read(exchange, await self._read(request) if body is None else body)
                if type(request) is not KnownRequest and not request.path.startswith("/v1/") and DEPLOYMENT in request:
                    exchange.request.set("model", request[DEPLOYMENT])
            except ExchangeError as error:
                return self._answer_of(request, await self._pipeline.refuse(exchange, error, stream))
            except asyncio.CancelledError:
                await self._pipeline.left(exchange, stream)
                raise
            try:
                reply = await self._pipeline.serve(exchange, stream)
            finally:
                stream.drop()
            if reply is None:
                return stream
            return self._answer_of(request, reply if finish is None else finish(reply))
        finally:
            running.leave()

    def _answer_of(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        return whole_answer(request, reply) if self._compat is None else to_response(request, reply)

    async def _websocket(self, request: web.BaseRequest) -> web.StreamResponse:
        if is_upgrade(request):
            return await self._websockets.handle(request)
        return await self._wrong_method(request, {"POST": self._websocket})

    def _at_hand(self, request: web.BaseRequest) -> bytes | None:
        """Returns a body that came with its head, as short ones do; None where it has to be waited for."""
        self._uploads.check()
        return body_at_hand(request, self._max_body)

    async def _read(self, request: web.BaseRequest) -> bytes:
        """Returns the body; raises what `read_body` does, or Overloaded when the server was cut off meanwhile."""
        return await self._uploads.whole(read_body(request, self._max_body, self._body_idle_s))

    async def _models(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._aside(request, lambda exchange: self._catalog.page(exchange.key))

    def _named(self, path: str) -> dict[str, Handler] | None:
        """Returns the methods of a path that names a model or a response."""
        _, _, model = path.partition("/models/")
        if path.startswith("/models/") and model:
            return {"GET": lambda request: self._aside(request, lambda exchange: self._model(model, exchange))}
        if path.startswith("/admin/") or path == METRICS:
            return next((found for one in self._mounted if (found := one.find(path)) is not None), None)
        if path.startswith("/responses/"):
            return self._responses.find(path.removeprefix("/responses/"))
        if path.startswith("/conversations") and self._conversations is not None:
            return self._conversations.find(path.removeprefix("/conversations"))
        return self._passthrough.find(path)

    async def handle_from_peer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers a request that another worker has passed on."""
        request[FROM_PEER] = True
        return await self.handle(request)

    async def _model(self, name: str, exchange: Exchange) -> Any:
        model = await self._catalog.get(name, exchange.key)
        if model is None:
            raise NotFound(f"The model {name!r} does not exist.", code="model_not_found", param="model")
        return model

    async def _aside(self, request: web.BaseRequest, work: Callable[[Exchange], Awaitable[Any]]) -> web.StreamResponse:
        """Answers a request that asks no model, after the stages that find out who is asking."""
        exchange = Exchange(request_id(request), client_of(request), None)
        try:
            refused = await self._authenticate(exchange)
            return to_response(request, refused or Reply.json(await work(exchange)))
        except ExchangeError as error:
            return to_response(request, Reply.from_error(error))

    async def _authenticate(self, exchange: Exchange) -> Reply | None:
        """Takes an exchange through the stages that find out who is asking; returns their refusal."""
        for stage in self._pipeline.stages:
            if "key" in stage.sets and isinstance(result := await stage.on_request(exchange), Reply):
                return result
        return None

    async def _healthz(self, request: web.BaseRequest) -> web.StreamResponse:
        return to_response(request, Reply.json({"status": "ok"}))

    async def _readyz(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._draining:
            return to_response(request, Reply.json({"status": "draining"}, 503))
        return to_response(request, Reply.json({"status": "ready"}))

    async def _wrong_method(self, request: web.BaseRequest, methods: dict[str, Handler]) -> web.StreamResponse:
        if is_upgrade(request):
            error = UpgradeRequired("WebSocket is not served here: use HTTP.", code="websocket_unsupported")
            reply = Reply.from_error(error)
        else:
            allowed = ", ".join(methods)
            reply = Reply.from_error(
                MethodNotAllowed(f"Not allowed: {request.method} on {request.path}. Use {allowed}.")
            )
            reply.headers["allow"] = allowed
        return to_response(request, reply)


async def _unknown(request: web.BaseRequest) -> web.StreamResponse:
    error = NotFound(f"Invalid URL ({request.method} {request.path}).", code="unknown_url")
    return to_response(request, Reply.from_error(error))


def _parser(dialect: Dialect) -> _Read:
    """Returns what reads the requests for an answer of a dialect."""
    parse = DIALECTS[dialect].request.parse

    def read(exchange: Exchange, body: bytes) -> None:
        exchange.request = parse(body)

    return read


def _head_size(request: web.BaseRequest) -> int:
    """Returns the bytes of request line and headers; aiohttp limits each by itself, and their number."""
    headers = request.raw_headers
    return len(request.raw_path) + sum(map(len, chain.from_iterable(headers))) + 4 * len(headers)
