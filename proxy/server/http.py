"""Between aiohttp's requests and responses and the engine's."""

from __future__ import annotations

import re

from aiohttp import web

from ..exchange import Client
from ..random_bytes import random_hex
from ..reply import Reply
from .own_answer import header_value

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
    return Client(request.remote or "", _lower_headers(request), request.method, request.path)


def query_of(request: web.BaseRequest) -> Query:
    """Returns the query of a request."""
    return {name: request.query.getall(name) for name in request.query}


def request_id(request: web.BaseRequest) -> str:
    """Returns the client's own id of the request if it is one, else a fresh one."""
    given = request.headers.get("x-request-id")
    return given if given is not None and _REQUEST_ID.fullmatch(given) else "req_" + random_hex(16)


def _lower_headers(request: web.BaseRequest) -> dict[str, str]:
    given = request.headers
    headers = {name.lower(): value for name, value in given.items()}
    if len(headers) == len(given):
        return headers
    headers = {}  # some came more than once
    for name, value in given.items():
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
