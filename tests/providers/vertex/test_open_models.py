import json

import pytest

from proxy.config.types import Secret
from proxy.errors import BadRequest
from proxy.exchange import Client, Exchange
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.vertex.config import VertexConfig
from proxy.providers.vertex.open_models import OpenModels, is_chat_error
from tests.support.asked import assistant, call, function, output, request, user

PARENT = "https://x/v1/projects/p/locations/global"


def models(**settings):
    config = VertexConfig(**{"project": "p", "base_url": "https://x", **settings})
    return OpenModels("v", config, config.place(), config.make_client("v"))


def asked(model, up=None, **fields):
    one = Exchange("ex_1", Client("127.0.0.1", {}), request(**{"input": "hi", **fields}))
    made = (up or models()).build(one, model)
    return made, json.loads(made.body)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("openai/gpt-oss-120b-maas", "openai/gpt-oss-120b-maas"),
        ("publishers/qwen/models/qwen3-coder-480b-a35b-instruct-maas", "qwen/qwen3-coder-480b-a35b-instruct-maas"),
    ],
)
def test_most_are_asked_at_one_endpoint_by_both_their_names(model, name):
    made, body = asked(model, reasoning={"effort": "low"}, max_output_tokens=9)
    assert made.url == "https://x/v1beta1/projects/p/locations/global/endpoints/openapi/chat/completions"
    assert body == {
        "model": name,
        "messages": [{"role": "user", "content": "hi"}],
        "reasoning_effort": "low",
        "max_tokens": 9,
    }


@pytest.mark.parametrize(
    ("stream", "method", "accept"),
    [(True, "streamRawPredict", "text/event-stream"), (False, "rawPredict", "application/json")],
)
@pytest.mark.parametrize("model", ["mistralai/codestral-2", "codestral-2"])
def test_those_of_mistral_have_an_address_of_their_own(model, stream, method, accept):
    made, body = asked(model, stream=stream)
    assert made.url == f"{PARENT}/publishers/mistralai/models/codestral-2:{method}"
    assert (body["model"], made.headers["accept"]) == ("codestral-2", accept)


def test_those_of_mistral_are_asked_as_mistral_is():
    items = [user("?"), assistant("hm"), call("call_1"), output("call_1"), user("so?")]
    _, body = asked("mistral-medium-3", input=items, tools=[function("f")], tool_choice="required")
    assert body["tool_choice"] == "any"
    assert len(body["messages"][1]["tool_calls"][0]["id"]) == 9


def test_what_the_file_says_of_them_counts():
    _, body = asked("mistral-medium-3", models(open_models=ChatProfile(extra_body={"a": 1})))
    assert body["a"] == 1


def test_a_key_alone_leads_to_none_of_them():
    up = models(project=None, api_key=Secret("k"))
    with pytest.raises(BadRequest) as caught:
        asked("meta/llama-4-maas", up)
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")


@pytest.mark.parametrize(
    ("body", "chat"),
    [
        (b'{"error":{"message":"no","type":"invalid_request_error","code":null}}', True),
        (b'{"object":"error","message":"no","type":"x"}', True),
        (b'{"detail":"no"}', True),
        (b'{"error":"no"}', True),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', False),
        (b'{"error":{"code":404,"message":"no","status":"NOT_FOUND"}}', False),
        (b'[{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED"}}]', False),
        (b"<html>", False),
        (b"{}", False),
    ],
)
def test_errors_that_are_not_googles_own(body, chat):
    assert is_chat_error(body) is chat
