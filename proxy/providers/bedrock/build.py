"""Builds the body of Converse from a Responses request: one table says what becomes of each field.

Nothing reaches the upstream but what the table, the conversation, the tools and the profile put there. A field that
has no effect is named to the client; with `params: strict` it is refused (wire reference, section 8.6).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ...api.raw import given
from ...api.responses.fields import TextFormat
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...errors import BadRequest
from ...sealing import Sealing
from ..anthropic.blocks import ANSWER_TOOL
from ..anthropic.schema import held_to
from ..anthropic.thinking import Decided, Wanted, decide
from ..anthropic.tools import Offered, offered
from ..provider import TranslateOptions
from .caching import place
from .config import BedrockProfile
from .content import text_blocks
from .effort import effort_fields, takes_no_limits
from .families import Family
from .messages import Conversation, Style, conversation
from .tools import ToolConfig, Wish, tool_config

Ignore = Callable[[str], None]

_UNSHOWABLE = re.compile(r"[^ -~]")
_MAX_NOTED = 80
_MAX_NAMED = 20
_MAX_METADATA = 16
_METADATA = re.compile(r"[A-Za-z0-9\s:_@$#=/+,.-]{0,256}")
_USUAL_LIMIT = 32_000
_JSON_ONLY = "Answer with one JSON object and nothing else."
_NO_CALLS = "Do not call any tool now."

_KEPT_HERE = frozenset(
    (
        # read by the functions below, the conversation or the tools
        "input",
        "instructions",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
        "metadata",
        "model",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning",
        "stream",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_p",
        # Penstock's own, or only shown in the Response
        "background",
        "background_options",
        "context_management",
        "conversation",
        "include",
        "max_tool_calls",
        "moderation",
        "n",
        "previous_response_id",
        "store",
        "stream_options",
        "truncation",
    )
)
"""Fields that are no parameter of the table and yet not without effect, so that nobody needs to hear of them."""


class Target(msgspec.Struct, kw_only=True):
    """Whom a request is for. `thoughts` and `strict` are off when the upstream has refused them a moment ago.

    `model` is the one behind the id that is asked.
    """

    model: str
    family: Family
    profile: BedrockProfile
    thoughts: bool = True
    strict: bool = True
    show_thinking: bool = False


class Built(msgspec.Struct):
    """A request: its body, the names of its tools for the way back, and headers of its own.

    `answers_by_tool`: the model answers by calling a tool.
    """

    body: dict[str, Any]
    tools: ToolMap
    answers_by_tool: bool
    headers: dict[str, str] = {}


class _Build:
    """One request on its way: what the functions below read and write. `extra` goes to the model as it is."""

    __slots__ = ("body", "extra", "hint", "inference", "request", "said", "target")

    def __init__(self, request: ResponsesRequest, target: Target, said: Conversation, hint: Ignore) -> None:
        self.request = request
        self.target = target
        self.said = said
        self.hint = hint
        self.body: dict[str, Any] = {}
        self.inference: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}


def build_body(
    request: ResponsesRequest, target: Target, options: TranslateOptions, ignore: Ignore, sealing: Sealing
) -> Built:
    """Returns the request; raises BadRequest for what this upstream cannot do.

    `ignore` is told of each field, tool and piece of history without effect; `sealing` opens the thinking that is
    given back.
    """

    def note(name: str) -> None:
        ignore(_UNSHOWABLE.sub("?", name)[:_MAX_NOTED])

    def hint(name: str) -> None:
        if options.params == "strict":
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise BadRequest(message, param=name, code="unsupported_parameter")
        note(name)

    family, profile = target.family, target.profile
    names = ToolMap.of(request.tools)
    offer = offered(
        request,
        names,
        strict=target.strict and family.schemas and profile.strict_tools,
        search=False,
        refuse_hosted=options.unsupported_tools == "refuse",
        ignore=note,
    )
    style = Style(
        model=target.model,
        thoughts=target.thoughts,
        cite=profile.document_citations and family.claude is not None,
        cache=bool(family.cache) and profile.prompt_cache != "never",
        nine=family.nine,
    )
    said = conversation(request, style, names, note, sealing)
    build = _Build(request, target, said, hint)
    thinks = _put_thinking(build, offer)
    answer = _put_form(build, thinks=thinks)
    _put_limit(build)
    _put_sampling(build, thinks=thinks)
    _put_fields(build)
    config = _tools(build, offer, names, answer, thinks=thinks)
    return Built(_assembled(build, config), names, answer is not None)


def _assembled(build: _Build, config: ToolConfig | None) -> dict[str, Any]:
    """Returns the body, its parts in the order in which Converse documents them."""
    profile, said = build.target.profile, build.said
    if config is not None:
        build.body["toolConfig"] = {"tools": config.tools}
        if config.choice is not None:
            build.body["toolConfig"]["toolChoice"] = config.choice
        if config.own_choice is not None:
            build.extra["tool_choice"] = config.own_choice
        elif config.calls_forbidden:
            said.system += text_blocks(_NO_CALLS)
    body: dict[str, Any] = {"messages": said.messages}
    if said.system:
        body["system"] = said.system
    if build.inference:
        body["inferenceConfig"] = build.inference
    body.update(build.body)
    extra = {**build.extra, **profile.model_fields}
    if extra:
        body["additionalModelRequestFields"] = extra
    if profile.guardrail is not None:
        guardrail = profile.guardrail
        body["guardrailConfig"] = {"guardrailIdentifier": guardrail.id, "guardrailVersion": guardrail.version}
        if build.request.stream:
            body["guardrailConfig"]["streamProcessingMode"] = guardrail.stream
    if profile.latency is not None:
        body["performanceConfig"] = {"latency": profile.latency}
    _put_metadata(build, body)
    _put_cache(build, body)
    return body


# --- thinking and limits


def _put_thinking(build: _Build, offer: Offered) -> bool:
    """Puts how much the model is to think; tells whether Claude was told to, which forbids to force and to sample."""
    request, family = build.request, build.target.family
    settings = request.reasoning
    if settings.mode not in (None, "standard"):
        build.hint("reasoning.mode")
    limit = request.max_output_tokens
    if family.claude is None:
        build.extra.update(effort_fields(family.effort, settings.effort, build.hint))
        if limit is not None:
            build.inference["maxTokens"] = limit
        return False
    traits = family.claude
    most = traits.max_output or _USUAL_LIMIT
    wanted = Wanted(
        effort=settings.effort,
        shown=build.target.show_thinking or bool(settings.summary or settings.generate_summary),
        forced=offer.forced and traits.forced_tools,
        lost=build.said.lost,
    )
    decided = decide(wanted, traits, build.target.profile.thinking_budgets, min(limit or most, most), build.hint)
    if limit is not None:
        build.inference["maxTokens"] = decided.max_tokens
    _put_decided(build, decided)
    return decided.on


def _put_decided(build: _Build, decided: Decided) -> None:
    if decided.thinking is not None:
        build.extra["thinking"] = decided.thinking
    if decided.effort is not None:
        build.extra["output_config"] = {"effort": decided.effort}


def _put_limit(build: _Build) -> None:
    """Takes the limit back where the model takes none with the effort it was told."""
    if takes_no_limits(build.extra) and build.inference.pop("maxTokens", None) is not None:
        build.hint("max_output_tokens")


def _put_sampling(build: _Build, *, thinks: bool) -> None:
    """Puts temperature and top_p: of Claude's not both, not where it thinks, not where it takes neither."""
    claude = build.target.family.claude
    takes = not thinks and not takes_no_limits(build.extra) and (claude is None or claude.sampling)
    temperature, top_p = build.request.value("temperature"), build.request.value("top_p")
    if temperature is not None and takes:
        build.inference["temperature"] = min(temperature, 1.0)
    elif temperature not in (None, 1.0):
        build.hint("temperature")
    if top_p is None or (top_p == 1.0 and claude is not None):
        return
    if takes and (temperature is None or claude is None):
        build.inference["topP"] = top_p
    elif top_p != 1.0:
        build.hint("top_p")


# --- the form of the answer and tools


def _put_form(build: _Build, *, thinks: bool) -> TextFormat | None:
    """Puts the form of the answer; returns it when the model has to call a tool for it."""
    settings, family = build.request.text, build.target.family
    if settings.verbosity not in (None, "medium"):
        build.hint("text.verbosity")
    form = settings.format
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        build.said.system += text_blocks(_JSON_ONLY)
        return None
    wanted = build.target.profile.structured_output
    if wanted == "native" or (wanted == "auto" and family.schemas):
        build.body["outputConfig"] = _output_config(build, form)
        return None
    if not family.tools:
        build.said.system += text_blocks(_in_words(form))
        return None
    if thinks:
        build.said.system += text_blocks(f"Give your answer by calling the tool {ANSWER_TOOL}.")
    return form


def _output_config(build: _Build, form: TextFormat) -> dict[str, Any]:
    """Returns the schema as Converse wants it, a text; the effort stands beside it then, and nowhere else."""
    schema = held_to(form.schema, "text.format.schema")
    described = {"description": form.description} if form.description else {}
    text = msgspec.json.encode(schema).decode()
    structure = {"jsonSchema": {"name": form.name or "answer", **described, "schema": text}}
    config: dict[str, Any] = {"textFormat": {"type": "json_schema", "structure": structure}}
    effort = build.extra.pop("output_config", None)
    if effort is not None:
        config["effort"] = effort["effort"]
    return config


def _in_words(form: TextFormat) -> str:
    """Returns what tells a model of a schema to which it cannot be held."""
    about = f" {form.description}" if form.description else ""
    return f"Answer with one JSON object that matches this JSON schema.{about}\n{bytes(form.schema).decode()}"


def _tools(
    build: _Build, offer: Offered, names: ToolMap, answer: TextFormat | None, *, thinks: bool
) -> ToolConfig | None:
    claude = build.target.family.claude
    wish = Wish(
        claude=claude is not None,
        may_force=not thinks and (claude is None or claude.forced_tools),
        parallel=build.request.value("parallel_tool_calls"),
        answer=answer,
        called=tuple(build.said.called()),
    )
    return tool_config(offer, names, wish, build.hint)


# --- single fields


def _put_fields(build: _Build) -> None:
    """Puts the fields of the table; others are named, the first few of them."""
    named = 0
    for name, raw in build.request.fields.items():
        if name in _KEPT_HERE or not given(raw):
            continue
        put = _TABLE.get(name)
        if put is not None:
            put(build, name)
        elif named < _MAX_NAMED:
            named += 1
            build.hint(name)


def _put_stop(build: _Build, name: str) -> None:
    said = build.request.get(name)
    words = [said] if isinstance(said, str) else said
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        message = f"Invalid type for '{name}': expected a string or an array of strings."
        raise BadRequest(message, param=name, code="invalid_type")
    taken = [word for word in words if word.strip()]
    if len(taken) < len(words):
        build.hint(name)
    if taken:
        build.inference["stopSequences"] = taken


def _put_top_k(build: _Build, name: str) -> None:
    value, claude = build.request.get(name), build.target.family.claude
    if claude is not None and claude.sampling and "thinking" not in build.extra and isinstance(value, int):
        build.extra[name] = value
    else:
        build.hint(name)


_TIERS = {"default": "default", "flex": "flex", "priority": "priority"}


def _put_tier(build: _Build, name: str) -> None:
    value = build.request.value(name)
    tier = _TIERS.get(value)
    if tier is not None:
        build.body["serviceTier"] = {"type": tier}
    elif value != "auto":
        build.hint(name)


def _put_nothing(build: _Build, name: str) -> None:
    """A number that is 0 asks for nothing; any other has no effect."""
    if build.request.value(name):
        build.hint(name)


_TABLE: Mapping[str, Callable[[_Build, str], None]] = {
    "frequency_penalty": _put_nothing,
    "presence_penalty": _put_nothing,
    "service_tier": _put_tier,
    "stop": _put_stop,
    "top_k": _put_top_k,
    "top_logprobs": _put_nothing,
}
"""What becomes of each parameter; fields that are neither here nor in `_KEPT_HERE` have no effect."""


def _put_metadata(build: _Build, body: dict[str, Any]) -> None:
    """Puts the client's metadata, as far as Bedrock takes it: it is for the account's logs alone."""
    said = build.request.value("metadata") if build.target.profile.request_metadata else None
    if not said:
        return
    taken = {name: text for name, text in said.items() if name and _fits(name) and _fits(text)}
    if taken:
        body["requestMetadata"] = dict(list(taken.items())[:_MAX_METADATA])


def _fits(text: Any) -> bool:
    return isinstance(text, str) and _METADATA.fullmatch(text) is not None


def _put_cache(build: _Build, body: dict[str, Any]) -> None:
    family, wanted = build.target.family, build.target.profile.prompt_cache
    if not family.cache or wanted == "never":
        return
    automatic = wanted == "always" or build.request.value("prompt_cache_key") is not None
    retention = build.request.value("prompt_cache_retention")
    if place(body, family, automatic=automatic, retention=retention):
        build.hint("prompt_cache_breakpoint")
