"""What kind of failure an error is, whether it speaks against its deployment, and whether asking on may help."""

from __future__ import annotations

from typing import Literal, get_args

from ..errors import ExchangeError, UpstreamError, UpstreamRefused, UpstreamTimeout, UpstreamUnreachable

Failure = Literal[
    "context_window", "content_policy", "rate_limit", "timeout", "unreachable", "auth", "not_found", "server_error"
]
"""The kinds of failures that fallbacks may be for."""

FAILURES: tuple[Failure, ...] = get_args(Failure)

OF_THE_REQUEST: frozenset[Failure] = frozenset(("context_window", "content_policy"))
"""Failures that the request would have at any deployment of the same model: only a fallback that names them helps."""

_BY_CODE: dict[str, Failure] = {
    "context_length_exceeded": "context_window",
    "content_filter": "content_policy",
    "invalid_prompt": "content_policy",
    "upstream_auth": "auth",
    "insufficient_quota": "rate_limit",
    "model_not_found": "not_found",
    "timeout": "timeout",
}
_COUNTED_STATUSES = frozenset((401, 402, 403, 407, 408, 429))


def failure_of(error: ExchangeError) -> Failure | None:
    """Returns the kind of a failure; None for what is wrong with the request alone, or our own refusal."""
    if not isinstance(error, UpstreamError):
        return None
    if isinstance(error, UpstreamUnreachable):
        return "unreachable"
    if isinstance(error, UpstreamTimeout):
        return "timeout"
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if error.status == 429:
        return "rate_limit"
    return "server_error" if error.status >= 500 else None


def counts(error: ExchangeError) -> bool:
    """Tells whether an error says something against its deployment.

    Failed connections, timeouts, 429, 5xx and refused keys do; what is wrong with a request does not, nor what Penstock
    has refused itself, a full connection pool included.
    """
    if not isinstance(error, UpstreamError) or (isinstance(error, UpstreamTimeout) and error.phase == "pool"):
        return False
    said = error.upstream_status
    if said is not None and said < 500 and said not in _COUNTED_STATUSES:
        return False
    return error.status == 429 or error.status >= 500


def may_help(error: ExchangeError) -> tuple[bool, bool]:
    """Returns whether the same deployment may be asked again, and whether another one may be asked instead."""
    if not isinstance(error, UpstreamError) or failure_of(error) in OF_THE_REQUEST:
        return False, False
    if isinstance(error, UpstreamRefused):
        return error.retry_same, error.fail_over
    return error.retryable, error.retryable
