"""The ways to ask a model: where each is asked for, how its requests are read, and how its streams are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..api.chat.request import ChatRequest
from ..api.responses.event_writer import payloads
from ..api.responses.request import ResponsesRequest
from ..errors import InternalError
from ..exchange import Exchange
from ..reply import Reply
from ..server.websocket_messages import reply_messages

Finish = Callable[[Reply], Reply]
Read = Callable[[Exchange, bytes], Finish | None]
"""Gives an exchange the request of a body; what it returns makes the caller's answer of the Reply."""

_ERROR = b'data: {"error":{'
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError, AttributeError)


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way. `payloads` returns the JSON of the events in a stream's bytes, `retold` that of a stage's own answer.

    `tells_failures` is whether an event tells of what breaks a stream off; else it is raised.
    """

    path: str
    read: Read
    payloads: Callable[[bytes], list[bytes]]
    retold: Callable[[Reply], list[bytes]]
    tells_failures: bool


def chunks(out: bytes) -> list[bytes]:
    """Returns the JSON of each chunk of a chat stream's bytes, which hold whole events. Hot: once a read.

    Neither the marker of the end nor an error is one.
    """
    found = []
    for event in out.split(b"\n\n"):
        if event.startswith(b"data: {") and not event.startswith(_ERROR):
            data = event[6:]
            found.append(data.replace(b"\ndata: ", b"\n") if b"\n" in data else data)
    return found


def _read_create(exchange: Exchange, body: bytes) -> None:
    exchange.request = ResponsesRequest.parse(body)


def _read_chat(exchange: Exchange, body: bytes) -> None:
    exchange.request = ChatRequest.parse(body)


def _events_of(reply: Reply) -> list[bytes]:
    return reply_messages(reply, None)


def _chunk_of(reply: Reply) -> list[bytes]:
    """Returns a whole completion as the one chunk that says it all."""
    try:
        whole = msgspec.json.decode(reply.body, type=dict[str, Any])
        choices = [
            {"index": at, "delta": _delta(choice.pop("message")), **choice}
            for at, choice in enumerate(whole["choices"])
        ]
    except _UNREADABLE:
        raise InternalError("A stage answered with what is no completion.") from None
    return [msgspec.json.encode({**whole, "object": "chat.completion.chunk", "choices": choices})]


def _delta(message: dict[str, Any]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if not calls:
        return message
    return {**message, "tool_calls": [{"index": at, **call} for at, call in enumerate(calls)]}


RESPONSES = Way(path="/v1/responses", read=_read_create, payloads=payloads, retold=_events_of, tells_failures=True)
CHAT = Way(path="/v1/chat/completions", read=_read_chat, payloads=chunks, retold=_chunk_of, tells_failures=False)
