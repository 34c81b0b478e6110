"""Errors inside streams and bodies of status 200: found, read, and named as clients know them."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.providers.chat.stream_error import error_in, stream_error


@pytest.mark.parametrize(
    "payload",
    [
        b'{"object":"error","message":"m","code":400}',
        b'{"object":"error","choices":[]}',
        b'{"message":"m","type":"x"}',
        b'{"message":"m","code":null}',
        b'{"message":"\\ud83d","code":1}',
    ],
)
def test_an_error_without_an_error_field_is_found(payload: bytes) -> None:
    found = error_in(payload)
    assert isinstance(found, dict)
    assert "message" in found or found["object"] == "error"


def test_a_detail_is_an_error() -> None:
    assert error_in(b'{"detail":"Not allowed"}') == "Not allowed"


@pytest.mark.parametrize(
    "payload",
    [b"{}", b"[]", b"x", b'{"type":"ping"}', b'{"message":{"role":"assistant"},"type":"x"}', b'{"message":"m"}',
     b'{"object":"error","choices":[{}]}', b'{"choices":[],"obfuscation":"x"}'],
)  # fmt: skip
def test_what_is_no_error_is_none(payload: bytes) -> None:
    assert error_in(payload) is None


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ({"message": "broke"}, "broke"),
        ({"error": {"message": "broke"}}, "broke"),
        ({"error": "broke"}, "broke"),
        ({"detail": "broke"}, "broke"),
        ({"detail": {}, "error": {"message": "broke"}}, "broke"),
        ("broke", "broke"),
        ({"code": 5}, '{"code": 5}'),
        ([1], "[1]"),
        ({"message": {"a": "é"}}, '{"message": {"a": "é"}}'),
        ({"message": "", "code": None}, "The upstream reported an error without a message."),
        (None, "The upstream reported an error without a message."),
        ("", "The upstream reported an error without a message."),
    ],
)
def test_the_message_is_found_in_every_shape(error: Any, message: str) -> None:
    assert stream_error(error).message == message


@pytest.mark.parametrize(
    ("error", "code", "status", "kind"),
    [
        ({"message": "m", "code": "tool_use_failed"}, "tool_use_failed", 502, "server_error"),
        ({"message": "m", "code": 502}, "server_error", 503, "server_error"),
        ({"message": "m", "code": "502"}, "server_error", 503, "server_error"),
        ({"message": "m", "code": 504}, "server_error", 504, "server_error"),
        ({"message": "m", "type": "x"}, "server_error", 502, "server_error"),
        ({"message": "m", "code": "Not A Word"}, "server_error", 502, "server_error"),
        ({"message": "m", "code": 404}, "server_error", 404, "invalid_request_error"),
        ({"message": "m", "code": "model_not_found"}, "model_not_found", 404, "invalid_request_error"),
        ({"message": "m", "code": 422}, "server_error", 400, "invalid_request_error"),
        ({"message": "m", "code": 401}, "server_error", 502, "server_error"),
        ({"message": "m", "code": 429}, "rate_limit_exceeded", 429, "rate_limit_error"),
        ({"message": "m", "status_code": 429}, "rate_limit_exceeded", 429, "rate_limit_error"),
        ({"message": "m", "type": "rate_limit_error"}, "rate_limit_exceeded", 429, "rate_limit_error"),
        ({"message": "m", "code": "insufficient_quota"}, "insufficient_quota", 429, "insufficient_quota"),
        ({"message": "This model's maximum context length is 8192 tokens"}, "context_length_exceeded", 400,
         "invalid_request_error"),
        ({"message": "m", "code": "context_length_exceeded"}, "context_length_exceeded", 400, "invalid_request_error"),
        ({"message": "m", "code": "content_filter"}, "invalid_prompt", 400, "invalid_request_error"),
        ({"message": "Overloaded"}, "server_error", 503, "server_error"),
        ({"error": {"message": "m", "code": 429}, "code": 500}, "rate_limit_exceeded", 429, "rate_limit_error"),
        ({"message": "m", "code": True}, "server_error", 502, "server_error"),
    ],
)  # fmt: skip
def test_codes_are_those_that_clients_act_on(error: Any, code: str, status: int, kind: str) -> None:
    found = stream_error(error)
    assert (found.code, found.status, found.type) == (code, status, kind)


def test_secrets_and_addresses_stay_here() -> None:
    found = stream_error({"message": "key sk-abcdef123456 is wrong at https://internal.example/v1"})
    assert "abcdef" not in found.message
    assert "internal" not in found.message


def test_an_error_without_an_end_is_still_an_error() -> None:
    nested: Any = "x"
    for _ in range(5000):
        nested = [nested]
    assert stream_error({"deep": nested}).message == "The upstream reported an error without a message."
