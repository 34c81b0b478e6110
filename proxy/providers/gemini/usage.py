"""Counts of tokens, as the neutral events have them (wire reference, sections 0.4 and 6.7)."""

from __future__ import annotations

import msgspec

from ...api.raw import Raw, given
from ...events import Usage
from ..chat.surrogates import load
from .chunk import fitted

_TIERS = {
    "standard": "default",
    "flex": "flex",
    "priority": "priority",
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
}
"""OpenAI's words for the tiers, by the words of the Gemini API and of Vertex AI (`trafficType`)."""


class _Modality(msgspec.Struct, gc=False, rename="camel"):
    """How many of the tokens are of one kind: `TEXT`, `IMAGE`, `AUDIO`."""

    modality: str = ""
    token_count: int = 0


class UsageMetadata(msgspec.Struct, gc=False, rename="camel"):
    """What the API counts. Cached tokens are part of the prompt; thoughts usually come on top of the candidates."""

    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    total_token_count: int = 0
    service_tier: str | None = None
    traffic_type: str | None = None
    prompt_tokens_details: list[_Modality] | None = None
    cache_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None


_decode = msgspec.json.Decoder(UsageMetadata).decode


def read_usage(raw: Raw) -> tuple[Usage | None, str | None]:
    """Returns the usage, None when nothing was counted, and the service tier that was used, in OpenAI's words."""
    if not given(raw):
        return None, None
    try:
        counted = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = load(bytes(raw))
        counted = fitted(value, UsageMetadata) if isinstance(value, dict) else UsageMetadata()
    tier = _TIERS.get((counted.service_tier or counted.traffic_type or "").lower().removeprefix("service_tier_"))
    counts = [max(0, getattr(counted, name)) for name in UsageMetadata.__struct_fields__[:6]]
    prompt, cached, candidates, thoughts, tool_use, total = counts
    if not any(counts):
        return None, tier
    within = thoughts > 0 and prompt + tool_use + candidates == total  # thoughts are counted among the candidates
    output = candidates if within else candidates + thoughts
    return (
        Usage(
            input_tokens=prompt + tool_use,
            output_tokens=output,
            cached_tokens=cached,
            reasoning_tokens=min(thoughts, output),
            total_tokens=prompt + tool_use + output,
            audio_input_tokens=max(0, _audio(counted.prompt_tokens_details) - _audio(counted.cache_tokens_details)),
            audio_output_tokens=_audio(counted.candidates_tokens_details),
        ),
        tier,
    )


def _audio(details: list[_Modality] | None) -> int:
    return sum(max(0, one.token_count) for one in details or () if one.modality == "AUDIO")
