import json

import pytest

from proxy.api.chat.request import ChatRequest
from proxy.config.types import Secret
from proxy.errors import BadRequest, InternalError, UpstreamRefused
from proxy.exchange import Client, Exchange
from proxy.providers.anthropic.decoder import MessagesDecoder
from proxy.providers.chat.decoder import ChatDecoder
from proxy.providers.gemini.decoder import GeminiDecoder
from proxy.providers.provider import Deployment
from proxy.providers.vertex.config import VertexConfig
from proxy.providers.vertex.provider import Vertex
from tests.support.asked import function, request
from tests.support.google_accounts import TokenServer
from tests.support.hostile import HostileUpstream, fixed, until
from tests.support.strict_gemini import check

GEMINI, CLAUDE = "gemini-2.5-flash", "claude-sonnet-4-5@20250929"
LLAMA = "meta/llama-3.3-70b-instruct-maas"
OPENAPI = "https://europe-west4-aiplatform.googleapis.com/v1beta1/projects/p/locations/europe-west4/endpoints/openapi"
PARENT = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers"


def upstream(**settings):
    return Vertex("v", VertexConfig(**{"project": "p", "location": "europe-west4", **settings}))


def exchange(made, up=None, model=None):
    one = Exchange("ex_1", Client("127.0.0.1", {}), made)
    if up is not None:
        one.deployment = Deployment(up, model)
    return one


@pytest.mark.parametrize(("stream", "method"), [(True, "streamGenerateContent?alt=sse"), (False, "generateContent")])
def test_a_request_for_gemini(stream, method):
    made = upstream(quota_project="q").build(exchange(request(stream=stream, service_tier="flex")), GEMINI)
    assert made.url == f"{PARENT}/google/models/{GEMINI}:{method}"
    assert made.headers["x-goog-user-project"] == "q"
    assert made.headers["x-vertex-ai-llm-shared-request-type"] == "flex"
    assert "authorization" not in made.headers
    assert set(check(made.body)) == {"contents"}


@pytest.mark.parametrize(("stream", "method"), [(True, "streamRawPredict"), (False, "rawPredict")])
def test_a_request_for_claude(stream, method):
    up = upstream(betas=("b-1",), headers={"X-Title": Secret("t")})
    one = exchange(request(stream=stream, max_output_tokens=9, tools=[function("f")]), up, CLAUDE)
    made = up.build(one, CLAUDE)
    assert made.url == f"{PARENT}/anthropic/models/{CLAUDE}:{method}"
    assert made.headers["anthropic-beta"].split(",")[0] == "b-1"
    assert made.headers["x-title"] == "t"
    assert made.headers["accept"] == ("text/event-stream" if stream else "application/json")
    body = json.loads(made.body)
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in body
    assert one.marks["tools"].lookup("f").name == "f"
    assert isinstance(up.decoder(one), MessagesDecoder)


def test_hosted_tools_beside_functions_need_no_asking_here():
    tools = [function("f"), {"type": "web_search"}]
    body = json.loads(upstream().build(exchange(request(tools=tools)), "gemini-3-flash-preview").body)
    assert body["tools"][1] == {"googleSearch": {}}
    assert "toolConfig" not in body


@pytest.mark.parametrize(("stream", "asked"), [(True, True), (False, False)])
def test_arguments_in_pieces_are_asked_for_where_they_can_be_told(stream, asked):
    up = upstream(stream_arguments=True)
    body = json.loads(up.build(exchange(request(stream=stream, tools=[function("f")])), GEMINI).body)
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    assert calling.get("streamFunctionCallArguments", False) is asked
    assert "toolConfig" not in json.loads(up.build(exchange(request(stream=True)), GEMINI).body)


def test_open_models_are_asked_over_chat_completions():
    up = upstream(quota_project="q")
    one = exchange(request(stream=True, tools=[function("f")]), up, LLAMA)
    made = up.build(one, LLAMA)
    assert made.url == f"{OPENAPI}/chat/completions"
    assert made.headers["x-goog-user-project"] == "q"
    assert json.loads(made.body)["model"] == LLAMA
    assert one.marks["tools"].lookup("f").name == "f"
    assert isinstance(up.decoder(one), ChatDecoder)
    one.keeps = True
    assert up.sealer(one, LLAMA)({"reasoning_content": "hm"}, "hm") is not None


def test_chat_clients_of_open_models_are_passed_through():
    up = upstream()
    chat = exchange(
        ChatRequest.parse(b'{"model":"m","messages":[{"role":"user","content":"hi"}],"top_k":3}'), up, LLAMA
    )
    assert [up.speaks("chat", model) for model in (LLAMA, GEMINI, CLAUDE)] == [True, False, False]
    assert not up.speaks("responses", LLAMA)
    made = up.passthrough(chat, LLAMA)
    assert made.url == f"{OPENAPI}/chat/completions"
    assert json.loads(made.body) == {"model": LLAMA, "messages": [{"role": "user", "content": "hi"}], "top_k": 3}
    with pytest.raises(InternalError):
        up.passthrough(chat, GEMINI)


def test_decoders_and_seals_follow_the_model():
    up = upstream()
    one = exchange(request(), up, GEMINI)
    assert isinstance(up.decoder(one), GeminiDecoder)
    assert isinstance(up.decoder(exchange(request())), GeminiDecoder)
    assert up.sealer(one, GEMINI) is None
    one.keeps = True
    gemini, claude = up.sealer(one, GEMINI), up.sealer(one, CLAUDE)
    block = {"type": "thinking", "thinking": "hm", "signature": "s"}
    assert claude({"details": [block]}, "hm") is not None
    assert gemini({"details": []}, "hm") is None
    assert claude({"details": []}, "hm") is None
    chat = exchange(ChatRequest.parse(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'))
    assert up.sealer(chat, CLAUDE) is None


@pytest.mark.parametrize("model", ["../x", "meta/llama/x", "google/../x"])
def test_names_that_would_lead_elsewhere(model):
    with pytest.raises(BadRequest):
        upstream().build(exchange(request()), model)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"project": None, "api_key": Secret("k", "env:KEY")}, "check its api_key (env:KEY)"),
        ({"credentials": Secret('{"type":"x"}', "file:key.json")}, "check its credentials (file:key.json)"),
        ({}, "check its application default credentials"),
    ],
)
def test_what_to_do_when_google_takes_us_for_nobody(settings, words):
    error = upstream(**settings).error(403, {}, b'{"error":{"code":403,"status":"PERMISSION_DENIED","message":"no"}}')
    assert words in error.message
    assert error.code == "upstream_auth"


def test_open_models_that_will_not_count_are_asked_without_it():
    up = upstream()
    one = exchange(request(stream=True), up, LLAMA)
    one.upstream_request = up.build(one, LLAMA)
    error = up.error(400, {}, b'{"error":{"message":"stream_options is not supported","type":"x"}}')
    amended = up.amended(one, error)
    assert "stream_options" in json.loads(one.upstream_request.body)
    assert "stream_options" not in json.loads(amended.request.body)
    one.deployment = Deployment(up, GEMINI)
    assert up.amended(one, error) is None


def test_errors_of_open_models():
    said = upstream().error(400, {}, b'{"error":{"message":"too much","type":"x","code":"context_length_exceeded"}}')
    assert said.code == "context_length_exceeded"
    said = upstream().error(403, {}, b'{"object":"error","message":"no","type":"forbidden"}')
    assert "check its application default credentials" in said.message


async def served(*answers, ask, **settings):
    """Returns what `ask` gets of an upstream that answers so, and the requests it was sent."""

    async def script(peer):
        for answer in answers:
            asked.append(await peer.request())
            await peer.send(answer)
        await peer.stall()

    asked = []
    async with HostileUpstream(script) as server, TokenServer() as tokens:
        account = {} if "api_key" in settings else {"credentials": Secret(tokens.account("of-the-account"))}
        up = Vertex("v", VertexConfig(base_url=server.origin, **account, **settings))
        try:
            return await ask(up), asked
        finally:
            await up.close()


def path_of(asked):
    return asked.split(b" ", 2)[1].decode()


async def test_tokens_are_counted_by_gemini():
    count, (asked,) = await served(
        fixed(b'{"totalTokens":7}'), ask=lambda up: up.count_tokens(exchange(request(tools=[function("f")])), GEMINI)
    )
    assert count == 7
    assert path_of(asked) == (
        f"/v1/projects/of-the-account/locations/global/publishers/google/models/{GEMINI}:countTokens"
    )
    assert b"authorization: bearer token-1\r\n" in asked.lower()
    assert set(json.loads(asked.partition(b"\r\n\r\n")[2])) == {"contents", "tools"}


async def test_nobody_counts_the_tokens_of_open_models():
    assert await upstream().count_tokens(exchange(request()), LLAMA) is None


async def test_open_models_are_asked_with_the_same_tokens():
    async def ask(up):
        response = await up.client.send(up.build(exchange(request()), LLAMA), up.timeouts)
        try:
            return await response.read(1000)
        finally:
            response.close()

    answer, (asked,) = await served(fixed(b"{}"), ask=ask)
    assert answer == b"{}"
    assert path_of(asked) == "/v1beta1/projects/of-the-account/locations/global/endpoints/openapi/chat/completions"
    assert b"authorization: bearer token-1\r\n" in asked.lower()


async def test_tokens_are_counted_by_claude():
    count, (asked,) = await served(
        fixed(b'{"input_tokens":9}'), ask=lambda up: up.count_tokens(exchange(request()), CLAUDE)
    )
    assert count == 9
    assert path_of(asked).endswith("/publishers/anthropic/models/count-tokens:rawPredict")
    assert json.loads(asked.partition(b"\r\n\r\n")[2])["model"] == CLAUDE
    assert (await served(fixed(b"{}"), ask=lambda up: up.count_tokens(exchange(request()), CLAUDE)))[0] is None


async def test_a_token_that_ran_out_is_renewed():
    count, asked = await served(
        fixed(b'{"error":{"code":401,"status":"UNAUTHENTICATED"}}', status=401),
        fixed(b'{"totalTokens":7}'),
        ask=lambda up: up.count_tokens(exchange(request()), GEMINI),
    )
    assert count == 7
    assert [b"token-%d" % number in one for number, one in enumerate(asked, 1)] == [True, True]


async def test_models_are_listed():
    models, asked = await served(
        fixed(b'{"publisherModels":[{"name":"publishers/google/models/gemini-a"}],"nextPageToken":"x y"}'),
        fixed(b'{"publisherModels":[{"name":"publishers/google/models/gemini-b"}]}'),
        ask=lambda up: up.models(),
    )
    assert models == ["gemini-a", "gemini-b"]
    assert [path_of(one) for one in asked] == [
        "/v1beta1/publishers/google/models?pageSize=300",
        "/v1beta1/publishers/google/models?pageSize=300&pageToken=x%20y",
    ]
    assert (await served(fixed(b"["), ask=lambda up: up.models()))[0] == []


async def test_a_token_is_looked_for_when_the_upstream_starts():
    async with TokenServer() as tokens:
        up = upstream(credentials=Secret(tokens.account()))
        await up.start()
        await until(lambda: tokens.asked)
        await up.close()
    express = upstream(project=None, api_key=Secret("k"))
    await express.start()
    await express.close()


async def test_express_mode_needs_no_credentials():
    count, (asked,) = await served(
        fixed(b'{"totalTokens":7}'),
        ask=lambda up: up.count_tokens(exchange(request()), GEMINI),
        api_key=Secret("AIza-1"),
    )
    assert count == 7
    assert path_of(asked) == f"/v1/publishers/google/models/{GEMINI}:countTokens"
    assert b"x-goog-api-key: aiza-1\r\n" in asked.lower()
    assert b"authorization" not in asked.lower()


async def test_credentials_that_are_refused_are_one_clear_error():
    async with TokenServer(refuses=True) as tokens:
        up = upstream(credentials=Secret(tokens.account()))
        with pytest.raises(UpstreamRefused) as caught:
            await up.models()
        await up.close()
    assert caught.value.message.startswith('upstream "v": no credentials of Google Cloud: ')
    assert "invalid_grant" in caught.value.message
