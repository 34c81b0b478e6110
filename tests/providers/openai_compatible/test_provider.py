import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.api.chat.request import ChatRequest
from proxy.config.types import Secret
from proxy.errors import BadRequest, UpstreamRefused
from proxy.events import Finish, ToolCallStart
from proxy.exchange import Client, Exchange
from proxy.providers.chat.decoder import ChatDecoder
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.chat.sealing import unseal
from proxy.providers.openai_compatible.config import OpenAICompatibleConfig
from proxy.providers.openai_compatible.provider import OpenAICompatible
from proxy.providers.provider import Deployment, TranslateOptions
from proxy.sealing import Sealing
from tests.support.asked import function, request

URL = "http://127.0.0.1:8000/v1"


def provider(**settings):
    return OpenAICompatible("up", OpenAICompatibleConfig(**{"base_url": URL, **settings}))


def exchange(made):
    return Exchange("ex_1", Client("127.0.0.1", {}), made)


def chat_request(**fields):
    return ChatRequest.parse(
        json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}).encode()
    )


def test_a_request_is_built_with_address_headers_and_body():
    up = provider(api_key=Secret("sk-1"), headers={"X-Title": Secret("penstock")})
    made = up.build(exchange(request(stream=True)), "qwen3")
    assert (made.method, made.url) == ("POST", f"{URL}/chat/completions")
    assert made.headers == {
        "content-type": "application/json",
        "user-agent": "penstock",
        "authorization": "Bearer sk-1",
        "x-title": "penstock",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
    }
    assert json.loads(made.body) == {
        "model": "qwen3",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_without_a_key_there_is_no_header_for_it():
    made = provider().build(exchange(request()), "m")
    assert "authorization" not in made.headers
    assert made.headers["accept"] == "application/json"
    assert "accept-encoding" not in made.headers


def test_headers_of_one_request_do_not_reach_the_next():
    up = provider()
    up.build(exchange(request()), "m").headers["x-evil"] = "1"
    assert "x-evil" not in up.build(exchange(request()), "m").headers


def test_the_map_of_the_tools_is_left_for_the_encoder():
    one = exchange(request(tools=[{"type": "namespace", "name": "ns", "tools": [function("f")]}]))
    provider().build(one, "m")
    assert one.marks["tools"].lookup("ns__f").namespace == "ns"


def test_what_has_no_effect_is_noted_on_the_exchange():
    one = exchange(request(service_tier="flex", tools=[{"type": "web_search"}]))
    provider().build(one, "m")
    assert one.ignored == ["service_tier", "tools[0]: web_search"]


def test_options_of_the_translation_are_heeded():
    one = exchange(request(service_tier="flex"))
    one.translate = TranslateOptions(params="strict")
    with pytest.raises(BadRequest):
        provider().build(one, "m")


def test_a_chat_request_passes_through_but_for_the_model():
    fields = {"unknown": {"a": [1.0]}, "tools": [{"type": "function", "function": {"name": "f"}}], "n": 2}
    made = provider().passthrough(exchange(chat_request(**fields)), "qwen3")
    assert json.loads(made.body) == {"model": "qwen3", "messages": [{"role": "user", "content": "hi"}], **fields}
    assert made.url == f"{URL}/chat/completions"


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (None, {"include_usage": True}),
        ({}, {"include_usage": True}),
        ({"include_usage": False}, {"include_usage": True}),
        ({"other": 1}, {"other": 1, "include_usage": True}),
    ],
)
def test_usage_is_asked_for_in_streams(options, sent):
    made = provider().passthrough(exchange(chat_request(stream=True, stream_options=options)), "m")
    assert json.loads(made.body)["stream_options"] == sent


def test_usage_is_left_to_the_client_elsewhere():
    assert "stream_options" not in json.loads(provider().passthrough(exchange(chat_request()), "m").body)
    quiet = provider(profile=ChatProfile(stream_usage=False))
    assert "stream_options" not in json.loads(quiet.passthrough(exchange(chat_request(stream=True)), "m").body)


def test_stream_options_of_a_wrong_type():
    with pytest.raises(BadRequest) as caught:
        provider().passthrough(exchange(chat_request(stream=True, stream_options=5)), "m")
    assert caught.value.param == "stream_options"


def test_a_chat_request_is_built_as_it_passes_through():
    one = exchange(chat_request())
    assert provider().build(one, "x").body == provider().passthrough(one, "x").body
    assert one.marks["tools"].lookup("a__b").namespace is None


def test_a_decoder_for_each_answer():
    one = exchange(request())
    up = provider(profile=ChatProfile(think_tags="tagged"))
    one.deployment = Deployment(up, "m")
    first, second = up.decoder(one), up.decoder(one)
    assert isinstance(first, ChatDecoder)
    assert first is not second


def test_names_of_tools_come_in_pieces_where_the_profile_says_so():
    pieces = [
        {"id": "a", "function": {"name": "get_"}},
        {"function": {"name": "time"}},
        {"function": {"arguments": ""}},
    ]
    chunks = [{"choices": [{"delta": {"tool_calls": [{"index": 0, **one}]}}]} for one in pieces]
    payloads = [(b"", json.dumps(one).encode()) for one in chunks] + [(b"", b"[DONE]")]
    up = provider(profile=ChatProfile(split_names=True))
    events = up.decoder(exchange(request())).feed(payloads)
    assert events == [ToolCallStart(0, "a", "get_time"), Finish()]


def test_thinking_is_sealed_when_the_client_asks_for_it_and_gets_it_back():
    asking = exchange(request(include=["reasoning.encrypted_content"]))
    up = provider()
    seal = up.sealer(asking, "qwen3")
    assert seal is not None
    text = seal({"field": "reasoning"}, "hm")
    assert text is not None
    assert unseal(text, Sealing.fresh()) is None
    sealed = unseal(text, up.sealing)
    assert sealed is not None
    assert (sealed.family, sealed.model) == ("chat", "qwen3")
    assert provider().sealer(exchange(request()), "qwen3") is None
    assert provider(profile=ChatProfile(replay_reasoning="never")).sealer(asking, "qwen3") is None
    assert provider().sealer(exchange(chat_request()), "qwen3") is None


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, 'upstream "up" answered 401: it wants an api_key'),
        (Secret("sk-1", "env:KEY"), 'upstream "up" answered 401: check its api_key (env:KEY)'),
    ],
)
def test_an_upstream_that_does_not_know_us(key, message):
    error = provider(api_key=key).error(401, {}, b'{"error":{"message":"no"}}')
    assert (error.message, error.status, error.code) == (message, 502, "upstream_auth")


async def models_of(answer):
    """The names that an upstream's provider finds when `GET /v1/models` answers so."""
    seen = []

    async def handle(asked):
        seen.append(asked)
        return answer

    app = web.Application()
    app.router.add_get("/v1/models", handle)
    async with TestServer(app) as server:
        up = provider(base_url=str(server.make_url("/v1")), api_key=Secret("sk-1"))
        try:
            return await up.models()
        finally:
            assert [asked.headers["authorization"] for asked in seen] == ["Bearer sk-1"]
            await up.close()


async def test_models_are_asked_for():
    listed = {"object": "list", "data": [{"id": "a", "object": "model"}, {"id": "b", "extra": {"x": 1}}]}
    assert await models_of(web.json_response(listed)) == ["a", "b"]


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"data":[{"name":"x"}]}', b'{"data":"\xff"}'])
async def test_a_catalog_that_cannot_be_read_is_empty(body):
    assert await models_of(web.Response(body=body)) == []


async def test_a_catalog_that_is_refused():
    with pytest.raises(UpstreamRefused):
        await models_of(web.json_response({"error": {"message": "no"}}, status=401))


@pytest.mark.parametrize(
    ("api", "responses_path", "chat_path"),
    [
        ("chat", "/chat/completions", "/chat/completions"),
        ("responses", "/responses", "/responses"),
        ("auto", "/responses", "/chat/completions"),
    ],
)
def test_which_api_a_server_is_asked_over(api, responses_path, chat_path):
    up = provider(api=api)
    assert up.build(exchange(request()), "qwen3").url == URL + responses_path
    assert up.build(exchange(chat_request()), "qwen3").url == URL + chat_path
    assert up.speaks("chat", "qwen3") == (chat_path == "/chat/completions")
    assert up.speaks("responses", "qwen3") == (responses_path == "/responses")


def test_what_the_file_says_of_the_responses_api():
    up = provider(api="responses", encrypted_reasoning=True, store=True, reasoning_summary="auto")
    profile = up.responses_profile("qwen3")
    assert (profile.ask_encrypted, profile.keeps, profile.summary, profile.pads) == (True, True, "auto", False)
    one = exchange(request(include=["reasoning.encrypted_content"]))
    assert up.sealer(one, "qwen3") is not None
    assert up.sealer(exchange(chat_request()), "qwen3") is None
