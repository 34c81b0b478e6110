"""Other endpoints of OpenAI's API: embeddings, images, audio, files, batches. They are passed on to who has them.

A body is passed on as it came, but for the upstream's name of the model; so is an answer, with the errors in it. What
is held whole is JSON alone, and a form up to its first file behind the field that names its model.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from ..errors import BadRequest, ExchangeError, MethodNotAllowed, Overloaded, UnsupportedMedia
from ..exchange import Exchange
from ..pipeline import Pipeline
from ..providers.provider import Provider
from ..reply import Reply
from .azure_paths import DEPLOYMENT
from .body import IDLE_S, read_body
from .http import client_of, request_id, to_response
from .passthrough_body import ClientBody, Json, NoBody, Sending, Streamed, read_form
from .passthrough_request import RawRequest
from .passthrough_run import Asked, Passage, is_kept_upstream
from .passthrough_stream import RawStream
from .running import Running
from .uploads import Uploads

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

Methods = tuple[str, ...]

_POST: Methods = ("POST",)
_BOTH: Methods = ("GET", "POST")
_ALL: Methods = ("GET", "POST", "DELETE")
_ALONE = {"/completions": _POST, "/embeddings": _POST, "/moderations": _POST, "/rerank": _POST}
_BELOW = {
    "audio": _BOTH,
    "batches": _BOTH,
    "files": _ALL,
    "fine_tuning": _ALL,
    "images": _BOTH,
    "uploads": _ALL,
    "vector_stores": _ALL,
}
_SEGMENT = re.compile(r"(?!\.{1,2}\Z)[\w.:~=+@-]{1,256}", re.ASCII)
_SEGMENTS = 6


class PassLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of what is passed on, in bytes: `whole` of what is held, `upload` of what is streamed."""

    whole: int
    upload: int = 512 * 1024 * 1024
    idle_s: float = IDLE_S


class Passthrough:
    """Serves the other endpoints of one pipeline.

    `owner` names the upstream of requests that name no model; without it that is the only one that has the endpoint.
    """

    def __init__(self, pipeline: Pipeline, running: Running, limits: PassLimits, owner: str | None = None) -> None:
        self._pipeline = pipeline
        self._running = running
        self._limits = limits
        self._owner = owner
        self._passages: set[Passage] = set()
        self._uploads = Uploads()

    def find(self, path: str) -> dict[str, Handler] | None:
        """Returns the methods of a path below `/v1`; None where nothing is passed on."""
        methods = _ALONE.get(path, ()) or _methods_below(path)
        if not methods:
            return None

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            with self._running:
                return await self._handle(request, path)

        return dict.fromkeys(methods, handle)

    def cut_off(self, error: Overloaded) -> None:
        """Ends what is still running; what comes now, or is still coming, gets the error."""
        for passage in tuple(self._passages):
            passage.abort(error)
        self._uploads.cut_off(error)

    async def _handle(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        exchange = Exchange(request_id(request), client_of(request), None)
        stream = RawStream(request)
        passage = Passage(self._pipeline, exchange, stream)
        try:
            self._running.check()
            if request.method == "HEAD":
                raise MethodNotAllowed(f"Not allowed: HEAD on {request.path}. Use GET.")
            asked = await self._read(request, exchange, path)
        except ExchangeError as error:
            reply = await passage.refuse(error)
        except asyncio.CancelledError:
            await passage.left()
            raise
        else:
            reply = await self._run(passage, asked)
        return stream if reply is None else to_response(request, reply)

    async def _run(self, passage: Passage, asked: Asked) -> Reply | None:
        self._passages.add(passage)
        try:
            return await passage.run(asked)
        finally:
            self._passages.discard(passage)

    async def _read(self, request: web.BaseRequest, exchange: Exchange, path: str) -> Asked:
        """Returns what is asked, once the model is known; raises what reading the body raises."""
        body = await self._uploads.whole(self._body(request, exchange, path))
        assert isinstance(exchange.request, RawRequest)
        served = exchange.request.names_model and not is_kept_upstream(path)
        owner = None if served else self._owner_of(path)
        return Asked(request.method, path, request.rel_url.raw_query_string, body, owner)

    async def _body(self, request: web.BaseRequest, exchange: Exchange, path: str) -> Sending:
        """Returns the body, and gives the exchange its request."""
        limits, deployment = self._limits, request.get(DEPLOYMENT)
        media = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        exchange.request = RawRequest.naming(None)
        if not request.can_read_body:
            return NoBody()
        if media == "application/json" or media.endswith("+json"):
            data = await read_body(request, limits.whole, limits.idle_s)
            if not data:
                return NoBody()
            exchange.request = RawRequest.parse(data)
            if deployment is not None and not is_kept_upstream(path):
                exchange.request.set("model", deployment)
            return Json()
        body = ClientBody(request, limits.upload, limits.idle_s)
        if is_kept_upstream(path):
            return Streamed(body)
        if media != "multipart/form-data":
            raise UnsupportedMedia(
                f"Content type {media!r} is not served here: send application/json or multipart/form-data."
            )
        form = await read_form(body, request.headers["content-type"], limits.whole, model=deployment)
        exchange.request = RawRequest.of_form(deployment or form.model, form.texts)
        return form

    def _owner_of(self, path: str) -> Provider:
        """Returns the upstream that serves a path without a model; raises BadRequest where that is not clear."""
        able = {
            name: provider
            for name, provider in self._pipeline.providers.items()
            if provider.forwarded(path, "") is not None
        }
        if self._owner is not None:
            if self._owner in able:
                return able[self._owner]
            message = f'/v1{path} is not served now: upstream "{self._owner}" (default_upstream) cannot serve it.'
        elif len(able) == 1:
            return next(iter(able.values()))
        elif not able:
            message = f"No upstream of this server has /v1{path}: only upstreams that speak OpenAI's API do."
        elif is_kept_upstream(path):
            message = f"Several upstreams have /v1{path}: set default_upstream to one of {', '.join(able)}."
        else:
            message = f"The request names no model, and several upstreams have /v1{path}: name one."
        raise BadRequest(message, code="unsupported_endpoint")


def _methods_below(path: str) -> Methods:
    """Returns the methods of a path such as `/files/ID/content`; none for one that says where it leads by dots."""
    _, *segments = path.split("/")
    first, rest = segments[0] if segments else "", segments[1:]
    if len(segments) > _SEGMENTS or not all(map(_SEGMENT.fullmatch, segments)):
        return ()
    return _BELOW.get(first, ()) if rest or is_kept_upstream(path) else ()
