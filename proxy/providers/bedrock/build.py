"""Builds the body of Converse from a Responses request: one table says what becomes of each field.

Nothing reaches the upstream but what the table, the conversation, the tools and the profile put there. A field that
has no effect is named to the client; with `params: strict` it is refused (wire reference, section 8.6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ...api.responses.fields import TextFormat
from ...api.responses.request import ResponsesRequest
from ...api.responses.tool_map import ToolMap
from ...sealing import Sealing
from ..anthropic.fields import (
    CALL_ANSWER_TOOL,
    caches,
    hint_unless_zero,
    parameters,
    schema_form,
    stop_words,
)
from ..anthropic.tools import Offered, offered
from ..effects import Effects, Ignore
from ..provider import TranslateOptions
from .caching import place
from .draft import Draft, Target
from .form import in_words, output_config
from .inference import put_limit, put_sampling, put_thinking
from .messages import Style, conversation
from .metadata import request_metadata
from .tools import ToolConfig, Wish, tool_config

_NO_CALLS = "Do not call any tool now."


class Built(msgspec.Struct):
    """A request: its body, the names of its tools for the way back, and headers of its own.

    `answers_by_tool`: the model answers by calling a tool.
    """

    body: dict[str, Any]
    tools: ToolMap
    answers_by_tool: bool
    headers: dict[str, str] = {}


def build_body(
    request: ResponsesRequest, target: Target, options: TranslateOptions, ignore: Ignore, sealing: Sealing
) -> Built:
    """Returns the request; raises BadRequest for what this upstream cannot do.

    `ignore` is told of each field, tool and piece of history without effect; `sealing` opens the thinking that is
    given back.
    """

    effects = Effects(options, ignore)
    note, hint = effects.note, effects.hint
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
    build = Draft(request, target, said, hint)
    thinks = put_thinking(build, offer)
    answer = _put_form(build, thinks=thinks)
    put_limit(build)
    put_sampling(build, thinks=thinks)
    _put_fields(build, effects)
    config = _tools(build, offer, names, answer, thinks=thinks)
    return Built(_assembled(build, config), names, answer is not None)


def _assembled(build: Draft, config: ToolConfig | None) -> dict[str, Any]:
    """Returns the body, its parts in the order in which Converse documents them."""
    profile, said = build.target.profile, build.said
    if config is not None:
        build.body["toolConfig"] = {"tools": config.tools}
        if config.choice is not None:
            build.body["toolConfig"]["toolChoice"] = config.choice
        if config.own_choice is not None:
            build.extra["tool_choice"] = config.own_choice
        elif config.calls_forbidden:
            build.instruct(_NO_CALLS)
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


# --- the form of the answer and tools


def _put_form(build: Draft, *, thinks: bool) -> TextFormat | None:
    """Puts the form of the answer; returns it when the model has to call a tool for it."""
    family = build.target.family
    form = schema_form(build.request, build.instruct, build.hint)
    if form is None:
        return None
    how = build.target.profile.structured_output
    if how == "native" or (how == "auto" and family.schemas):
        build.body["outputConfig"] = output_config(form, build.extra.pop("output_config", {}).get("effort"))
        return None
    if not family.tools:
        build.instruct(in_words(form))
        return None
    if thinks:
        build.instruct(CALL_ANSWER_TOOL)
    return form


def _tools(
    build: Draft, offer: Offered, names: ToolMap, answer: TextFormat | None, *, thinks: bool
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


def _put_fields(build: Draft, effects: Effects) -> None:
    """Puts the fields of the table; others are named."""
    known, others = parameters(build.request, _TABLE)
    for name in known:
        _TABLE[name](build, name)
    effects.hint_first(others)


def _put_stop(build: Draft, name: str) -> None:
    taken = stop_words(build.request, name, build.hint)
    if taken:
        build.inference["stopSequences"] = taken


def _put_top_k(build: Draft, name: str) -> None:
    value, claude = build.request.get(name), build.target.family.claude
    if claude is not None and claude.sampling and "thinking" not in build.extra and isinstance(value, int):
        build.extra[name] = value
    else:
        build.hint(name)


_TIERS = {"default": "default", "flex": "flex", "priority": "priority"}


def _put_tier(build: Draft, name: str) -> None:
    value = build.request.value(name)
    tier = _TIERS.get(value)
    if tier is not None:
        build.body["serviceTier"] = {"type": tier}
    elif value != "auto":
        build.hint(name)


def _put_nothing(build: Draft, name: str) -> None:
    hint_unless_zero(build.request, name, build.hint)


_TABLE: Mapping[str, Callable[[Draft, str], None]] = {
    "frequency_penalty": _put_nothing,
    "presence_penalty": _put_nothing,
    "service_tier": _put_tier,
    "stop": _put_stop,
    "top_k": _put_top_k,
    "top_logprobs": _put_nothing,
}
"""What becomes of each parameter; fields that are neither here nor in `KEPT_HERE` have no effect."""


def _put_metadata(build: Draft, body: dict[str, Any]) -> None:
    """Puts the client's metadata, as far as Bedrock takes it: it is for the account's logs alone."""
    said = build.request.value("metadata") if build.target.profile.request_metadata else None
    if not said:
        return
    taken = request_metadata(said)
    if taken:
        body["requestMetadata"] = taken


def _put_cache(build: Draft, body: dict[str, Any]) -> None:
    family, wanted = build.target.family, build.target.profile.prompt_cache
    if not family.cache or wanted == "never":
        return
    automatic = caches(build.request, wanted)
    retention = build.request.value("prompt_cache_retention")
    if place(body, family, automatic=automatic, retention=retention):
        build.hint("prompt_cache_breakpoint")
