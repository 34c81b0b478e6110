"""Every error of Bedrock in the tree of errors, before the stream and inside it."""

from __future__ import annotations

import json

import pytest

from proxy.errors import UpstreamRefused
from proxy.providers.bedrock.errors import kind_of, refused, stream_error

Seen = tuple[str, str | None, int, bool, bool]
"""What matters of an error: type, code, status, whether to ask the same upstream again, and another one."""

AUTH: Seen = ("server_error", "upstream_auth", 502, False, True)
LIMIT: Seen = ("rate_limit_error", "rate_limit_exceeded", 429, True, True)
SPENT: Seen = ("rate_limit_error", "rate_limit_exceeded", 429, False, True)
QUOTA: Seen = ("insufficient_quota", "insufficient_quota", 429, False, True)
BUSY: Seen = ("server_error", "overloaded", 503, True, True)
SERVER: Seen = ("server_error", "server_error", 502, True, True)
SLOW: Seen = ("server_error", "timeout", 504, True, True)
LOST: Seen = ("server_error", "upstream_error", 502, False, True)
CONTEXT: Seen = ("invalid_request_error", "context_length_exceeded", 400, False, False)
LARGE: Seen = ("invalid_request_error", "request_too_large", 413, False, False)
MODEL: Seen = ("invalid_request_error", "model_not_found", 404, False, True)
THOUGHT: Seen = ("invalid_request_error", "invalid_encrypted_content", 400, True, False)
BAD: Seen = ("invalid_request_error", None, 400, False, False)

ANSWERS: list[tuple[Seen, str]] = [
    (LIMIT, "429 ThrottlingException: Too many requests, please wait before trying again."),
    (SPENT, "429 ThrottlingException: Too many tokens per day, please wait"),
    (LIMIT, "429 : slow down"),
    (BUSY, "429 ModelNotReadyException: The model is not ready"),
    (BUSY, "503 ServiceUnavailableException: try later"),
    (BUSY, "503 : "),
    (SERVER, "500 InternalServerException: oops"),
    (SERVER, "502 : "),
    (SERVER, "424 ModelErrorException: The model failed"),
    (SLOW, "408 ModelTimeoutException: slow"),
    (SLOW, "504 : "),
    (CONTEXT, "400 ValidationException: Input is too long for requested model."),
    (CONTEXT, "400 ValidationException: The model returned: prompt is too long: 210000 tokens > 200000 maximum"),
    (CONTEXT, "400 ValidationException: too many input tokens"),
    (CONTEXT, "400 ValidationException: #/prompt: expected maxLength: 4000, actual: 9"),
    (MODEL, "400 ValidationException: The provided model identifier is invalid."),
    (MODEL, "400 ValidationException: Invocation of model ID x with on-demand throughput isn't supported."),
    (MODEL, "404 ResourceNotFoundException: Could not resolve the foundation model"),
    (MODEL, "404 ResourceNotFoundException: This model version has reached the end of its life."),
    (QUOTA, "400 ServiceQuotaExceededException: q"),
    (AUTH, "403 AccessDeniedException: You don't have access to the model"),
    (AUTH, "403 UnrecognizedClientException: The security token included in the request is invalid."),
    (AUTH, "403 ExpiredTokenException: The security token included in the request is expired"),
    (AUTH, "403 InvalidSignatureException: Signature expired"),
    (AUTH, "400 MissingAuthenticationToken: no"),
    (AUTH, "401 : "),
    (LARGE, "413 RequestEntityTooLargeException: b"),
    (LOST, "404 UnknownOperationException: "),
    (LOST, "302 : "),
    (BAD, "400 ValidationException: The value at messages.0.content is empty"),
    (THOUGHT, "400 ValidationException: messages.1.content.0: Invalid `signature` in `thinking` block"),
    (BAD, "400 ValidationException: Output blocked by content filtering policy"),
]
"""What becomes of each answer, written as its status, the type in its header, and its message."""


def error(status: int, kind: str = "", message: str = "no", **headers: str) -> UpstreamRefused:
    """Returns the error for an answer whose type stands in its header."""
    named = {"x-amzn-errortype": kind} if kind else {}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return refused("up", status, {**named, **given}, json.dumps({"message": message}).encode())


def seen(one: UpstreamRefused) -> Seen:
    """Returns what matters of an error."""
    return one.type, one.code, one.status, one.retry_same, one.fail_over


@pytest.mark.parametrize(("expected", "answer"), ANSWERS)
def test_answers(expected: Seen, answer: str) -> None:
    status, _, rest = answer.partition(" ")
    kind, _, message = rest.partition(": ")
    assert seen(error(int(status), kind, message)) == expected


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


@pytest.mark.parametrize(
    ("found", "waits_s"),
    [
        (error(429, "ThrottlingException"), None),
        (error(429, "ThrottlingException", retry_after="7"), 7),
        (error(429, "ThrottlingException", retry_after="soon"), None),
        (error(400, "ValidationException", retry_after="7"), None),
        (error(400, "ValidationException", "Invalid `signature` in `thinking` block"), 0),
    ],
)
def test_waiting(found: UpstreamRefused, waits_s: float | None) -> None:
    assert found.retry_after_s == waits_s


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
