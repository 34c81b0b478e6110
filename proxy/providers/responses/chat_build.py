"""Builds the body for an upstream that speaks the Responses API from a chat-completions request.

One table says what becomes of each field (wire reference, section 6.1). A field that has no effect there is named to
the client; with `params: strict` it is refused, and so is, always, what would change the meaning of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ...api import invalid
from ...api.chat.request import ChatRequest
from ..effects import Effects, Ignore
from ..provider import TranslateOptions
from .build import ENCRYPTED
from .chat_items import ChatItems
from .chat_tools import choice_of, old_choice, tools_of, web_search
from .profile import ResponsesProfile

_LOGPROBS = "message.output_text.logprobs"
_READ_ELSEWHERE = frozenset(
    (
        "audio",
        "function_call",
        "functions",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "modalities",
        "model",
        "n",
        "response_format",
        "stop",
        "store",
        "stream",
        "stream_options",
        "tool_choice",
        "tools",
        "top_logprobs",
        "verbosity",
        "web_search_options",
    )
)


class _Build:
    """One request on its way: what the functions of the table read and write."""

    __slots__ = ("body", "hint", "include", "profile", "request")

    def __init__(self, request: ChatRequest, profile: ResponsesProfile, hint: Ignore) -> None:
        self.request = request
        self.profile = profile
        self.hint = hint
        self.body: dict[str, Any] = {}
        self.include: list[str] = []


def build_from_chat(
    request: ChatRequest,
    model: str,
    profile: ResponsesProfile,
    options: TranslateOptions,
    ignore: Ignore,
) -> bytes:
    """Returns the JSON body; raises BadRequest for what this upstream cannot do.

    `ignore` is told of each field without effect.
    """

    effects = Effects(options, ignore)
    request.check_translatable()
    build = _Build(request, profile, effects.hint)
    for name, put in _TABLE.items():
        if (value := request.get(name)) is not None:
            put(build, name, value)
    if profile.summary is not None and profile.ask_encrypted:
        build.body["reasoning"] = {**build.body.get("reasoning", {}), "summary": profile.summary}
    _put_limit(build)
    _put_text(build)
    _put_tools(build)
    if request.get("top_logprobs") is not None:
        build.body["top_logprobs"] = request.get("top_logprobs")
    known = (_READ_ELSEWHERE, _TABLE)
    effects.hint_first(
        name for name in request.fields if not any(name in some for some in known) and request.get(name) is not None
    )
    body: dict[str, Any] = {"model": model, "input": _items(request, profile), **build.body}
    body["store"] = profile.keeps and request.get("store") is True
    if profile.ask_encrypted and not body["store"]:
        build.include.append(ENCRYPTED)
    if build.include:
        body["include"] = build.include
    if request.stream:
        body["stream"] = True
        if profile.pads:
            body["stream_options"] = {"include_obfuscation": False}
    return msgspec.json.encode(body)


def _items(request: ChatRequest, profile: ResponsesProfile) -> list[dict[str, Any]]:
    items = ChatItems(images=profile.images)
    for index, message in enumerate(request.get("messages", [])):
        items.take(message, f"messages[{index}]")
    return items.items


def _put_limit(build: _Build) -> None:
    for name in ("max_completion_tokens", "max_tokens"):
        limit = build.request.get(name)
        if limit is not None:
            if not isinstance(limit, int) or isinstance(limit, bool):
                raise invalid.wrong_type(name, "an integer")
            build.body["max_output_tokens"] = max(limit, build.profile.least_tokens)
            return


def _put_text(build: _Build) -> None:
    """Puts the form of the answer, which is flat here, and how much it is to say."""
    form = build.request.get("response_format")
    text: dict[str, Any] = {}
    if isinstance(form, dict):
        nested = form.get("json_schema")
        flat = nested if isinstance(nested, dict) else {}
        text["format"] = {"type": form.get("type"), **flat}
    elif form is not None:
        raise invalid.wrong_type("response_format", "an object")
    verbosity = build.request.get("verbosity")
    if verbosity is not None:
        text["verbosity"] = verbosity
    if text:
        build.body["text"] = text


def _put_tools(build: _Build) -> None:
    request, body = build.request, build.body
    tools = tools_of(request.get("tools"), "tools") + tools_of(request.get("functions"), "functions")
    options = request.get("web_search_options")
    if options is not None:
        tools.append(web_search(options))
    if tools:
        body["tools"] = tools
    choice, old = request.get("tool_choice"), request.get("function_call")
    if choice is not None and tools:
        body["tool_choice"] = choice_of(choice)
    elif old is not None and tools:
        body["tool_choice"] = old_choice(old)


def _same(build: _Build, name: str, value: Any) -> None:
    build.body[name] = value


def _effort(build: _Build, name: str, value: Any) -> None:
    build.body["reasoning"] = {"effort": value}


def _reasoning(build: _Build, name: str, value: Any) -> None:
    """Takes the object that some gateways have for it, whose `effort` means the same."""
    if isinstance(value, dict) and value.get("effort") is not None:
        _effort(build, name, value["effort"])
    else:
        build.hint(name)


def _logprobs(build: _Build, name: str, value: Any) -> None:
    if value is True:
        build.include.append(_LOGPROBS)


def _parallel(build: _Build, name: str, value: Any) -> None:
    if build.request.get("tools"):
        build.body[name] = value


_TABLE: Mapping[str, Callable[[_Build, str, Any], None]] = {
    "logprobs": _logprobs,
    "metadata": _same,
    "parallel_tool_calls": _parallel,
    "prompt_cache_key": _same,
    "prompt_cache_retention": _same,
    "reasoning": _reasoning,
    "reasoning_effort": _effort,
    "safety_identifier": _same,
    "service_tier": _same,
    "temperature": _same,
    "top_p": _same,
    "user": _same,
}
"""What becomes of each parameter; those that are neither here nor read elsewhere have no effect."""
