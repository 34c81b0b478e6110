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

from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...sealing import Sealing
from ..effects import Effects, Ignore
from ..provider import TranslateOptions
from .caching import forget, place
from .content import text_blocks
from .fields import (
    ANSWER_TOOL,
    CALL_ANSWER_TOOL,
    answer_tool,
    caches,
    hint_unless_zero,
    parameters,
    sampling,
    schema_form,
    stop_words,
)
from .hosted import Offers
from .messages import Conversation, Style, conversation
from .profile import MessagesProfile
from .schema import held_to
from .thinking import Decided, decide, wanted
from .tools import Offered, choice_field, of_history, offered
from .traits import Traits

INTERLEAVED = "interleaved-thinking-2025-05-14"
FILES = "files-api-2025-04-14"

_MAX_USER = 256
_PERSONAL = re.compile(r"@|^\+?[\d\s().-]{7,}$")


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

    effects = Effects(options, ignore)
    note, hint = effects.note, effects.hint
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
        offers=Offers.of(offer.tools, profile.extra_body.get("mcp_servers")),
    )
    said = conversation(request, style, names, note, sealing)
    decided = _thinking(request, target, offer, said, hint)
    build = _Build(request, traits, hint)
    build.body = {"model": target.model, "max_tokens": decided.max_tokens}
    by_tool = _put_form(build, said, offer, thinks=decided.on)
    _put_thinking(build, decided)
    build.body |= sampling(request, hint, takes=traits.sampling and not decided.on)
    _put_fields(build, effects)
    _put_tools(build, offer, names, said, by_tool=by_tool, thinks=decided.on)
    if said.system:
        build.body["system"] = said.system
    build.body["messages"] = said.messages
    _put_cache(build, profile)
    body = {**profile.extra_body, **build.body}
    return Built(body, names, _betas(body, traits, decided), by_tool)


def _thinking(request: ResponsesRequest, target: Target, offer: Offered, said: Conversation, hint: Ignore) -> Decided:
    traits = target.traits
    limit = request.max_output_tokens or target.profile.max_tokens or traits.usual_output
    if traits.max_output is not None:
        limit = min(limit, traits.max_output)
    forced = offer.forced and traits.forced_tools
    asked = wanted(request.reasoning, hint, show=target.show_thinking, forced=forced, lost=said.lost)
    return decide(asked, traits, target.profile.thinking_budgets, limit, hint)


def _put_thinking(build: _Build, decided: Decided) -> None:
    if decided.thinking is not None:
        build.body["thinking"] = decided.thinking
    if decided.effort is not None:
        build.body.setdefault("output_config", {})["effort"] = decided.effort


def _put_form(build: _Build, said: Conversation, offer: Offered, *, thinks: bool) -> bool:
    """Puts the form of the answer; tells whether the model has to call a tool for it."""
    form = schema_form(build.request, lambda text: said.system.extend(text_blocks(text)), build.hint)
    if form is None:
        return False
    if build.traits.schemas:
        schema = held_to(form.schema, "text.format.schema")
        if form.description and "description" not in schema:
            schema["description"] = form.description
        build.body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return False
    offer.tools.append(answer_tool(form))
    if thinks:
        said.system += text_blocks(CALL_ANSWER_TOOL)
    return True


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
    choice = choice_field(offer, names, may_force=may_force, parallel=parallel)
    if by_tool and may_force and (choice is None or choice["type"] in ("auto", "none")):
        alone = len(offer.tools) == 1 or (choice is not None and choice["type"] == "none")
        choice = {"type": "tool", "name": ANSWER_TOOL} if alone else {**(choice or {}), "type": "any"}
    if choice is not None:
        build.body["tool_choice"] = choice


def _put_fields(build: _Build, effects: Effects) -> None:
    """Puts the fields of the table; others are named."""
    known, others = parameters(build.request, _TABLE)
    for name in known:
        _TABLE[name](build, name)
    effects.hint_first(others)


def _put_user(build: _Build, name: str) -> None:
    """Puts who asks: an id that tells the upstream nothing else, for it refuses addresses and telephone numbers."""
    value = build.request.value("safety_identifier") or build.request.value("user")
    if not value:
        return
    if len(value) > _MAX_USER or _PERSONAL.search(value):
        value = hashlib.sha256(value.encode()).hexdigest()
    build.body["metadata"] = {"user_id": value}


def _put_stop(build: _Build, name: str) -> None:
    taken = stop_words(build.request, name, build.hint)
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
    hint_unless_zero(build.request, name, build.hint)


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
"""What becomes of each parameter; fields that are neither here nor in `KEPT_HERE` have no effect."""


def _put_cache(build: _Build, profile: MessagesProfile) -> None:
    if profile.prompt_cache == "never":
        forget(build.body)
        return
    retention = build.request.value("prompt_cache_retention")
    if place(build.body, automatic=caches(build.request, profile.prompt_cache), retention=retention):
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
