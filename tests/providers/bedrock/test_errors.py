"""Every error of Bedrock in the tree of errors, before the stream and inside it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.errors import UpstreamRefused
from proxy.providers.bedrock.errors import kind_of, refused, stream_error

AUTH = ("server_error", "upstream_auth", 502, False, True)
LIMIT = ("rate_limit_error", "rate_limit_exceeded", 429, True, True)
BUSY = ("server_error", "overloaded", 503, True, True)
SERVER = ("server_error", "server_error", 502, True, True)
CONTEXT = ("invalid_request_error", "context_length_exceeded", 400, False, False)
MODEL = ("invalid_request_error", "model_not_found", 404, False, True)
BAD = ("invalid_request_error", None, 400, False, False)


def error(status: int, kind: str = "", message: str = "no", **headers: str) -> UpstreamRefused:
    """Returns the error for an answer whose type stands in its header."""
    named = {"x-amzn-errortype": kind} if kind else {}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return refused("up", status, {**named, **given}, json.dumps({"message": message}).encode())


def seen(one: Any) -> tuple[Any, ...]:
    """Returns what matters of an error."""
    return one.type, one.code, one.status, one.retry_same, one.fail_over


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (429, "ThrottlingException", "Too many requests, please wait before trying again.", LIMIT),
        (429, "ThrottlingException", "Too many tokens per day, please wait", (*LIMIT[:3], False, True)),
        (429, "", "slow down", LIMIT),
        (429, "ModelNotReadyException", "The model is not ready", BUSY),
        (503, "ServiceUnavailableException", "try later", BUSY),
        (503, "", "", BUSY),
        (500, "InternalServerException", "oops", SERVER),
        (502, "", "", SERVER),
        (424, "ModelErrorException", "The model failed", SERVER),
        (408, "ModelTimeoutException", "slow", ("server_error", "timeout", 504, True, True)),
        (504, "", "", ("server_error", "timeout", 504, True, True)),
        (400, "ValidationException", "Input is too long for requested model.", CONTEXT),
        (400, "ValidationException", "The model returned: prompt is too long: 210000 tokens > 200000 maximum", CONTEXT),
        (400, "ValidationException", "too many input tokens", CONTEXT),
        (400, "ValidationException", "#/prompt: expected maxLength: 4000, actual: 9", CONTEXT),
        (400, "ValidationException", "The provided model identifier is invalid.", MODEL),
        (400, "ValidationException", "Invocation of model ID x with on-demand throughput isn't supported.", MODEL),
        (404, "ResourceNotFoundException", "Could not resolve the foundation model", MODEL),
        (404, "ResourceNotFoundException", "This model version has reached the end of its life.", MODEL),
        (400, "ServiceQuotaExceededException", "q", ("insufficient_quota", "insufficient_quota", 429, False, True)),
        (403, "AccessDeniedException", "You don't have access to the model", AUTH),
        (403, "UnrecognizedClientException", "The security token included in the request is invalid.", AUTH),
        (403, "ExpiredTokenException", "The security token included in the request is expired", AUTH),
        (403, "InvalidSignatureException", "Signature expired", AUTH),
        (400, "MissingAuthenticationToken", "no", AUTH),
        (401, "", "", AUTH),
        (413, "RequestEntityTooLargeException", "b", ("invalid_request_error", "request_too_large", 413, False, False)),
        (404, "UnknownOperationException", "", ("server_error", "upstream_error", 502, False, True)),
        (302, "", "", ("server_error", "upstream_error", 502, False, True)),
        (400, "ValidationException", "The value at messages.0.content is empty", BAD),
        (
            400,
            "ValidationException",
            "messages.1.content.0: Invalid `signature` in `thinking` block",
            ("invalid_request_error", "invalid_encrypted_content", 400, True, False),
        ),
        (
            400,
            "ValidationException",
            "Output blocked by content filtering policy",
            ("invalid_request_error", None, 400, False, False),
        ),
    ],
)
def test_answers(status: int, kind: str, message: str, expected: tuple[Any, ...]) -> None:
    assert seen(error(status, kind, message)) == expected


def test_the_type_may_stand_in_the_body() -> None:
    for body in (
        {"__type": "com.amazon.coral.service#ThrottlingException", "message": "m"},
        {"code": "ThrottlingException", "Message": "m"},
    ):
        found = refused("up", 400, {}, json.dumps(body).encode())
        assert seen(found) == LIMIT
        assert found.message == "m"
        assert kind_of({}, json.dumps(body).encode()) == "throttling"
    assert kind_of({"x-amzn-errortype": "ValidationException:http://internal.amazon.com/coral/"}, b"") == "validation"
    assert kind_of({}, b"<html>") == ""


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("The value at messages.0.content is empty", "input"),
        ("1 validation error detected: Value '2' at 'inferenceConfig.temperature' failed to satisfy", "temperature"),
        ("Value at 'inferenceConfig.maxTokens' is 0", "max_output_tokens"),
        ("The maximum tokens you requested exceeds: max_tokens must be less than 8192", "max_output_tokens"),
        ("This model doesn't support the toolConfig.toolChoice.any field.", "tool_choice"),
        ("This model doesn't support tool use.", "tools"),
        ("`temperature` and `top_p` cannot both be specified", "temperature"),
        ("Something else", None),
    ],
)
def test_the_field_is_named_as_the_client_knows_it(message: str, param: str | None) -> None:
    found = error(400, "ValidationException", message)
    assert (found.param, found.message) == (param, message)


def test_the_model_is_named() -> None:
    assert error(404, "ResourceNotFoundException").param == "model"


def test_the_client_hears_nothing_of_how_we_are_set_up() -> None:
    message = "User: arn:aws:iam::123456789012:user/x is not authorized to perform: bedrock:InvokeModel"
    found = error(403, "AccessDeniedException", message)
    assert "arn" not in found.message
    assert found.message.startswith('upstream "up" answered 403: its account may not use this model')
    assert "expired" in error(403, "ExpiredTokenException").message
    assert error(403, "UnrecognizedClientException").message == 'upstream "up" answered 403: check its credentials'
    assert "region" in error(404, "UnknownOperationException").message


def test_arns_and_account_numbers_are_taken_out() -> None:
    text = "Profile arn:aws:bedrock:us-east-1:123456789012:inference-profile/x of 123456789012 is bad"
    assert error(400, "ValidationException", text).message == "Profile (arn) of *** is bad"


def test_waiting() -> None:
    assert error(429, "ThrottlingException").retry_after_s is None
    assert error(429, "ThrottlingException", retry_after="7").retry_after_s == 7
    assert error(429, "ThrottlingException", retry_after="soon").retry_after_s is None
    assert error(400, "ValidationException", retry_after="7").retry_after_s is None
    assert error(400, "ValidationException", "Invalid `signature` in `thinking` block").retry_after_s == 0


def test_it_says_who_answered_what() -> None:
    found = error(429, "ThrottlingException")
    assert (found.upstream, found.upstream_status) == ("up", 429)


# --- inside a stream


@pytest.mark.parametrize(
    ("kind", "message", "code", "status"),
    [
        ("throttlingException", "Too many tokens", "rate_limit_exceeded", 429),
        ("ThrottlingException", "Too many tokens", "rate_limit_exceeded", 429),
        ("modelStreamErrorException", "broke", "server_error", 502),
        ("internalServerException", "broke", "server_error", 502),
        ("serviceUnavailableException", "later", "overloaded", 503),
        ("validationException", "bad", "server_error", 400),
        ("validationException", "Input is too long for requested model", "context_length_exceeded", 400),
        ("modelTimeoutException", "slow", "timeout", 504),
        ("accessDeniedException", "arn:aws:iam::123456789012:user/x may not", "server_error", 502),
        ("somethingNewException", "new", "server_error", 502),
    ],
)
def test_exceptions(kind: str, message: str, code: str, status: int) -> None:
    found = stream_error(kind, json.dumps({"message": message}).encode())
    assert (found.code, found.status) == (code, status)
    assert "123456789012" not in found.message


def test_a_models_own_status_tells_what_failed() -> None:
    body = {"message": "throttled", "originalStatusCode": 429, "originalMessage": "x"}
    assert stream_error("modelStreamErrorException", json.dumps(body).encode()).code == "rate_limit_exceeded"


@pytest.mark.parametrize("body", [b"", b"{}", b"{oops", b"<html>", b"[1]"])
def test_an_exception_without_words(body: bytes) -> None:
    assert stream_error("internalServerException", body).message
