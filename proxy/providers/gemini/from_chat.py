"""A chat request as the Responses request that says the same, with what only Gemini can take of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...api.chat.request import ChatRequest
from ...api.responses.request import ResponsesRequest
from ..provider import TranslateOptions
from ..responses.chat_build import build_from_chat
from ..responses.profile import ResponsesProfile
from .state import FIELD, known_entries, signed_by_id

_OWN = ("image_config", "modalities", "seed", "stop", "top_k")
"""Fields that the Responses API has no word for, and Gemini has."""


def responses_request(
    chat: ChatRequest, model: str, made_by: str, options: TranslateOptions, ignore: Callable[[str], None]
) -> tuple[ResponsesRequest, dict[str, str]]:
    """Returns the request, and the signatures of calls and images that the client has given back, by their ids.

    `made_by` is noted on what the model asked has made itself: nothing else is read. Raises BadRequest.
    """
    plain = chat.copy()
    own = {name: plain.fields.pop(name) for name in _OWN if name in plain.fields}
    body = build_from_chat(plain, model, ResponsesProfile(images=True), options, ignore)
    request = ResponsesRequest.parse(body)
    request.fields.update(own)
    reasoning = request.reasoning
    if reasoning.effort not in (None, "none"):  # who asks for thinking is shown it, as chat clients are elsewhere
        request.set("reasoning", {"effort": reasoning.effort, "summary": "auto"})
    request.validate()
    return request, _signatures(chat.get("messages"), made_by)


def _signatures(messages: Any, made_by: str) -> dict[str, str]:
    """Returns what the model's messages hold in `reasoning_details`."""
    found: dict[str, str] = {}
    for message in messages if isinstance(messages, list) else ():
        details = message.get(FIELD) if isinstance(message, dict) else None
        found |= signed_by_id(known_entries(details, made_by))
    return found
