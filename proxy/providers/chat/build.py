"""Builds the body of a chat completions request from a Responses request: one table says what becomes of each field.

Nothing reaches the upstream but what the table, the messages and the tools put there. A field that has no effect is
named to the client; with `params: strict` it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...api import invalid
from ...api.raw import Raw, given
from ...api.responses.fields import LIMIT_ALIASES, TextFormat
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...json_writing import write_json
from ...sealing import Sealing
from ..effects import OWN_FIELDS, Effects, Ignore
from ..provider import TranslateOptions
from .messages import Message, chat_messages, plain_messages
from .profile import ChatProfile
from .tools import tool_fields

_SIMPLE = OWN_FIELDS - {*LIMIT_ALIASES, "include", "tool_choice", "tools"}
"""Fields that say nothing to a chat server but by the messages."""
_WITH_USAGE = {"include_usage": True}
_NO_TOOLS = ToolMap()
"""The names of no tools: nobody adds to them once a body is built."""


class _Build:
    """One request on its way: what the functions of the table read and write."""

    __slots__ = ("body", "hint", "profile", "request", "schema_note")

    def __init__(self, request: ResponsesRequest, profile: ChatProfile, effects: Effects) -> None:
        self.request = request
        self.profile = profile
        self.hint = effects.hint
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
    if request.says_only(_SIMPLE) and not (profile.extra_body or profile.cache_breakpoints):
        return _simple_body(request, model, profile), _NO_TOOLS
    effects = Effects(options, ignore)
    names = ToolMap.of(request.tools)
    build = _Build(request, profile, effects)
    fields = request.fields
    if not OWN_FIELDS.issuperset(fields):
        for name, put in _TABLE.items():
            if name in fields and given(fields[name]):
                put(build, name)
        effects.hint_first(_put_others(build))
    _put_configured(build)
    messages = chat_messages(request, profile, names, effects.note, sealing)
    if build.schema_note is not None:
        messages = _with_note(messages, build.schema_note, profile)
    tools = tool_fields(request, profile, names, lambda _: options.unsupported_tools == "refuse", effects.note)
    body = {"model": model, "messages": messages, **profile.extra_body, **tools, **build.body}
    return write_json(body), names


def _simple_body(request: ResponsesRequest, model: str, profile: ChatProfile) -> bytes:
    """Returns the body for messages of text and nothing else, of a request without settings: the same as of any."""
    body: dict[str, Any] = {"model": model, "messages": plain_messages(request, profile)}
    if request.stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = _WITH_USAGE
    return write_json(body)


def _put_others(build: _Build) -> Iterator[str]:
    """Puts fields that are not of the API, if they may pass; yields the others."""
    for name, raw in build.request.fields.items():
        if name in OWN_FIELDS or name in _TABLE or not given(raw):
            continue
        if name in build.profile.pass_params:
            build.body[build.profile.seed_name if name == "seed" else name] = raw
        else:
            yield name


def _put_configured(build: _Build) -> None:
    """Puts what may stand in more than one place of the request."""
    request, profile, body = build.request, build.profile, build.body
    if request.updates_settings or not _CONFIGURED.isdisjoint(request.fields):
        limit = request.max_output_tokens
        if limit is not None:
            body[profile.token_limit] = limit
        _put_text(build)
        _put_effort(build)
    if request.stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = _WITH_USAGE
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


_CONFIGURED = frozenset((*LIMIT_ALIASES, "reasoning", "text"))

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
"""What becomes of each parameter; fields that are neither here nor among `OWN_FIELDS` are passed on only if allowed."""


def _put_effort(build: _Build) -> None:
    settings, style = build.request.reasoning, build.profile.reasoning_effort
    effort = settings.effort
    if settings.mode not in (None, "standard"):
        build.hint("reasoning.mode")
    if effort is None:
        return
    if style == "drop":
        build.hint("reasoning.effort")
    build.body.update(effort_fields(effort, build.profile))


def effort_fields(effort: str, profile: ChatProfile) -> dict[str, Any]:
    """Returns what tells the server how much to think."""
    style, off = profile.reasoning_effort, effort == "none"
    if style == "drop":
        return {}
    if style == "reasoning":
        return {"reasoning": {"enabled": False} if off else {"effort": effort}}
    if style == "thinking":
        return {"thinking": {"type": "disabled"}} if off else {"reasoning_effort": effort}
    if style == "chat_template_kwargs":
        known = profile.extra_body.get("chat_template_kwargs", {})
        return {"chat_template_kwargs": {**known, "enable_thinking": not off}}
    return {"reasoning_effort": effort}


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
        if form.type == "json_schema":
            build.schema_note = schema_in_words(form.schema, form.description)
    else:
        build.body["response_format"] = {"type": "json_schema", "json_schema": _nested(form)}


def _nested(form: TextFormat) -> dict[str, Any]:
    schema: dict[str, Any] = {"name": form.name, "schema": form.schema}
    if form.description is not None:
        schema["description"] = form.description
    if form.strict is not None:
        schema["strict"] = form.strict
    return schema


def schema_in_words(schema: Raw, description: str | None) -> str:
    """Returns what tells a model of a schema that its server does not enforce."""
    about = f" {description}" if description else ""
    return f"Answer with one JSON object that matches this JSON schema.{about}\n{bytes(schema).decode()}"


def _with_note(messages: list[Message], note: str, profile: ChatProfile) -> list[Message]:
    """Returns the messages with a note behind those that instruct the model at the beginning."""
    count = 0
    while count < len(messages) and messages[count]["role"] in ("system", "developer"):
        count += 1
    if count and profile.merge_system != "never":
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{note}"}
        return [first, *messages[1:]]
    return [*messages[:count], {"role": profile.system_role, "content": note}, *messages[count:]]
