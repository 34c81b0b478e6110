"""Azure's error answers, recorded, from the reference and as its gateways write them."""

from __future__ import annotations

import json

import pytest

from proxy.providers.azure_openai.errors import refused
from tests.support.fixtures import SHARED, needs_shared

POLICY = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."


def mapped(status, body, headers=None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return refused("az", status, headers or {}, data, advice="check its api_key (env:K)")


def meaning(error):
    return error.status, error.type, error.code, error.retry_same, error.fail_over


@needs_shared
def test_a_prompt_that_was_filtered():
    body = (SHARED / "examples-upstream" / "azure-error-content-filter-400.json").read_bytes()
    error = mapped(400, body)
    assert meaning(error) == (400, "invalid_request_error", "content_filter", False, False)
    assert error.param is None
    assert error.message == f"{POLICY} Please modify your prompt and retry. (filtered: violence (medium))"


@pytest.mark.parametrize("inner", ["innererror", "inner_error"])
def test_what_the_filter_found_is_told(inner):
    found = {"jailbreak": {"filtered": True, "detected": True}, "hate": {"filtered": False, "severity": "safe"}}
    said = {"code": "ResponsibleAIPolicyViolation", "content_filter_results": found}
    error = mapped(400, {"error": {"code": "BadRequest", "message": "No.", inner: said}})
    assert (error.code, error.message) == ("content_filter", "No. (filtered: jailbreak)")


@pytest.mark.parametrize("found", [None, [], "x", {"hate": "x"}, {"hate": {"filtered": "yes"}}])
def test_a_filter_that_says_nothing_of_what_it_found(found):
    error = mapped(400, {"error": {"code": "content_filter", "message": POLICY, "innererror": {"x": found}}})
    assert (error.code, error.message) == ("content_filter", POLICY)


AUTH = (502, "server_error", "upstream_auth", False, True)
BUSY = (429, "rate_limit_error", "rate_limit_exceeded", True, True)
NO_DEPLOYMENT = (404, "invalid_request_error", "model_not_found", False, True)
SETUP = (502, "server_error", "upstream_error", False, True)

CASES = [
    (401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key."}}, AUTH),
    (401, {"statusCode": 401, "message": "Access denied due to missing subscription key."}, AUTH),
    (401, {"error": {"code": "PermissionDenied", "message": "The principal lacks the required data action."}}, AUTH),
    (403, {"error": {"code": "403", "message": "Public access is disabled. Please configure private endpoint."}}, AUTH),
    (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}, NO_DEPLOYMENT),
    (404, {"error": {"code": "404", "message": "Resource not found"}}, SETUP),
    (400, {"error": {"code": "BadRequest", "message": "API version not supported"}}, SETUP),
    (404, {"error": {"code": "MissingApiVersionParameter", "message": "The query parameter is required."}}, SETUP),
    (429, {"error": {"code": "RateLimitReached", "message": "Your requests have exceeded rate limit."}}, BUSY),
    (429, {"error": {"code": "429", "message": "Requests have exceeded call rate limit."}}, BUSY),
    (429, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota."}},
     (429, "insufficient_quota", "insufficient_quota", False, True)),
    (400, {"error": {"code": "context_length_exceeded", "message": "This model's maximum context length is 8192."}},
     (400, "invalid_request_error", "context_length_exceeded", False, False)),
    (400, {"error": {"code": "unsupported_parameter", "message": "Unsupported parameter: 'max_tokens'.",
                     "param": "max_tokens"}},
     (400, "invalid_request_error", "unsupported_parameter", False, False)),
    (500, {"error": {"code": "InternalServerError", "message": "Backend returned unexpected response."}},
     (502, "server_error", "upstream_error", True, True)),
    (503, {"error": {"code": "ServiceUnavailable", "message": "Try again later."}},
     (503, "server_error", "overloaded", True, True)),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "expected"), CASES, ids=lambda one: str(one)[:60])
def test_what_answers_mean(status, body, expected):
    assert meaning(mapped(status, body)) == expected


@needs_shared
def test_what_was_recorded():
    recorded = json.loads((SHARED / "recorded" / "errors" / "http-errors.json").read_text())
    azures = [row for row in recorded if "azure.com" in (row["host"] or "")]
    assert {row["status"]: mapped(row["status"], row["body"]).code for row in azures} == {
        401: "upstream_auth",
        404: "model_not_found",
        429: "rate_limit_exceeded",
    }


def test_a_version_that_is_not_served_says_what_would_be():
    said = "Azure OpenAI Responses API is enabled only for api version 2025-03-01-preview and later"
    error = mapped(400, {"error": {"code": "BadRequest", "message": said.replace("api v", "api-v")}})
    assert error.message == f'upstream "az" answered 400: check its api_version ({said})'


def test_a_wrong_address():
    error = mapped(404, {"error": {"code": "404", "message": "Resource not found"}})
    assert error.message == 'upstream "az" answered 404: check its base_url and api_version'


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "2"}, "", 1.5),
        ({"retry-after": "7"}, "", 7.0),
        ({}, "Please retry after 6 seconds.", 6.0),
        ({}, "Too many.", None),
    ],
)
def test_how_long_to_wait(headers, message, seconds):
    assert mapped(429, {"error": {"code": "429", "message": message}}, headers).retry_after_s == seconds


@pytest.mark.parametrize(
    ("said", "expected"),
    [("429", BUSY), ("503", (503, "server_error", "overloaded", True, True)), ("", None), ("200", None), ("x", None)],
)
def test_an_error_of_the_models_own_server(said, expected):
    error = mapped(424, {"error": {"message": "x"}}, {"ms-azureml-model-error-statuscode": said} if said else {})
    assert meaning(error) == (expected or (502, "server_error", "upstream_error", True, True))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"error":"x"}', b'{"error":{"innererror":"x"}}'])
def test_bodies_of_any_form(body):
    assert mapped(500, body).status == 502
    assert mapped(400, body).status == 400
