"""Builds the body of a generateContent request from a Responses request: one table says what becomes of each field.

Nothing reaches the upstream but what the table, the contents and the tools put there. A field without effect is named
to the client; with `params: strict` it is refused, and so is, always, what would change the meaning of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from ...api import invalid
from ...api.raw import given
from ...api.responses.fields import TextFormat
from ...api.responses.request import ResponsesRequest
from ...sealing import Sealing
from ..effects import OWN_FIELDS, Effects, Ignore
from ..provider import TranslateOptions
from .contents import Asked, conversation
from .imaging import drawn, seen
from .profile import GeminiProfile
from .schema import clean_schema
from .settings import AskSettings
from .thinking import thinking_config
from .tools import GeminiNames, tool_fields

_CACHE = re.compile(r"(?:projects/[a-z0-9.:-]{1,64}/locations/[a-z0-9-]{1,64}/)?cachedContents/[A-Za-z0-9_-]{1,64}")
_MAX_STOPS = 5
_TIERS = {"default": "standard", "flex": "flex", "priority": "priority"}
_LOGPROBS = "message.output_text.logprobs"
_JSON = "application/json"

_KEPT_HERE = OWN_FIELDS | {"image_config", "modalities", "prompt_cache_key", "reasoning", "text"}
"""Fields that are no parameter of the table and yet not without effect, so that nobody needs to hear of them."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the request is for: the kind of upstream, the model and what it takes, and how the file wants it asked.

    `replay` is off when the upstream has refused a moment ago what was given back to it.
    """

    family: str
    model: str
    profile: GeminiProfile
    settings: AskSettings = AskSettings()
    replay: bool = True


class _Build:
    """One request on its way: what the functions of the table read and write."""

    __slots__ = ("body", "generation", "hint", "request", "schema_note", "target")

    def __init__(self, request: ResponsesRequest, target: Target, hint: Ignore) -> None:
        self.request = request
        self.target = target
        self.hint = hint
        self.body: dict[str, Any] = {}
        self.generation: dict[str, Any] = {}
        self.schema_note: str | None = None


def build_body(
    request: ResponsesRequest,
    target: Target,
    options: TranslateOptions,
    ignore: Ignore,
    sealing: Sealing,
    signatures: Mapping[str, str] | None = None,
) -> tuple[bytes, GeminiNames]:
    """Returns the JSON body, and the names of its tools for the way back.

    Raises BadRequest for what Gemini cannot do. `ignore` is told of each field and tool without effect; `sealing` opens
    what the model wants back; `signatures` are those of calls that came in another way, by their ids.
    """

    effects = Effects(options, ignore)
    note = effects.note
    names = GeminiNames.of_tools(request.tools)
    build = _Build(request, target, effects.hint)
    for name, put in _TABLE.items():
        if name in request.fields and given(request.fields[name]):
            put(build, name)
    effects.hint_first(_others(request))
    tools = tool_fields(
        request,
        target.profile,
        names,
        lambda _: options.unsupported_tools == "refuse",
        note,
        tells_hosted=target.settings.tells_hosted,
    )
    if target.settings.stream_arguments and request.stream and _has_functions(tools):
        config = tools.setdefault("toolConfig", {})
        config.setdefault("functionCallingConfig", {})["streamFunctionCallArguments"] = True
    _put_configured(build, functions=_has_functions(tools))
    _put_thinking(build, shown=options.reasoning != "drop")
    asked = Asked(
        target.family,
        target.model,
        target.profile,
        names,
        note,
        sealing=sealing if target.replay else None,
        signatures=(signatures or {}) if target.replay else {},
    )
    system, contents = conversation(request, asked, build.schema_note)
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
    body |= {**tools, **build.body}
    if build.generation:
        body["generationConfig"] = build.generation
    return msgspec.json.encode(body), names


def _has_functions(tools: dict[str, Any]) -> bool:
    return any("functionDeclarations" in one for one in tools.get("tools", ()))


def _others(request: ResponsesRequest) -> Iterator[str]:
    """Yields the fields that are not of the API."""
    known = (_KEPT_HERE, _TABLE)
    return (name for name, raw in request.fields.items() if not any(name in some for some in known) and given(raw))


def _put_configured(build: _Build, *, functions: bool) -> None:
    """Puts what may stand in more than one place of the request, or in the file alone."""
    request, target = build.request, build.target
    limit = request.max_output_tokens
    if limit is not None:
        build.generation["maxOutputTokens"] = limit
    if request.wants(_LOGPROBS):
        build.generation["responseLogprobs"] = True
    _put_text(build, functions=functions)
    build.generation |= drawn(request, target.profile, build.hint) | seen(request, build.hint)
    safety = target.settings.safety.as_list()
    if safety:
        build.body["safetySettings"] = safety


def _put_thinking(build: _Build, *, shown: bool) -> None:
    reasoning, target = build.request.reasoning, build.target
    if reasoning.mode not in (None, "standard"):
        build.hint("reasoning.mode")
    wanted = target.settings.include_thoughts or bool(reasoning.summary or reasoning.generate_summary)
    thoughts = shown and wanted
    config = thinking_config(reasoning.effort, target.profile, target.settings.thinking_budgets, thoughts=thoughts)
    if config:
        build.generation["thinkingConfig"] = config
    elif reasoning.effort not in (None, "none"):
        build.hint("reasoning.effort")


def _put_text(build: _Build, *, functions: bool) -> None:
    """Puts the form of the answer; where a model takes no schema beside functions, it is told in words."""
    settings = build.request.text
    if settings.verbosity not in (None, "medium"):
        build.hint("text.verbosity")
    form = settings.format
    if form is None or form.type == "text":
        return
    if functions and not build.target.profile.mixes:
        build.hint("text.format")
        build.schema_note = _in_words(form)
        return
    build.generation["responseMimeType"] = _JSON
    if form.type == "json_schema":
        build.generation["responseJsonSchema"] = clean_schema(form.schema, "text.format.schema")


def _in_words(form: TextFormat) -> str:
    """Returns what tells a model of a form that it is not held to."""
    if form.type != "json_schema":
        return "Answer with one JSON object."
    about = f" {form.description}" if form.description else ""
    schema = bytes(form.schema).decode()
    return f"When you answer, answer with one JSON object that matches this JSON schema.{about}\n{schema}"


def _put_number(name_there: str) -> Callable[[_Build, str], None]:
    def put(build: _Build, name: str) -> None:
        build.generation[name_there] = build.request.value(name)

    return put


def _put_penalty(name_there: str) -> Callable[[_Build, str], None]:
    def put(build: _Build, name: str) -> None:
        value = build.request.value(name)
        if build.target.profile.penalties:
            build.generation[name_there] = value
        elif value:
            build.hint(name)

    return put


def _put_cache(build: _Build, name: str) -> None:
    """Puts the name of what Google keeps for later requests; it stands in front of the contents."""
    value = build.request.get(name)
    if not isinstance(value, str) or not _CACHE.fullmatch(value):
        raise invalid.invalid(name, f"'{name}' names no cached content: write 'cachedContents/...'.")
    build.body["cachedContent"] = value


def _put_whole(name_there: str) -> Callable[[_Build, str], None]:
    """Returns what puts a whole number that only chat completions, or clients of Gemini, have a field for."""

    def put(build: _Build, name: str) -> None:
        value = build.request.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid.wrong_type(name, "an integer")
        build.generation[name_there] = value

    return put


def _put_stop(build: _Build, name: str) -> None:
    value = build.request.get(name)
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(one, str) for one in stops):
        raise invalid.wrong_type(name, "a string or an array of strings")
    if len(stops) > _MAX_STOPS:
        raise invalid.too_long(name, len(stops), _MAX_STOPS, "array")
    if stops:
        build.generation["stopSequences"] = stops


def _put_top_logprobs(build: _Build, name: str) -> None:
    count = build.request.value(name)
    if count:
        build.generation |= {"responseLogprobs": True, "logprobs": count}


def _put_tier(build: _Build, name: str) -> None:
    tier = build.request.value(name)
    if tier == "auto":
        return
    if tier in _TIERS and build.target.settings.service_tiers:
        build.body["serviceTier"] = _TIERS[tier]
    elif tier not in _TIERS:
        build.hint(name)


def _ignore(build: _Build, name: str) -> None:
    build.hint(name)


_TABLE: Mapping[str, Callable[[_Build, str], None]] = {
    "cached_content": _put_cache,
    "frequency_penalty": _put_penalty("frequencyPenalty"),
    "presence_penalty": _put_penalty("presencePenalty"),
    "prompt_cache_options": _ignore,
    "prompt_cache_retention": _ignore,
    "safety_identifier": _ignore,
    "seed": _put_whole("seed"),
    "service_tier": _put_tier,
    "stop": _put_stop,
    "temperature": _put_number("temperature"),
    "top_k": _put_whole("topK"),
    "top_logprobs": _put_top_logprobs,
    "top_p": _put_number("topP"),
    "user": _ignore,
}
"""What becomes of each parameter; those that are neither here nor in `_KEPT_HERE` have no effect."""
