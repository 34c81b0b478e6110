"""The messages of WebSocket mode, as JSON: what clients send, and what is answered beside the events of responses.

Source: the wire reference, section 1.6. A message that cannot be taken is answered by an error message in its lane; the
connection stays open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ..api import invalid
from ..api.raw import given
from ..api.responses.request import ResponsesRequest
from ..errors import BadRequest, ExchangeError, InternalError
from ..reply import Reply

_CREATE = "response.create"
_STEER = "response.steer"
_LANE = re.compile(r"[A-Za-z0-9_.-]{1,256}", re.ASCII)
_TRUE = msgspec.Raw(b"true")
_encode = msgspec.json.encode


class Create(msgspec.Struct, frozen=True):
    """A message that asks for a response, in the `lane` its `stream_id` names (None: the lane without a name).

    `fault` is why it cannot be served; `request` is None when it could not even be read. `size` is that of the message
    in bytes.
    """

    request: ResponsesRequest | None
    lane: str | None
    size: int
    generate: bool = True
    fault: BadRequest | None = None

    @property
    def previous(self) -> str | None:
        """The response that is to be continued, where one is named."""
        raw = self.request.fields.get("previous_response_id") if self.request is not None else None
        try:
            value = None if raw is None else msgspec.json.decode(raw)
        except invalid.UNREADABLE:
            return None
        return value if isinstance(value, str) else None


class Steer(msgspec.Struct, frozen=True):
    """A message that adds input to a running response: the fields as they came."""

    fields: Mapping[str, msgspec.Raw]


def read_message(data: bytes) -> Create | Steer:
    """Returns what a text message asks for; a message that cannot be taken is a `Create` with its fault."""
    request: ResponsesRequest | None = None
    lane: str | None = None
    try:
        request = _parsed(data)
        lane = _lane(request)
        kind = request.get("type")
        if kind == _STEER:
            return Steer(request.fields)
        if kind is None:
            raise invalid.missing("type")
        if kind != _CREATE:
            raise invalid.bad_value("type", str(kind), (_CREATE, _STEER))
        generate = request.get("generate", True)
        if not isinstance(generate, bool):
            raise invalid.wrong_type("generate", "a boolean")
        _check_transport(request)
    except BadRequest as fault:
        return Create(request, lane, len(data), fault=fault)
    for name in ("type", "stream_id", "generate", "background"):
        request.drop(name)
    request.fields["stream"] = _TRUE
    request.warms_up = not generate
    return Create(request, lane, len(data), generate)


def binary_message(size: int) -> Create:
    """Returns what stands for a binary message."""
    fault = BadRequest("Binary messages are not read here: send JSON as a text message.", code="invalid_message")
    return Create(None, None, size, fault=fault)


def _parsed(data: bytes) -> ResponsesRequest:
    try:
        return ResponsesRequest.parse(data)
    except BadRequest as error:
        raise BadRequest(error.message.replace("The request body", "The message"), code=error.code) from None


def _lane(request: ResponsesRequest) -> str | None:
    lane = request.get("stream_id")
    if lane is None:
        return None
    if not isinstance(lane, str):
        raise invalid.wrong_type("stream_id", "a string")
    if not _LANE.fullmatch(lane):
        text = "Invalid 'stream_id': expected 1 to 256 letters, digits, underscores, dots or hyphens."
        raise invalid.invalid("stream_id", text)
    return lane


def _check_transport(request: ResponsesRequest) -> None:
    """Refuses what only means something over HTTP. Clients do send `"stream": true`, which is what they get anyway."""
    if given(request.fields.get("stream")) and request.get("stream") is not True:
        raise _unsupported("stream", "every response is streamed")
    if given(request.fields.get("stream_options")):
        raise _unsupported("stream_options", "there is nothing to set")
    if given(request.fields.get("background")) and request.get("background") is not False:
        raise _unsupported("background", "a response ends with its connection")


def _unsupported(name: str, why: str) -> BadRequest:
    return invalid.invalid(name, f"'{name}' cannot be set over a WebSocket: {why}.", "unsupported_parameter")


# --- answers


def lane_tail(lane: str | None) -> bytes:
    """Returns what stands in the place of the closing brace of every event of a lane; b"" where it stays as it is."""
    return b"" if lane is None else b',"stream_id":"%b"}' % lane.encode()


def error_message(error: ExchangeError, lane: str | None = None) -> bytes:
    """Returns the message that tells of an error."""
    return reply_messages(Reply.from_error(error), lane)[0]


def reply_messages(reply: Reply, lane: str | None) -> list[bytes]:
    """Returns the messages for a finished answer of the engine's or a stage's.

    An error keeps its status, and those of its headers that clients wait by. A Response is told as if it had been
    streamed.
    """
    if reply.status < 400 and reply.error is None:
        return _response_messages(reply, lane)
    message = {"type": "error", "status": reply.status, "error": _error_object(reply)}
    return [_with_lane(_encode(message), lane)]


def _error_object(reply: Reply) -> dict[str, Any]:
    """Returns the error of a reply. Readers demand a code: where there is none, the type says as much.

    Its `headers` are where the SDKs' types have them; Codex gives up on a 429 that has no `retry-after` there.
    """
    fallback = InternalError(f"The request was refused with status {reply.status}.").to_dict()
    found: Any = reply.error.to_dict() if reply.error is not None else _said(reply.body)
    error: dict[str, Any] = {**fallback, **found}
    error["code"] = str(error["code"] or error["type"])
    headers = {name: value for name, value in reply.headers.items() if name.lower().startswith(_WAITED_BY)}
    return {**error, "headers": headers} if headers else error


_WAITED_BY = ("retry-after", "x-should-retry", "x-ratelimit-")


def _said(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body, type=dict[str, Any]).get("error")
    except invalid.UNREADABLE:
        return {}
    return found if isinstance(found, dict) else {}


def _response_messages(reply: Reply, lane: str | None) -> list[bytes]:
    try:
        response = msgspec.json.decode(reply.body, type=dict[str, msgspec.Raw])
        status = msgspec.json.decode(response["status"], type=str)
    except (*invalid.UNREADABLE, KeyError):
        return [error_message(InternalError("A stage answered with what is no Response."), lane)]
    last = f"response.{status}" if status in ("completed", "incomplete", "failed") else "response.completed"
    events = [
        {"type": type, "sequence_number": number, "response": msgspec.Raw(reply.body)}
        for number, type in enumerate(("response.created", last))
    ]
    return [_with_lane(_encode(event), lane) for event in events]


def steer_failed(steer: Steer) -> bytes:
    """Returns the answer to a message that would steer a response."""
    fields = steer.fields
    submitted = {"previous_response_id": fields.get("previous_response_id", ""), "input": fields.get("input", "")}
    error = {
        "type": "invalid_request_error",
        "code": "steering_not_supported",
        "message": "A running response takes no more input here: send it with the next response.create.",
    }
    return _encode({"type": "response.steer.failed", "sequence_number": 0, "steer": submitted, "error": error})


def _with_lane(message: bytes, lane: str | None) -> bytes:
    tail = lane_tail(lane)
    return message[:-1] + tail if tail else message
