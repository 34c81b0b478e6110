"""Brings the log probabilities of chat upstreams into the one form of the Responses API."""

from __future__ import annotations

import math
from typing import Any

_LEAST = -9999.0
"""What OpenAI sends for a token that is too unlikely for a number."""


def logprob_entries(content: list[Any]) -> list[dict[str, Any]]:
    """Returns entries `{token, bytes, logprob, top_logprobs}` (wire reference, section 3.6).

    Entries without a token or a number, and what is no entry at all, are left out; `bytes` that are not given are [].
    """
    entries = []
    for one in content:
        if (entry := _entry(one)) is not None:
            others = one.get("top_logprobs")
            entry["top_logprobs"] = list(filter(None, map(_entry, others))) if isinstance(others, list) else []
            entries.append(entry)
    return entries


def _entry(one: Any) -> dict[str, Any] | None:
    if not isinstance(one, dict):
        return None
    token, logprob, raw = one.get("token"), one.get("logprob"), one.get("bytes")
    if not isinstance(token, str) or not isinstance(logprob, int | float) or isinstance(logprob, bool):
        return None
    return {
        "token": token,
        "bytes": raw if isinstance(raw, list) and all(type(byte) is int for byte in raw) else [],
        "logprob": logprob if math.isfinite(logprob) else _LEAST,
    }
