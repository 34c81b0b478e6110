"""How an answer ended: the finish reasons of the API, by one table (wire reference, section 6.5)."""

from __future__ import annotations

from typing import Literal

from ...errors import UpstreamRefused, UpstreamStreamError
from ...events import FinishReason
from ..chat.wording import strip_secrets

Ending = FinishReason | Literal["failed", "vague"]
"""How a reason is taken; what is `vague` depends on whether something was said."""

_ENDINGS: dict[str, Ending] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "LANGUAGE": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "MALFORMED_FUNCTION_CALL": "failed",
    "UNEXPECTED_TOOL_CALL": "failed",
    "MALFORMED_RESPONSE": "failed",
    "MISSING_THOUGHT_SIGNATURE": "failed",
    "TOO_MANY_TOOL_CALLS": "failed",
    "PUP_LIMITED_DISABLED": "failed",
}
_UNSPECIFIED = ("", "FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED")
_MAX_QUOTED = 500


def ending_of(reason: str) -> Ending:
    """Returns how a finish reason is taken: reasons that nobody knows yet, and `OTHER`, are vague."""
    return _ENDINGS.get(reason, "vague")


def supersedes(reason: str, known: str | None) -> bool:
    """Tells whether a finish reason counts beside the one before: models of old say STOP with every piece."""
    return reason not in _UNSPECIFIED and (known is None or known == "STOP")


def is_blocked(reason: str | None) -> bool:
    """Tells whether the feedback on a prompt says that it was refused."""
    return reason is not None and reason not in _UNSPECIFIED


def failed_finish(reason: str, message: str | None) -> UpstreamStreamError:
    """Returns the error for an answer that ended in a reason which is a failure."""
    said = f": {strip_secrets(message, _MAX_QUOTED)}" if message else "."
    return UpstreamStreamError(f"The upstream ended the answer with {reason[:_MAX_QUOTED]}{said}", code="server_error")


def refused_prompt(reason: str, message: str | None) -> UpstreamRefused:
    """Returns the error for a prompt that was refused, where nothing of an answer was sent yet."""
    said = f": {strip_secrets(message, _MAX_QUOTED)}" if message else "."
    words = f"The prompt was refused by the upstream's content filter ({reason[:_MAX_QUOTED]}){said}"
    return UpstreamRefused(words, status=400, type="invalid_request_error", code="content_filter")
