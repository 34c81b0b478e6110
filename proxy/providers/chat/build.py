"""Builds the body of a chat completions request from a Responses request: one table says what becomes of each field.

Nothing reaches the upstream but what the table, the messages and the tools put there. A field that has no effect is
named to the client; with `params: strict` it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ...api import invalid
from ...api.raw import given
from ...api.responses.fields import TextFormat
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...errors import BadRequest
from ...sealing import Sealing
from ..provider import TranslateOptions
from .messages import Message, chat_messages
from .profile import ChatProfile
from .tools import tool_fields

Ignore = Callable[[str], None]

_UNSHOWABLE = re.compile(r"[^ -~]")
"""What may not stand in a header; names of fields and types of tools are whatever the client has sent."""
_MAX_NOTED = 80
_MAX_NAMED = 20

_KEPT_HERE = frozenset(
    (
        # read by the table's functions, the messages or the tools
        "input",
        "instructions",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "model",
        "parallel_tool_calls",
        "stream",
        "tool_choice",
        "tools",
        # Penstock's own, or only shown in the Response
        "background",
        "background_options",
        "context_management",
        "conversation",
        "include",
        "max_tool_calls",
        "metadata",
        "moderation",
        "n",
        "previous_response_id",
        "store",
        "stream_options",
        "truncation",
    )
)
"""Fields that are no parameter of the upstream and yet not without effect, so that nobody needs to hear of them."""


class _Build:
    """One request on its way: what the functions of the table read and write."""

    __slots__ = ("body", "hint", "profile", "request", "schema_note")

    def __init__(self, request: ResponsesRequest, profile: ChatProfile, hint: Ignore) -> None:
        self.request = request
        self.profile = profile
        self.hint = hint
        self.body: dict[str, Any] = {}
        self.schema_note: str | None = None


def build_body(
    request: ResponsesRequest,
    model: str,
    profile: ChatProfile,
    options: TranslateOptions,
    ignore: Ignore,
    sealing: Sealing,
) -> tuple[bytes, ToolMap]:
    """Returns the JSON body, and the names of its tools for the way back.

    Raises BadRequest for what this upstream cannot do. `ignore` is told of each field and tool without effect;
    `sealing` opens the thinking that is given back.
    """

    def note(name: str) -> None:
        ignore(_UNSHOWABLE.sub("?", name)[:_MAX_NOTED])

    def hint(name: str) -> None:
        if options.params == "strict":
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise BadRequest(message, param=name, code="unsupported_parameter")
        note(name)

    names = ToolMap.of(request.tools)
    build = _Build(request, profile, hint)
    fields = request.fields
    for name, put in _TABLE.items():
        if name in fields and given(fields[name]):
            put(build, name)
    _put_others(build)
    _put_configured(build)
    messages = chat_messages(request, profile, names, note, sealing)
    if build.schema_note is not None:
        messages = _with_note(messages, build.schema_note, profile)
    tools = tool_fields(request, profile, names, lambda _: options.unsupported_tools == "refuse", note)
    body = {"model": model, "messages": messages, **profile.extra_body, **tools, **build.body}
    return msgspec.json.encode(body), names


def _put_others(build: _Build) -> None:
    """Puts fields that are not of the API: those that may pass; the others are named, the first few of them."""
    named = 0
    for name, raw in build.request.fields.items():
        if name in _KEPT_HERE or name in _TABLE or not given(raw):
            continue
        if name in build.profile.pass_params:
            build.body[build.profile.seed_name if name == "seed" else name] = raw
        elif named < _MAX_NAMED:
            named += 1
            build.hint(name)


def _put_configured(build: _Build) -> None:
    """Puts what may stand in more than one place of the request."""
    request, profile, body = build.request, build.profile, build.body
    limit = request.max_output_tokens
    if limit is not None:
        body[profile.token_limit] = limit
    _put_text(build)
    _put_effort(build)
    if request.stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
    if request.wants("message.output_text.logprobs"):
        body["logprobs"] = True


def _put_number(build: _Build, name: str) -> None:
    build.body[name] = build.request.value(name)


def _put_top_logprobs(build: _Build, name: str) -> None:
    count = build.request.value(name)
    if count or build.request.wants("message.output_text.logprobs"):
        build.body["logprobs"] = True
        build.body["top_logprobs"] = count


def _put_if(switch: str) -> Callable[[_Build, str], None]:
    """Returns what puts a field if the profile has the switch on, and else names it as without effect."""

    def put(build: _Build, name: str) -> None:
        if getattr(build.profile, switch):
            build.body[name] = build.request.value(name)
        else:
            build.hint(name)

    return put


def _put_cache_key(build: _Build, name: str) -> None:
    # without effect upstream it still keeps requests of one conversation together, and is shown in the Response
    if build.profile.prompt_cache_key:
        build.body[name] = build.request.value(name)


def _put_safety_identifier(build: _Build, name: str) -> None:
    value = build.request.value(name)
    if build.profile.safety_identifier:
        build.body[name] = value
    elif build.profile.user and build.request.value("user") is None:
        build.body["user"] = value


def _ignore(build: _Build, name: str) -> None:
    build.hint(name)


def _nothing(build: _Build, name: str) -> None:
    """The field is read by `_put_configured`."""


_TABLE: Mapping[str, Callable[[_Build, str], None]] = {
    "frequency_penalty": _put_number,
    "presence_penalty": _put_number,
    "prompt_cache_key": _put_cache_key,
    "prompt_cache_options": _ignore,
    "prompt_cache_retention": _put_if("prompt_cache_key"),
    "reasoning": _nothing,
    "safety_identifier": _put_safety_identifier,
    "service_tier": _put_if("service_tier"),
    "temperature": _put_number,
    "text": _nothing,
    "top_logprobs": _put_top_logprobs,
    "top_p": _put_number,
    "user": _put_if("user"),
}
"""What becomes of each parameter; fields that are neither here nor in `_KEPT_HERE` are passed on only if allowed."""


def _put_effort(build: _Build) -> None:
    settings, style = build.request.reasoning, build.profile.reasoning_effort
    effort = settings.effort
    if settings.mode not in (None, "standard"):
        build.hint("reasoning.mode")
    if effort is None:
        return
    if style == "drop":
        build.hint("reasoning.effort")
    elif style == "reasoning":
        build.body["reasoning"] = {"enabled": False} if effort == "none" else {"effort": effort}
    elif style == "chat_template_kwargs":
        known = build.profile.extra_body.get("chat_template_kwargs", {})
        build.body["chat_template_kwargs"] = {**known, "enable_thinking": effort != "none"}
    else:
        build.body["reasoning_effort"] = effort


def _put_text(build: _Build) -> None:
    settings, profile = build.request.text, build.profile
    if settings.verbosity is not None:
        if profile.verbosity:
            build.body["verbosity"] = settings.verbosity
        elif settings.verbosity != "medium":
            build.hint("text.verbosity")
    form = settings.format
    if form is None or form.type == "text":
        return
    if profile.structured_output == "none":
        message = f"This model's upstream cannot be held to a format: '{form.type}' is not supported."
        raise invalid.unsupported("text.format", message)
    if form.type == "json_object" or profile.structured_output == "json_object":
        build.body["response_format"] = {"type": "json_object"}
        build.schema_note = _in_words(form) if form.type == "json_schema" else None
    else:
        build.body["response_format"] = {"type": "json_schema", "json_schema": _nested(form)}


def _nested(form: TextFormat) -> dict[str, Any]:
    schema: dict[str, Any] = {"name": form.name, "schema": form.schema}
    if form.description is not None:
        schema["description"] = form.description
    if form.strict is not None:
        schema["strict"] = form.strict
    return schema


def _in_words(form: TextFormat) -> str:
    """Returns what tells a model of a schema that its server does not enforce."""
    about = f" {form.description}" if form.description else ""
    return f"Answer with one JSON object that matches this JSON schema.{about}\n{bytes(form.schema).decode()}"


def _with_note(messages: list[Message], note: str, profile: ChatProfile) -> list[Message]:
    """Returns the messages with a note behind those that instruct the model at the beginning."""
    count = 0
    while count < len(messages) and messages[count]["role"] in ("system", "developer"):
        count += 1
    if count and profile.merge_system != "never":
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{note}"}
        return [first, *messages[1:]]
    return [*messages[:count], {"role": profile.system_role, "content": note}, *messages[count:]]
