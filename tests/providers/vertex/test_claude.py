import json

import pytest

from proxy.api.chat.request import ChatRequest
from proxy.exchange import Attempt, Client, Exchange
from proxy.providers.anthropic.decoder import MessagesDecoder
from proxy.providers.anthropic.errors import INVALID_THINKING
from proxy.providers.anthropic.profile import MessagesProfile
from proxy.providers.vertex.claude import built, count_body, decoder_for, is_streamed, predict_body, refused
from tests.support.asked import SEALING, function, request
from tests.support.strict_messages import check

MODEL = "claude-sonnet-4-5@20250929"
PROFILE = MessagesProfile()


def exchange(made):
    return Exchange("ex_1", Client("127.0.0.1", {}), made)


def made_of(one, profile=PROFILE):
    return built(one, "v", MODEL, profile, SEALING)


@pytest.mark.parametrize("stream", [True, False])
def test_the_model_stands_in_the_address_and_a_version_in_the_body(stream):
    body = json.loads(predict_body(made_of(exchange(request(max_output_tokens=50))), stream=stream))
    assert body.pop("anthropic_version") == "vertex-2023-10-16"
    assert "model" not in body
    assert body.get("stream", False) is stream
    check({"model": MODEL, **body})
    assert body["messages"] == [{"role": "user", "content": "hi"}] or body["messages"][0]["role"] == "user"


def test_a_chat_request():
    chat = ChatRequest.parse(b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stop":["x"],"max_tokens":9}')
    body = json.loads(predict_body(made_of(exchange(chat)), stream=False))
    assert (body["stop_sequences"], body["max_tokens"]) == (["x"], 9)


def test_a_very_long_answer_is_streamed_in_any_case():
    short, long = exchange(request(max_output_tokens=100)), exchange(request(max_output_tokens=30_000))
    assert not is_streamed(short, made_of(short))
    assert is_streamed(long, made_of(long))


def test_tokens_are_counted_with_the_model_in_the_body():
    made = made_of(exchange(request(instructions="be", tools=[function("f")], max_output_tokens=50)))
    body = json.loads(count_body(made, MODEL))
    assert body["model"] == MODEL
    assert set(body) == {"model", "system", "messages", "tools"}


def test_what_was_refused_a_moment_ago_is_left_out():
    one = exchange(request(reasoning={"effort": "low"}))
    one.attempts.append(Attempt("v", MODEL, 0.0, 400, INVALID_THINKING))
    assert made_of(one).body["messages"]


def test_the_profile_of_the_file_counts():
    assert made_of(exchange(request()), MessagesProfile(max_tokens=77)).body["max_tokens"] == 77


def test_a_decoder():
    one = exchange(request())
    made_of(one)
    assert isinstance(decoder_for(one), MessagesDecoder)


@pytest.mark.parametrize(
    ("status", "body", "code", "words"),
    [
        (
            400,
            b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}',
            "context_length_exceeded",
            "prompt is too long",
        ),
        (
            404,
            b'{"error":{"code":404,"message":"Publisher Model `projects/p/models/claude-x` was not found",'
            b'"status":"NOT_FOUND"}}',
            "model_not_found",
            "not found",
        ),
        (
            429,
            b'[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}]',
            "rate_limit_exceeded",
            "Quota",
        ),
        (403, b"<html>no</html>", "upstream_auth", "check its credentials"),
    ],
)
def test_errors_are_anthropics_or_googles(status, body, code, words):
    error = refused("v", status, {}, body, "check its credentials")
    assert error.code == code
    assert words in error.message
