import json
from email.utils import formatdate
from time import time

import pytest

from proxy.providers.chat.errors import read_error, refused
from tests.support.fixtures import SHARED, needs_shared

RETRY, ELSEWHERE, BOTH, NEITHER = (True, False), (False, True), (True, True), (False, False)


def error(status, body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return refused("up", status, headers or {}, raw)


def said(status, body, headers=None):
    made = error(status, body, headers)
    return made.status, made.code, (made.retry_same, made.fail_over)


def openai(message, code=None, kind="invalid_request_error", param=None):
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


TABLE = [
    (400, openai("Bad.", "invalid_value", param="temperature"), (400, "invalid_value", NEITHER)),
    (400, openai("Bad."), (400, None, NEITHER)),
    (422, {"detail": [{"loc": ["body", "x"], "msg": "field required"}]}, (400, None, NEITHER)),
    (400, openai("x", "context_length_exceeded"), (400, "context_length_exceeded", NEITHER)),
    (400, openai("This model's maximum context length is 10 tokens."), (400, "context_length_exceeded", NEITHER)),
    (
        400,
        {
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size",
                "type": "exceed_context_size_error",
            }
        },
        (400, "context_length_exceeded", NEITHER),
    ),
    (413, b"<html><body>413</body></html>", (400, "context_length_exceeded", NEITHER)),
    (400, openai("'x' is too long", "string_above_max_length"), (400, "string_above_max_length", NEITHER)),
    (400, openai("Your request was flagged by our content policy."), (400, "content_filter", NEITHER)),
    (400, openai("x", "content_policy_violation"), (400, "content_filter", NEITHER)),
    (401, openai("Incorrect API key provided: sk-1", "invalid_api_key"), (502, "upstream_auth", ELSEWHERE)),
    (402, {"error": {"message": "Insufficient Balance"}}, (502, "upstream_auth", ELSEWHERE)),
    (403, {"error": "forbidden"}, (502, "upstream_auth", ELSEWHERE)),
    (404, openai("The model `x` does not exist", "model_not_found"), (404, "model_not_found", ELSEWHERE)),
    (
        404,
        {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError"},
        (404, "model_not_found", ELSEWHERE),
    ),
    (400, {"object": "error", "message": "Invalid model: x", "code": "1500"}, (404, "model_not_found", ELSEWHERE)),
    (404, {"detail": "Not Found"}, (502, "upstream_error", ELSEWHERE)),
    (405, {"detail": "Method Not Allowed"}, (502, "upstream_error", ELSEWHERE)),
    (301, b"", (502, "upstream_error", ELSEWHERE)),
    (408, b"", (504, "timeout", ELSEWHERE)),
    (409, openai("conflict"), (502, "upstream_error", BOTH)),
    (429, openai("Slow down.", "rate_limit_exceeded"), (429, "rate_limit_exceeded", BOTH)),
    (429, openai("x", "insufficient_quota", "insufficient_quota"), (429, "insufficient_quota", ELSEWHERE)),
    (500, openai("The server had an error", None, "server_error"), (502, "upstream_error", BOTH)),
    (502, b"<html><head><title>502 Bad Gateway</title></head></html>", (502, "upstream_error", BOTH)),
    (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, (503, "overloaded", BOTH)),
    (503, b"", (503, "overloaded", BOTH)),
    (529, {"error": {"type": "overloaded_error", "message": "Overloaded"}}, (503, "overloaded", BOTH)),
    (504, b"upstream request timeout", (504, "timeout", ELSEWHERE)),
    (500, openai("maximum context length is 10"), (400, "context_length_exceeded", NEITHER)),
]


@pytest.mark.parametrize(("status", "body", "expected"), TABLE, ids=[str(n) for n in range(len(TABLE))])
def test_the_table(status, body, expected):
    assert said(status, body) == expected


def test_who_it_was_is_noted():
    made = error(400, openai("Bad.", param="temperature"))
    assert (made.upstream, made.upstream_status, made.param) == ("up", 400, "temperature")
    assert error(400, openai("Bad.", param="messages[0].content[1]-x")).param == "messages[0].content[1]-x"
    for no_name in ("Bearer abc", "http://10.0.0.7/v1", "a" * 201, ""):
        assert error(400, openai("Bad.", param=no_name)).param is None


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, openai("Incorrect API key provided: sk-abc123"), 'upstream "up" answered 401: check its api_key'),
        (402, openai("no credit"), 'upstream "up" answered 402: check its account'),
        (404, b"<html>nginx</html>", 'upstream "up" answered 404: check its base_url'),
        (308, b"", 'upstream "up" answered 308: check its base_url'),
        (502, b"<!DOCTYPE html><html>nginx</html>", 'upstream "up" answered 502'),
        (500, b"", 'upstream "up" answered 500'),
        (500, b"plain words", "plain words"),
        (500, {"error": "words"}, "words"),
        (500, {"message": "words"}, "words"),
        (500, {"detail": "words"}, "words"),
        (500, {"error": {"message": "words"}}, "words"),
        (500, [{"error": {"message": "words", "code": 500}}], "words"),
        (400, {"code": "invalid-argument", "error": "words"}, "words"),
        (500, {"error": {"message": "Provider returned error", "metadata": {"raw": "words"}}}, "words"),
    ],
)
def test_messages(status, body, message):
    assert error(status, body).message == message


@pytest.mark.parametrize(
    "secret", ["sk-proj-abcdefgh12345678", "https://10.0.0.7:8000/v1/x", "Bearer abcdefghijkl", "AKIAABCDEFGHIJKLMNOP"]
)
def test_no_key_and_no_address_gets_out(secret):
    assert secret not in error(400, openai(f"failed with {secret} today")).message
    assert secret not in (error(400, openai("x", secret)).code or "")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "1e99"}, 86400.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers, seconds):
    assert error(429, openai("x"), headers).retry_after_s == seconds
    assert error(503, openai("x"), headers).retry_after_s == seconds
    assert error(400, openai("x"), headers).retry_after_s is None


def test_how_long_to_wait_by_date():
    waiting = error(429, openai("x"), {"retry-after": formatdate(time() + 60, usegmt=True)}).retry_after_s
    assert waiting is not None
    assert 50 < waiting <= 60
    assert error(429, openai("x"), {"retry-after": formatdate(time() - 60, usegmt=True)}).retry_after_s == 0.0


@pytest.mark.parametrize(
    ("words", "seconds"),
    [("Please try again in 1.2s.", 1.2), ("try again in 20ms", 0.02), ("Please retry after 2 minutes.", 120.0)],
)
def test_how_long_to_wait_by_the_words(words, seconds):
    assert error(429, openai(words)).retry_after_s == pytest.approx(seconds)


def test_an_upstream_may_forbid_to_ask_again():
    assert not error(500, openai("x"), {"x-should-retry": "false"}).retry_same
    assert error(500, openai("x"), {"x-should-retry": "true"}).retry_same


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"5", b'"text"', b"\xff\xfe", b"{", b'{"error":null}', b"[" * 5000]
)
@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
def test_any_body_gives_an_error(status, body):
    made = error(status, body)
    assert made.status >= 400
    assert made.message


def test_read_error_keeps_words_of_code_and_type():
    made = read_error(400, b'{"error":{"message":"m","type":"T","code":"C","param":"p"}}')
    assert (made.message, made.type, made.code, made.param, made.words) == ("m", "T", "C", "p", {"t", "c"})


RECORDED = {
    400: {None, "invalid_image_url", "decimal_below_min_value", "tool_use_failed", "context_length_exceeded"},
    404: {"model_not_found"},
    429: {"rate_limit_exceeded"},
    502: {"upstream_auth"},
}


@needs_shared
def test_every_recorded_error():
    assert SHARED is not None
    recorded = json.loads((SHARED / "recorded" / "errors" / "http-errors.json").read_text())
    assert len(recorded) > 30
    for one in recorded:
        made = error(one["status"], one["body"])
        assert made.code in RECORDED[made.status], one
        text = json.dumps(one["body"]).lower()
        if one["status"] in (401, 403) or "api key" in text or "api_key" in text:
            assert made.code in ("upstream_auth", "rate_limit_exceeded"), one
        if "context length" in text or "tokens exceed" in text or "token count" in text or "too long" in text:
            assert made.code == "context_length_exceeded", one
        if one["status"] == 404:
            assert made.code == "model_not_found", one
        assert "https://" not in made.message
