"""Maps the error answers of the inference API to the tree of errors: Azure's own, and the models' about parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import UpstreamRefused
from ..azure_openai.errors import refused as refused_by_azure
from ..chat.surrogates import load

UNSUPPORTED = "unsupported_parameter"

HINTS = frozenset(
    (
        "frequency_penalty",
        "logit_bias",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "seed",
        "stream_options",
        "temperature",
        "top_p",
        "user",
    )
)
"""Fields without which an answer is still one to the same question."""

_MAX_NAME = 100


def refused(upstream: str, status: int, headers: Mapping[str, str], body: bytes, *, advice: str) -> UpstreamRefused:
    """Returns the error for an answer with an error status. Where a model has only refused a hint it is to be asked
    again, without it.
    """
    error = refused_by_azure(upstream, status, headers, body, advice=advice)
    name = _refused_field(body) if status in (400, 422) and error.status == 400 else None
    if name is not None:
        error.code, error.param = UNSUPPORTED, name
        error.message = f"Unsupported parameter: '{name}' is not supported with this model."
        error.retry_same = name in HINTS
    return error


def _refused_field(body: bytes) -> str | None:
    """Returns the field of the request that an answer says not to be known, from the forms in which models say so.

    Seen: `{"detail": {"loc": ["body", "x"], "input": ...}}` and lists of such, also as the message of an error.
    """
    said = load(body.strip())
    if not isinstance(said, dict):
        return None
    detail = said.get("detail")
    error = said.get("error")
    if detail is None and isinstance(error, dict):
        inner = load(str(error.get("message", "")).encode())
        detail = inner.get("detail") if isinstance(inner, dict) else None
    for one in detail if isinstance(detail, list) else [detail]:
        if isinstance(one, dict) and (name := _name_at(one)) is not None:
            return name
    return None


def _name_at(detail: dict[str, Any]) -> str | None:
    """Returns the top-level field of the body that a fault is about, where it is that it is there at all."""
    place = detail.get("loc")
    if not isinstance(place, list) or len(place) != 2 or place[0] != "body" or detail.get("type") == "missing":
        return None
    return place[1] if isinstance(place[1], str) and len(place[1]) <= _MAX_NAME else None
