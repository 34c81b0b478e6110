"""Asks Claude by InvokeModel: the body is one of the Messages API, as Bedrock takes it.

The model and whether it streams stand in the path, the version in the body, and so do the betas. What belongs to
Bedrock and not to Claude travels in headers (wire reference, section 8.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ...api import invalid
from ...api.raw import Raw
from ...api.responses.items import ToolOutput
from ...api.responses.parts import InputFile, InputImage, InputPart
from ...api.responses.request import ResponsesRequest
from ...api.responses.turns import ModelTurn, UserTurn
from ...sealing import Sealing
from ..anthropic.build import Target as MessagesTarget
from ..anthropic.build import build_body as messages_body
from ..anthropic.profile import MessagesProfile
from ..anthropic.sealing import wrapped
from ..provider import TranslateOptions
from .build import Built
from .config import BedrockProfile
from .draft import Target
from .sealing import opened

VERSION = "bedrock-2023-05-31"

_BETAS = "anthropic_beta"
_TIERS = {"default": "default", "flex": "flex", "priority": "priority"}
_ELSEWHERE = ("url", "file")
_decode_item = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.encode

Ignore = Callable[[str], None]


def build_invoke(
    request: ResponsesRequest, target: Target, options: TranslateOptions, ignore: Ignore, sealing: Sealing
) -> Built:
    """Returns the request; raises BadRequest for what Claude on Bedrock cannot do. The rest is as in `build_body`."""
    profile = target.profile
    asked = _with_own_thinking(request, target.model, sealing)
    tier = asked.value("service_tier")
    if tier in _TIERS or tier == "auto":
        asked.drop("service_tier")  # said in a header
    for name in ("safety_identifier", "user"):
        if asked.drop(name):
            ignore(name)
    built = messages_body(
        asked,
        MessagesTarget(
            model=target.model,
            traits=target.family.traits,
            profile=_messages_profile(profile),
            thoughts=target.thoughts,
            strict=target.strict,
            show_thinking=target.show_thinking,
        ),
        options,
        ignore,
        sealing,
    )
    _check_sources(built.body, asked)
    body = {"anthropic_version": VERSION, **built.body}
    del body["model"]
    betas = list(dict.fromkeys([*profile.model_fields.get(_BETAS, ()), *built.betas]))
    if betas:
        body[_BETAS] = betas
    headers = _headers(profile, _TIERS.get(tier or ""))
    return Built(body, built.tools, built.answers_by_tool, headers)


def _messages_profile(profile: BedrockProfile) -> MessagesProfile:
    """Returns what is sent beside what the client says, in the words of the Messages API."""
    return MessagesProfile(
        thinking_budgets=profile.thinking_budgets,
        prompt_cache=profile.prompt_cache,
        strict_tools=profile.strict_tools,
        web_search=False,
        document_citations=profile.document_citations,
        extra_body={name: value for name, value in profile.model_fields.items() if name != _BETAS},
    )


def _headers(profile: BedrockProfile, tier: str | None) -> dict[str, str]:
    """Returns what Bedrock itself is told."""
    headers: dict[str, str] = {}
    if profile.guardrail is not None:
        headers["x-amzn-bedrock-guardrailidentifier"] = profile.guardrail.id
        headers["x-amzn-bedrock-guardrailversion"] = profile.guardrail.version
    if profile.latency is not None:
        headers["x-amzn-bedrock-performanceconfig-latency"] = profile.latency
    if tier is not None:
        headers["x-amzn-bedrock-service-tier"] = tier
    return headers


def _with_own_thinking(request: ResponsesRequest, model: str, sealing: Sealing) -> ResponsesRequest:
    """Returns a copy in which thinking of Bedrock's is written as Claude's own, and that of others is not given back.

    To the Messages API all thinking is the same; who may have it back was decided by the seal.
    """
    asked = request.copy()
    if b'"encrypted_content"' not in bytes(asked.fields.get("input", b"")):
        return asked
    items = [_own_thinking(raw, model, sealing) for raw in asked.raw_items]
    asked.put_items(items)
    return asked


def _own_thinking(raw: Raw, model: str, sealing: Sealing) -> Raw:
    try:
        item = _decode_item(raw)
        if item.get("type") != Raw(b'"reasoning"') or "encrypted_content" not in item:
            return raw
        sealed = msgspec.json.decode(item["encrypted_content"])
    except invalid.UNREADABLE:
        return raw
    blocks = opened(sealed, model, sealing) if isinstance(sealed, str) else []
    item["encrypted_content"] = Raw(_encode(wrapped(blocks) if blocks else None))
    return Raw(_encode(item))


def _check_sources(body: dict[str, Any], request: ResponsesRequest) -> None:
    """Raises BadRequest for images and documents that Bedrock would have to fetch."""
    for block in _blocks(body):
        source = block.get("source")
        if isinstance(source, dict) and source.get("type") in _ELSEWHERE:
            message = "Bedrock fetches no images and documents for Claude, and keeps none: send data: addresses."
            raise invalid.unsupported(next(_elsewhere(request), "input"), message)


def _elsewhere(request: ResponsesRequest) -> Iterator[str]:
    """Yields where the client names what is not in the request. Asked only when something has to be refused."""
    for turn in request.turns()[0]:
        if isinstance(turn, UserTurn):
            yield from _named(turn.content, f"{turn.path}.content")
        elif isinstance(turn, ModelTurn):
            for called in turn.calls:
                if isinstance(called.output, ToolOutput):
                    yield from _named(called.output.output, f"{called.output_path}.output")


def _named(content: str | list[InputPart], path: str) -> Iterator[str]:
    for index, part in enumerate(() if isinstance(content, str) else content):
        where = f"{path}[{index}]"
        if isinstance(part, InputImage) and (part.image_url is None or not part.image_url.lower().startswith("data:")):
            yield f"{where}.{'file_id' if part.image_url is None else 'image_url'}"
        elif isinstance(part, InputFile) and part.file_url is not None:
            yield f"{where}.file_url"
        elif isinstance(part, InputFile) and part.file_id is not None:
            yield f"{where}.file_id"


def _blocks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for message in body["messages"]:
        for block in message["content"]:
            yield block
            inner = block.get("content")
            if isinstance(inner, list):
                yield from inner
