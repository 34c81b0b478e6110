"""What models on Foundry say of parameters, and what Azure says itself."""

from __future__ import annotations

import json

import pytest

from proxy.providers.azure_ai.errors import refused


def mapped(status, body):
    return refused("ai", status, {}, json.dumps(body).encode(), advice="check its api_key")


EXTRA = {"detail": {"loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 1}}


@pytest.mark.parametrize(
    "body",
    [
        EXTRA,
        {"detail": [{"loc": ["body", "seed"], "type": "extra_forbidden"}]},
        {"detail": [{"loc": ["body", "messages", 0]}, {"loc": ["body", "seed"]}]},
        {"error": {"code": "Invalid input", "status": 422, "message": json.dumps(EXTRA)}, "status": 422},
    ],
)
def test_a_hint_that_a_model_refuses_is_left_out_next_time(body):
    error = mapped(422, body)
    assert (error.status, error.code, error.param, error.retry_same) == (400, "unsupported_parameter", "seed", True)
    assert error.message == "Unsupported parameter: 'seed' is not supported with this model."


def test_what_changes_the_answers_meaning_is_not_left_out():
    error = mapped(422, {"detail": {"loc": ["body", "response_format"], "input": {}}})
    assert (error.code, error.param, error.retry_same) == ("unsupported_parameter", "response_format", False)


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "x"},
        {"detail": {"loc": "body"}},
        {"detail": {"loc": ["query", "seed"]}},
        {"detail": {"loc": ["body", 0]}},
        {"detail": {"loc": ["body", "messages"], "type": "missing"}},
        {"detail": {"loc": ["body", "x" * 200]}},
        {"error": "x"},
        {"error": {"message": "no JSON"}},
        [],
    ],
)
def test_other_refusals_stay_what_they_are(body):
    error = mapped(422, body)
    assert (error.status, error.code, error.retry_same) == (400, None, False)


def test_azures_own_errors():
    error = mapped(400, {"error": {"code": "content_filter", "message": "no", "innererror": {}}})
    assert (error.status, error.code) == (400, "content_filter")
    assert mapped(401, {"error": {"code": "401", "message": "Access denied"}}).code == "upstream_auth"
    assert mapped(404, {"error": {"code": "unknown_model", "message": "Unknown model: x"}}).code == "model_not_found"
