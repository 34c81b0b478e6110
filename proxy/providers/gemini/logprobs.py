"""Log probabilities of tokens, in the form of the Responses API."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from ...api.raw import Raw, given
from ..chat.surrogates import load
from .chunk import fitted

_NEVER = -9999.0
"""What the API says for a token that has no probability at all."""


class _Token(msgspec.Struct, gc=False, rename="camel"):
    token: str | None = None
    log_probability: float | None = None


class _Top(msgspec.Struct, gc=False):
    candidates: list[_Token] | None = None


class _Result(msgspec.Struct, gc=False, rename="camel"):
    """The tokens that were chosen, and for each those that might have been."""

    chosen_candidates: list[_Token] | None = None
    top_candidates: list[_Top] | None = None


def read_logprobs(raw: Raw) -> list[dict[str, Any]] | None:
    """Returns entries `{token, bytes, logprob, top_logprobs}`; None when there are none."""
    value = load(bytes(raw)) if given(raw) else None
    if not isinstance(value, dict):
        return None
    result = fitted(value, _Result)
    tops = [[_entry(one) for one in top.candidates or ()] for top in result.top_candidates or ()]
    entries: list[dict[str, Any]] = []
    for index, token in enumerate(result.chosen_candidates or ()):
        entries.append({**_entry(token), "top_logprobs": tops[index] if index < len(tops) else []})
    return entries or None


def _entry(token: _Token) -> dict[str, Any]:
    text, value = token.token or "", token.log_probability or 0.0
    return {"token": text, "bytes": list(text.encode()), "logprob": value if math.isfinite(value) else _NEVER}
