"""Builds the body of a request of the Messages API from a Responses request: one table says what becomes of each field.

Nothing reaches the upstream but what the table, the conversation, the tools and the profile put there. A field that
has no effect is named to the client; with `params: strict` it is refused (wire reference, section 5.1).
"""

from __future__ import annotations

import hashlib
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
from ..provider import TranslateOptions
from .blocks import ANSWER_TOOL
from .caching import forget, place
from .content import text_blocks
from .messages import Conversation, Style, conversation
from .profile import MessagesProfile
from .schema import held_to
from .thinking import Decided, Wanted, decide
from .tools import Offered, choice_field, of_history, offered
from .traits import Traits

Ignore = Callable[[str], None]

INTERLEAVED = "interleaved-thinking-2025-05-14"
FILES = "files-api-2025-04-14"

_UNSHOWABLE = re.compile(r"[^ -~]")
_MAX_NOTED = 80
_MAX_NAMED = 20
_MAX_USER = 256
_PERSONAL = re.compile(r"@|^\+?[\d\s().-]{7,}$")
_JSON_ONLY = "Answer with one JSON object and nothing else."

_KEPT_HERE = frozenset(
    (
        # read by the table's functions, the conversation or the tools
        "input",
        "instructions",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens",
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
        "metadata",
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
    """Whom a request is for. `thoughts` and `strict` are off when the upstream has refused them a moment ago."""

    model: str
    traits: Traits
    profile: MessagesProfile
    thoughts: bool = True
    strict: bool = True
    show_thinking: bool = False


class Built(msgspec.Struct):
    """A request: its body without `stream`, the names of its tools for the way back, and the betas that it needs.

    `answers_by_tool`: the model answers by calling a tool.
    """

    body: dict[str, Any]
    tools: ToolMap
    betas: list[str]
    answers_by_tool: bool


class _Build:
    """One request on its way: what the functions of the table read and write."""

    __slots__ = ("body", "hint", "request", "traits")

    def __init__(self, request: ResponsesRequest, traits: Traits, hint: Ignore) -> None:
        self.request = request
        self.traits = traits
        self.hint = hint
        self.body: dict[str, Any] = {}


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

    names = ToolMap.of(request.tools)
    traits, profile = target.traits, target.profile
    offer = offered(
        request,
        names,
        strict=target.strict and traits.schemas and profile.strict_tools,
        search=profile.web_search,
        refuse_hosted=options.unsupported_tools == "refuse",
        ignore=note,
    )
    style = Style(
        system_anywhere=traits.system_anywhere,
        prefill=traits.prefill,
        thoughts=target.thoughts,
        cite=profile.document_citations,
    )
    said = conversation(request, style, names, note, sealing)
    decided = _thinking(request, target, offer, said, hint)
    build = _Build(request, traits, hint)
    build.body = {"model": target.model, "max_tokens": decided.max_tokens}
    by_tool = _put_form(build, said, offer, thinks=decided.on)
    _put_thinking(build, decided)
    _put_sampling(build, thinks=decided.on)
    _put_fields(build)
    _put_tools(build, offer, names, said, by_tool=by_tool, thinks=decided.on)
    if said.system:
        build.body["system"] = said.system
    build.body["messages"] = said.messages
    _put_cache(build, profile)
    body = {**profile.extra_body, **build.body}
    return Built(body, names, _betas(body, traits, decided), by_tool)


def _thinking(request: ResponsesRequest, target: Target, offer: Offered, said: Conversation, hint: Ignore) -> Decided:
    settings, traits = request.reasoning, target.traits
    if settings.mode not in (None, "standard"):
        hint("reasoning.mode")
    limit = request.max_output_tokens or target.profile.max_tokens or traits.usual_output
    if traits.max_output is not None:
        limit = min(limit, traits.max_output)
    wanted = Wanted(
        effort=settings.effort,
        shown=target.show_thinking or bool(settings.summary or settings.generate_summary),
        forced=offer.forced and traits.forced_tools,
        lost=said.lost,
    )
    return decide(wanted, traits, target.profile.thinking_budgets, limit, hint)


def _put_thinking(build: _Build, decided: Decided) -> None:
    if decided.thinking is not None:
        build.body["thinking"] = decided.thinking
    if decided.effort is not None:
        build.body.setdefault("output_config", {})["effort"] = decided.effort


def _put_form(build: _Build, said: Conversation, offer: Offered, *, thinks: bool) -> bool:
    """Puts the form of the answer; tells whether the model has to call a tool for it."""
    settings = build.request.text
    if settings.verbosity not in (None, "medium"):
        build.hint("text.verbosity")
    form = settings.format
    if form is None or form.type == "text":
        return False
    if form.type == "json_object":
        said.system += text_blocks(_JSON_ONLY)
        return False
    if build.traits.schemas:
        schema = held_to(form.schema, "text.format.schema")
        if form.description and "description" not in schema:
            schema["description"] = form.description
        build.body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return False
    offer.tools.append(_answer_tool(form))
    if thinks:
        said.system += text_blocks(f"Give your answer by calling the tool {ANSWER_TOOL}.")
    return True


def _answer_tool(form: TextFormat) -> dict[str, Any]:
    about = f" {form.description}" if form.description else ""
    return {"name": ANSWER_TOOL, "description": f"Takes your answer.{about}", "input_schema": form.schema}


def _put_tools(
    build: _Build, offer: Offered, names: ToolMap, said: Conversation, *, by_tool: bool, thinks: bool
) -> None:
    if not offer.tools:
        earlier = of_history(said.messages)
        if earlier:
            build.body.update(tools=earlier, tool_choice={"type": "none"})
        return
    build.body["tools"] = offer.tools
    may_force = build.traits.forced_tools and not thinks
    parallel = build.request.value("parallel_tool_calls")
    choice = choice_field(offer, names, may_force=may_force, parallel=parallel, hint=build.hint)
    if by_tool and may_force and (choice is None or choice["type"] in ("auto", "none")):
        alone = len(offer.tools) == 1 or (choice is not None and choice["type"] == "none")
        choice = {"type": "tool", "name": ANSWER_TOOL} if alone else {**(choice or {}), "type": "any"}
    if choice is not None:
        build.body["tool_choice"] = choice


def _put_sampling(build: _Build, *, thinks: bool) -> None:
    """Puts temperature, or else top_p: not both, not where the model thinks, not where it takes neither."""
    temperature, top_p = build.request.value("temperature"), build.request.value("top_p")
    takes = build.traits.sampling and not thinks
    if temperature is not None and takes:
        build.body["temperature"] = min(temperature, 1.0)
    elif temperature not in (None, 1.0):
        build.hint("temperature")
    if top_p is None or top_p == 1.0:
        return
    if takes and temperature is None:
        build.body["top_p"] = top_p
    else:
        build.hint("top_p")


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


def _put_user(build: _Build, name: str) -> None:
    """Puts who asks: an id that tells the upstream nothing else, for it refuses addresses and telephone numbers."""
    value = build.request.value("safety_identifier") or build.request.value("user")
    if not value:
        return
    if len(value) > _MAX_USER or _PERSONAL.search(value):
        value = hashlib.sha256(value.encode()).hexdigest()
    build.body["metadata"] = {"user_id": value}


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
        build.body["stop_sequences"] = taken


def _put_top_k(build: _Build, name: str) -> None:
    value = build.request.get(name)
    if build.traits.sampling and isinstance(value, int) and "thinking" not in build.body:
        build.body[name] = value
    else:
        build.hint(name)


_TIERS = {"auto": "auto", "default": "standard_only", "priority": "auto"}


def _put_tier(build: _Build, name: str) -> None:
    tier = _TIERS.get(build.request.value(name))
    if tier is None:
        build.hint(name)
    else:
        build.body[name] = tier


def _put_nothing(build: _Build, name: str) -> None:
    """A number that is 0 asks for nothing; any other has no effect."""
    if build.request.value(name):
        build.hint(name)


_TABLE: Mapping[str, Callable[[_Build, str], None]] = {
    "frequency_penalty": _put_nothing,
    "presence_penalty": _put_nothing,
    "safety_identifier": _put_user,
    "service_tier": _put_tier,
    "stop": _put_stop,
    "top_k": _put_top_k,
    "top_logprobs": _put_nothing,
    "user": _put_user,
}
"""What becomes of each parameter; fields that are neither here nor in `_KEPT_HERE` have no effect."""


def _put_cache(build: _Build, profile: MessagesProfile) -> None:
    if profile.prompt_cache == "never":
        forget(build.body)
        return
    automatic = profile.prompt_cache == "always" or build.request.value("prompt_cache_key") is not None
    retention = build.request.value("prompt_cache_retention")
    if place(build.body, automatic=automatic, retention=retention):
        build.hint("prompt_cache_breakpoint")


def _betas(body: dict[str, Any], traits: Traits, decided: Decided) -> list[str]:
    """Returns the betas that a body needs."""
    betas = []
    if decided.on and traits.interleaves and body.get("tools"):
        betas.append(INTERLEAVED)
    blocks = [block for message in body["messages"] for block in message["content"]]
    inside = [one for block in blocks if isinstance(block.get("content"), list) for one in block["content"]]
    if any(isinstance(one.get("source"), dict) and one["source"].get("type") == "file" for one in blocks + inside):
        betas.append(FILES)
    return betas
