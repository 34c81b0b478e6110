"""Answers that Penstock makes itself."""

from __future__ import annotations

import json

import pytest

from proxy.errors import BadRequest, ExchangeError, Overloaded, RateLimited, UpstreamRefused
from proxy.reply import Reply


def test_an_error_has_the_four_keys_of_the_api() -> None:
    reply = Reply.from_error(BadRequest("no", param="model", code="model_not_found"))
    assert reply.status == 400
    assert json.loads(reply.body) == {
        "error": {"message": "no", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
    }
    assert reply.headers == {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RateLimited("x"), "1"),
        (RateLimited("x", retry_after_s=0.2), "1"),
        (RateLimited("x", retry_after_s=7.1), "8"),
        (Overloaded("x", retry_after_s=3), "3"),
        (UpstreamRefused("x", status=429), "1"),
        (UpstreamRefused("x", status=429, code="insufficient_quota"), None),
        (BadRequest("x"), None),
    ],
)
def test_waiting_is_told_in_whole_seconds(error: ExchangeError, expected: str | None) -> None:
    assert Reply.from_error(error).headers.get("retry-after") == expected


def test_a_spent_quota_is_not_to_be_retried() -> None:
    assert (
        Reply.from_error(UpstreamRefused("x", status=429, code="insufficient_quota")).headers["x-should-retry"]
        == "false"
    )


def test_a_refusal_by_a_limit_carries_its_headers() -> None:
    reply = Reply.rate_limited("slow down", 2, {"x-ratelimit-remaining-requests": "0"})
    assert (reply.status, reply.headers["retry-after"], reply.headers["x-ratelimit-remaining-requests"]) == (
        429,
        "2",
        "0",
    )
