"""What real clients ask, on its way to an upstream that speaks the Responses API: as good a request as it was."""

from __future__ import annotations

import json
from typing import Any

from proxy.api.chat.request import ChatRequest
from proxy.api.responses.request import ResponsesRequest
from proxy.errors import ExchangeError
from proxy.providers.chat.build import build_body as build_chat
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.provider import TranslateOptions
from proxy.providers.responses.build import build_body
from proxy.providers.responses.chat_build import build_from_chat
from proxy.providers.responses.profile import ResponsesProfile
from proxy.sealing import Sealing
from tests.support.captured import CAPTURED, Captured, for_each

SEALING = Sealing(["k" * 32])
PROFILE = ResponsesProfile(ask_encrypted=True, pads=True, plain_reasoning=False, least_tokens=16)
CHAT = ChatProfile(custom_tools=True, allowed_tools=True, files=True, tool_content_parts=True)
ALONE = [one for one in CAPTURED if one.needs_store is None]
OWN = ("model", "store", "include", "stream_options", "input", "previous_response_id", "conversation", "background")


def said(body: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields that are the client's; null says nothing."""
    return {name: value for name, value in body.items() if name not in OWN and value is not None}


def without_ids(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "id"}


@for_each(CAPTURED)
def test_a_request_goes_up_as_it_came(one: Captured) -> None:
    body = json.loads(build_body(ResponsesRequest.parse(one.raw), "up-1", PROFILE, SEALING, lambda name: None))
    assert body["model"] == "up-1"
    assert body["store"] is False
    assert not {"previous_response_id", "conversation", "background"} & body.keys()
    assert said(body) == said(one.body)
    sent, came = body["input"], one.body["input"]
    if isinstance(came, str):
        assert sent == came
        return
    told = [item for item in came if item.get("type") != "reasoning" or item.get("encrypted_content")]
    assert [without_ids(item) for item in sent] == [without_ids(item) for item in told]


def served(one: Captured) -> bool:
    """Tells whether a request can be served alone: some are captured because they cannot."""
    try:
        ResponsesRequest.parse(one.raw).validate()
    except ExchangeError:
        return False
    return True


@for_each(one for one in ALONE if served(one))
def test_by_way_of_chat_completions_it_is_still_a_good_request(one: Captured) -> None:
    request = ResponsesRequest.parse(one.raw)
    options = TranslateOptions()
    chat, _ = build_chat(request, "m", CHAT, options, lambda name: None, SEALING)
    again = build_from_chat(ChatRequest.parse(chat), "m", PROFILE, options, lambda name: None)
    back = ResponsesRequest.parse(again)
    back.validate()
    assert [type(turn) for turn in back.turns()[0]][-1] is [type(turn) for turn in request.turns()[0]][-1]
    assert back.stream == request.stream
