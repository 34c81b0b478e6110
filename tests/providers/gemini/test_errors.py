import json

import pytest

from proxy.providers.gemini.errors import refused, stream_error
from tests.support.fixtures import SHARED, needs_shared

RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}


def quota(id, value="100"):
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": id, "quotaValue": value}],
    }


def reason(word):
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": word, "domain": "googleapis.com"}


def answer(status, code, message, *details, headers=None):
    body = {"error": {"code": status, "message": message, "status": code, "details": list(details)}}
    return refused("g", status, headers or {}, json.dumps(body).encode(), advice="check its api_key (env:KEY)")


TABLE = [
    # status, Google's status, message, details -> status, type, code, retry the same, fail over
    (400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8).", (),
     (400, "invalid_request_error", "context_length_exceeded", False, False)),
    (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", (reason("API_KEY_INVALID"),),
     (502, "server_error", "upstream_auth", False, True)),
    (400, "INVALID_ARGUMENT", "API Key not found. Please pass a valid API key.", (),
     (502, "server_error", "upstream_auth", False, True)),
    (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", (),
     (502, "server_error", "upstream_auth", False, True)),
    (400, "FAILED_PRECONDITION", "Billing is disabled for this project.", (),
     (502, "server_error", "upstream_auth", False, True)),
    (400, "INVALID_ARGUMENT", "Please use a valid role: user, model.", (),
     (400, "invalid_request_error", None, False, False)),
    (400, "INVALID_ARGUMENT", "Function call is missing a thought_signature in functionCall parts.", (),
     (400, "invalid_request_error", "invalid_encrypted_content", True, False)),
    (400, "INVALID_ARGUMENT", "Corrupted thought signature.", (),
     (400, "invalid_request_error", "invalid_encrypted_content", True, False)),
    (401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", (),
     (502, "server_error", "upstream_auth", False, True)),
    (403, "PERMISSION_DENIED", "Permission denied on resource project x.", (),
     (502, "server_error", "upstream_auth", False, True)),
    (404, "NOT_FOUND", "models/nope is not found for API version v1beta", (),
     (404, "invalid_request_error", "model_not_found", False, True)),
    (404, "", "", (), (502, "server_error", "upstream_error", False, True)),
    (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", (quota("GenerateRequestsPerMinute"), RETRY),
     (429, "rate_limit_error", "rate_limit_exceeded", True, True)),
    (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", (quota("GenerateRequestsPerDayPerProject"), RETRY),
     (429, "insufficient_quota", "insufficient_quota", False, True)),
    (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", (quota("RequestsPerMinute-FreeTier", "0"),),
     (429, "insufficient_quota", "insufficient_quota", False, True)),
    (429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later.", (),
     (429, "rate_limit_error", "rate_limit_exceeded", True, True)),
    (499, "CANCELLED", "The operation was cancelled.", (), (502, "server_error", "server_error", False, True)),
    (500, "INTERNAL", "An internal error has occurred.", (), (502, "server_error", "upstream_error", True, True)),
    (501, "UNIMPLEMENTED", "Operation is not implemented.", (), (502, "server_error", "upstream_error", False, True)),
    (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", (),
     (503, "server_error", "overloaded", True, True)),
    (504, "DEADLINE_EXCEEDED", "The request timed out.", (), (504, "server_error", "timeout", False, True)),
    (302, "", "", (), (502, "server_error", "upstream_error", False, True)),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code", "message", "details", "meaning"), TABLE)
def test_answers_with_an_error_status(status, code, message, details, meaning):
    error = answer(status, code, message, *details)
    assert (error.status, error.type, error.code, error.retry_same, error.fail_over) == meaning
    assert (error.upstream, error.upstream_status) == ("g", status)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Invalid value at 'generation_config.temperature'", "temperature"),
        ("Invalid value at 'generation_config.top_p' (TYPE_FLOAT)", "top_p"),
        ("Unable to submit request because it has a maxOutputTokens value of 99999", "max_output_tokens"),
        ("A schema in GenerationConfig.response_json_schema is invalid", "text.format"),
        ("* GenerateContentRequest.tools[0].function_declarations[0].name: Invalid function name.", "tools"),
        ("* GenerateContentRequest.contents[1].parts: contents.parts must not be empty.", "input"),
        ("Budget 0 is invalid for thinking_config.", "reasoning.effort"),
        ("Something else is wrong", None),
    ],
)
def test_the_clients_parameter_is_named_where_the_message_tells_it(message, param):
    assert answer(400, "INVALID_ARGUMENT", message).param == param


def test_a_model_that_is_not_there_is_the_clients_parameter():
    assert answer(404, "NOT_FOUND", "models/nope is not found").param == "model"


def test_what_is_ours_to_mend_is_said_in_our_words():
    error = answer(403, "PERMISSION_DENIED", "key AIzaSyA1234567890123456789012345 of project 42 may not")
    assert error.message == 'upstream "g" answered 403: check its api_key (env:KEY)'


def test_secrets_are_taken_out_of_the_upstreams_words():
    assert "AIza" not in answer(400, "INVALID_ARGUMENT", "bad AIzaSyA1234567890123456789012345 here").message


@pytest.mark.parametrize(
    ("details", "headers", "message", "seconds"),
    [
        ([RETRY], {}, "", 37.0),
        ([RETRY], {"retry-after": "5"}, "", 5.0),
        ([], {}, "Please retry in 48.939935699s.", 48.939935699),
        ([], {}, "Please retry in 250ms.", 0.25),
        ([{"retryDelay": "soon"}], {"retry-after": "later"}, "", None),
        ([{"retryDelay": "99999999s"}], {}, "", 86400.0),
    ],
)
def test_how_long_to_wait(details, headers, message, seconds):
    assert answer(429, "RESOURCE_EXHAUSTED", message, *details, headers=headers).retry_after_s == seconds


def test_an_error_in_a_list_is_that_error():
    body = b'[{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}]'
    assert refused("g", 429, {}, body).message == "slow down"


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"5", b"[]", b'{"error":"x"}', b'{"error":{"details":3}}'])
def test_bodies_without_an_error_object_are_taken_by_their_status(body):
    error = refused("g", 503, {}, body)
    assert (error.status, error.code) == (503, "overloaded")


@pytest.mark.parametrize(
    ("error", "status", "type", "code"),
    [
        (
            {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"},
            503,
            "server_error",
            "overloaded",
        ),
        ({"error": {"status": "RESOURCE_EXHAUSTED"}}, 429, "rate_limit_error", "rate_limit_exceeded"),
        ({"code": 499, "message": "The operation was cancelled."}, 502, "server_error", "server_error"),
        ({"code": 401, "message": "no"}, 502, "server_error", "server_error"),
        ({"code": 400, "message": "bad"}, 400, "invalid_request_error", "server_error"),
        ("text", 502, "server_error", "server_error"),
        (None, 502, "server_error", "server_error"),
    ],
)
def test_errors_inside_a_stream(error, status, type, code):
    made = stream_error(error)
    assert (made.status, made.type, made.code) == (status, type, code)
    assert made.message


@needs_shared
def test_recorded_errors():
    rows = json.loads((SHARED / "recorded" / "errors" / "http-errors.json").read_text())
    ours = [row for row in rows if row["host"].endswith(("googleapis.com",))]
    said = {}
    for row in ours:
        error = refused("g", row["status"], {}, json.dumps(row["body"]).encode())
        said[row["status"], row["body"]["error"]["message"][:20]] = (error.status, error.code, error.retry_after_s)
    assert said == {
        (404, "models/there-is-no-s"): (404, "model_not_found", None),
        (400, "API key not valid. P"): (502, "upstream_auth", None),
        (429, "You exceeded your cu"): (429, "rate_limit_exceeded", 48.0),
        (400, "The input token coun"): (400, "context_length_exceeded", None),
        (400, "Please use a valid r"): (400, None, None),
    }


@needs_shared
def test_the_example_of_a_429():
    body = (SHARED / "examples-upstream" / "gemini-error-429.json").read_bytes()
    error = refused("g", 429, {}, body)
    assert (error.code, error.retry_after_s, error.retry_same) == ("rate_limit_exceeded", 37.0, True)
