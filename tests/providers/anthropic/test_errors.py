from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from proxy.errors import UpstreamRefused
from proxy.providers.anthropic.errors import INVALID_STRICT, INVALID_THINKING, refused, stream_error
from tests.support.fixtures import SHARED, needs_shared


def body(kind: str, message: str, **more: Any) -> bytes:
    return json.dumps(
        {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "r"}
    ).encode()


def error(status: int, kind: str = "api_error", message: str = "m", **headers: str) -> UpstreamRefused:
    return refused(
        "up", status, {name.replace("_", "-"): value for name, value in headers.items()}, body(kind, message)
    )


TABLE = [
    (400, "invalid_request_error", "messages.0: bad", 400, "invalid_request_error", None, False, False),
    (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", 400, "invalid_request_error",
     "context_length_exceeded", False, False),
    (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2", 400,
     "invalid_request_error", "context_length_exceeded", False, False),
    (413, "request_too_large", "Prompt is too long", 400, "invalid_request_error", "context_length_exceeded", False,
     False),
    (413, "request_too_large", "Request exceeds the maximum size", 413, "invalid_request_error", "request_too_large",
     False, False),
    (400, "invalid_request_error", "Your credit balance is too low to access the API.", 429, "insufficient_quota",
     "insufficient_quota", False, True),
    (400, "invalid_request_error", "You have reached your specified API usage limits.", 429, "insufficient_quota",
     "insufficient_quota", False, True),
    (402, "billing_error", "pay", 429, "insufficient_quota", "insufficient_quota", False, True),
    (401, "authentication_error", "invalid x-api-key", 502, "server_error", "upstream_auth", False, True),
    (403, "permission_error", "no", 502, "server_error", "upstream_auth", False, True),
    (404, "not_found_error", "model: claude-9", 404, "invalid_request_error", "model_not_found", False, True),
    (404, "not_found_error", "Not Found", 502, "server_error", "upstream_error", False, True),
    (409, "conflict_error", "busy", 409, "invalid_request_error", None, True, True),
    (429, "rate_limit_error", "slow", 429, "rate_limit_error", "rate_limit_exceeded", True, True),
    (500, "api_error", "Internal server error", 502, "server_error", "server_error", True, True),
    (503, "api_error", "kms", 503, "server_error", "overloaded", True, True),
    (504, "timeout_error", "late", 504, "server_error", "timeout", True, True),
    (529, "overloaded_error", "Overloaded", 503, "server_error", "overloaded", True, True),
    (302, "api_error", "moved", 502, "server_error", "upstream_error", False, True),
    (400, "invalid_request_error", "messages.1.content.0: Invalid `signature` in `thinking` block", 400,
     "invalid_request_error", INVALID_THINKING, True, False),
    (400, "invalid_request_error", "thinking block is bound to a different conversation", 400,
     "invalid_request_error", INVALID_THINKING, True, False),
    (400, "invalid_request_error", "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
     "`text`.", 400, "invalid_request_error", INVALID_THINKING, True, False),
    (400, "invalid_request_error", "Too many strict tools: 30", 400, "invalid_request_error", INVALID_STRICT, True,
     False),
    (400, "invalid_request_error", "Compiled grammar is too large", 400, "invalid_request_error", INVALID_STRICT, True,
     False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "kind", "message", "shown", "type", "code", "same", "elsewhere"),
    TABLE,
    ids=[f"{row[0]} {row[2][:30]}" for row in TABLE],
)
def test_every_kind_of_error(
    status: int, kind: str, message: str, shown: int, type: str, code: str | None, same: bool, elsewhere: bool
) -> None:
    made = error(status, kind, message)
    assert (made.status, made.type, made.code) == (shown, type, code)
    assert (made.retry_same, made.fail_over) == (same, elsewhere)
    assert (made.upstream, made.upstream_status) == ("up", status)


def test_what_is_ours_to_mend_is_not_the_clients_to_read() -> None:
    made = refused("up", 401, {}, body("authentication_error", "invalid x-api-key sk-ant-api03-abcdef"), advice="see k")
    assert made.message == 'upstream "up" answered 401: see k'
    assert error(404, "not_found_error", "Not Found").message == 'upstream "up" answered 404: check its base_url'


def test_words_of_the_upstream_come_without_secrets() -> None:
    made = error(400, "invalid_request_error", "bad key sk-ant-api03-abcdefgh at https://internal/x")
    assert made.message == "bad key *** at (address)"


@pytest.mark.parametrize("raw", [b"", b"<html><h1>502</h1></html>", b"[]", b"null", b'"x', b'{"error":5}'])
def test_bodies_that_say_nothing(raw: bytes) -> None:
    made = refused("up", 502, {}, raw)
    assert (made.status, made.code) == (502, "server_error")
    assert "<" not in made.message


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("max_tokens: 9 > 8", "max_output_tokens"),
        ("messages.3.content: bad", "input"),
        ("tools.0.custom.name: bad", "tools"),
        ("temperature: must be 1", "temperature"),
        ("something else", None),
        ("unknown_field: no", None),
    ],
)
def test_which_of_the_clients_fields_it_is_about(message: str, param: str | None) -> None:
    assert error(400, "invalid_request_error", message).param == param


def test_a_model_that_is_not_there_names_the_field() -> None:
    assert error(404, "not_found_error", "model: x").param == "model"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry_after": "7"}, 7.0),
        ({"retry_after_ms": "250", "retry_after": "7"}, 0.25),
        ({"retry_after": "-1"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "1e9"}, 86400.0),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], wait: float | None) -> None:
    assert error(429, "rate_limit_error", "slow", **headers).retry_after_s == wait
    assert error(529, "overloaded_error", "Overloaded", **headers).retry_after_s == wait
    assert error(400, "invalid_request_error", "bad", **headers).retry_after_s is None


def test_how_long_to_wait_by_a_date() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    wait = error(429, retry_after=format_datetime(soon, usegmt=True)).retry_after_s
    assert wait is not None
    assert 25 < wait <= 30


def test_how_long_to_wait_for_the_limit_that_is_used_up() -> None:
    def at(seconds: int) -> str:
        return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")

    headers = {
        "anthropic-ratelimit-requests-remaining": "5",
        "anthropic-ratelimit-requests-reset": at(900),
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": at(40),
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": "soon",
    }
    wait = refused("up", 429, headers, body("rate_limit_error", "slow")).retry_after_s
    assert wait is not None
    assert 35 < wait <= 40


@pytest.mark.parametrize("reason", ["enforced_spend_limit_reached", "contract_spend_limit_reached"])
def test_a_spent_limit_is_no_rate(reason: str) -> None:
    raw = body("rate_limit_error", "limit", details={"error_code": reason})
    made = refused("up", 429, {}, raw)
    assert (made.code, made.retry_same, made.fail_over) == ("insufficient_quota", False, True)


def test_the_upstream_may_forbid_another_try() -> None:
    assert not error(500, x_should_retry="false").retry_same
    assert error(500, x_should_retry="true").retry_same


def test_what_is_asked_otherwise_is_asked_at_once() -> None:
    assert error(400, "invalid_request_error", "Too many strict tools").retry_after_s == 0.0


@needs_shared
def test_the_error_of_the_examples() -> None:
    assert SHARED is not None
    made = refused("up", 429, {}, (SHARED / "examples-upstream/anthropic-error-429.json").read_bytes())
    assert (made.code, made.retry_same) == ("rate_limit_exceeded", True)


@needs_shared
def test_recorded_errors() -> None:
    assert SHARED is not None
    rows = json.loads((SHARED / "recorded/errors/http-errors.json").read_text())
    found = {
        row["status"]: refused("up", row["status"], {}, json.dumps(row["body"]).encode())
        for row in rows
        if row["host"] == "api.anthropic.com"
    }
    assert {status: (one.status, one.code, one.param) for status, one in found.items()} == {
        400: (400, None, "input"),
        401: (502, "upstream_auth", None),
        404: (404, "model_not_found", "model"),
    }


@pytest.mark.parametrize("said", [None, "late", [], {}, {"type": 5, "message": 5}, {"message": ""}])
def test_errors_of_streams_in_odd_forms(said: Any) -> None:
    made = stream_error(said)
    assert (made.code, made.status) == ("server_error", 502)
    assert made.message
