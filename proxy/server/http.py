"""Between aiohttp's requests and responses and the engine's."""

from __future__ import annotations

import re

from aiohttp import web

from ..exchange import Client
from ..reply import Reply
from .heads import lower_headers
from .known_request import KnownRequest
from .own_answer import header_value
from .request_ids import new_request_id

_REQUEST_ID = re.compile(r"[\w.:/=+-]{1,128}", re.ASCII)

Query = dict[str, list[str]]
"""The values of each name in a query, in their order."""


def to_response(request: web.BaseRequest, reply: Reply) -> web.Response:
    """Returns a reply as aiohttp's response, with the headers that every answer has."""
    response = web.Response(status=reply.status, body=reply.body)
    headers = response.headers
    for name, value in reply.headers.items():
        headers[name] = header_value(value)
    headers.setdefault("server", "penstock")
    if "x-request-id" not in headers:
        headers["x-request-id"] = request_id(request)
    if is_upgrade(request):
        response.force_close()  # what follows it on the connection would not be read as HTTP
    return response


def is_upgrade(request: web.BaseRequest) -> bool:
    """Tells whether a request wants a WebSocket."""
    return request.method == "GET" and request.headers.get("upgrade", "").strip().lower() == "websocket"


def client_of(request: web.BaseRequest) -> Client:
    """Returns where a request came from."""
    if type(request) is KnownRequest:
        return request.client()
    return Client(request.remote or "", lower_headers(request.headers), request.method, request.path)


def query_of(request: web.BaseRequest) -> Query:
    """Returns the query of a request."""
    return {name: request.query.getall(name) for name in request.query}


def request_id(request: web.BaseRequest) -> str:
    """Returns the client's own id of the request if it is one, else a fresh one."""
    headers = request.head.headers if type(request) is KnownRequest else request.headers
    given = headers.get("x-request-id")
    return given if given is not None and _REQUEST_ID.fullmatch(given) else new_request_id()
