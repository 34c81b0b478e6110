"""Answers as a good proxy gives them to the bench's load generator, for tests that then spoil them."""

from __future__ import annotations

from bench.answers import Order, chunk, closing, opening, pieces, word_frame
from proxy.api.responses.encoder import ResponsesEncoder
from proxy.api.responses.snapshot import Snapshot
from proxy.providers.chat.decoder import ChatDecoder
from proxy.sse.parser import SseParser

BEGAN_NS = 123_456_789


def chat_blocks(order: Order) -> list[bytes]:
    """Returns the upstream's stream as a list of SSE events."""
    if order.tool:
        frames = [word_frame(order.number, index, tool=True) for index in range(1, order.pieces)]
        rest = [one.partition(b"\r\n")[2][:-2] for one in frames]
    else:
        rest = [chunk(text) for text in pieces(order.number, order.pieces, BEGAN_NS)[1:]]
    return _blocks(b"".join([opening(order, BEGAN_NS), *rest, closing(order)]))


def responses_blocks(order: Order) -> list[bytes]:
    """Returns what a client of the Responses API gets of it, as a list of SSE events."""
    snapshot = Snapshot({"metadata": {}}, response_id="resp_1", created_at=1, model=order.model)
    encoder, decoder = ResponsesEncoder(snapshot), ChatDecoder()
    opening = encoder.begin()
    events = decoder.feed(SseParser().feed(b"".join(chat_blocks(order))))
    return _blocks(opening + encoder.encode(events))


def blocks(dialect: str, order: Order) -> list[bytes]:
    """Returns a client's stream in its dialect."""
    return responses_blocks(order) if dialect == "responses" else chat_blocks(order)


def _blocks(body: bytes) -> list[bytes]:
    return [block + b"\n\n" for block in body.split(b"\n\n") if block]
