"""What a chat client's request says about the form of its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.api.chat.answer import chat_encoder, chat_relay
from proxy.api.chat.request import ChatRequest
from proxy.errors import BadRequest
from proxy.events import Finish, ReasoningDelta, TextDelta, Usage
from proxy.exchange import Client, Exchange
from proxy.providers.provider import TranslateOptions
from tests.support.chat_streams import chunk, chunks, sse

EVENTS = [TextDelta("hi"), Usage(1, 1, total_tokens=2), Finish()]


def exchange(**fields: Any) -> Exchange:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    return Exchange("x", Client("127.0.0.1", {}), ChatRequest.parse(json.dumps(body).encode()))


def test_the_completion_bears_the_exchanges_id_time_and_model() -> None:
    one = exchange()
    one.asked_model = "asked"
    encoder = chat_encoder(one)
    encoder.encode(EVENTS)
    whole = json.loads(encoder.final())
    assert one.response_id is not None
    assert whole["id"] == one.response_id
    assert whole["id"].startswith("chatcmpl-")
    assert (whole["created"], whole["model"]) == (int(one.timing.wall), "asked")


def test_an_id_that_was_promised_is_kept() -> None:
    one = exchange()
    one.response_id = "chatcmpl-promised"
    assert b'"chatcmpl-promised"' in chat_encoder(one).begin()


@pytest.mark.parametrize("wanted", [True, False])
def test_usage_is_shown_to_those_who_ask(wanted) -> None:
    one = exchange(stream=True, stream_options={"include_usage": wanted})
    encoded = chunks(chat_encoder(one).encode(EVENTS))
    assert any(item.get("usage") for item in encoded) is wanted
    relayed = chat_relay(one).feed(sse(chunk({"content": "a"}, "stop"), chunk(None, usage={"total_tokens": 2})))
    assert any(item.get("usage") for item in chunks(relayed)) is wanted


@pytest.mark.parametrize(("reasoning", "shown"), [("drop", False), ("content", True)])
def test_reasoning_is_shown_unless_the_file_drops_it(reasoning, shown) -> None:
    one = exchange()
    one.translate = TranslateOptions(reasoning=reasoning)
    assert (b"thought" in chat_encoder(one).encode([ReasoningDelta("thought"), *EVENTS])) is shown


def test_what_cannot_be_translated_is_refused_only_where_it_must_be() -> None:
    one = exchange(n=2)
    chat_relay(one)
    with pytest.raises(BadRequest):
        chat_encoder(one)
