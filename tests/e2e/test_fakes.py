"""The fake providers are taken for the real ones by the providers' own SDKs: text, tools, streams, errors."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import aiohttp
import anthropic
import boto3
import botocore.exceptions
import openai
import pytest
from anthropic.lib.foundry import AsyncAnthropicFoundry
from botocore.config import Config as BotoConfig
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types
from google.oauth2.credentials import Credentials

from tests.support.fakes.bedrock import ACCESS_KEY, REGION, SECRET, Bedrock
from tests.support.fakes.chat import DeepSeek, Vllm
from tests.support.fakes.claude import Anthropic
from tests.support.fakes.google import Gemini, Vertex
from tests.support.fakes.openai import AzureAI, AzureOpenAI, OpenAI
from tests.support.fakes.server import KEY, Fake

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
HELLO = "heard: hello; told: Be brief."
CITIES = [{"city": "Oslo"}, {"city": "Bergen"}]
FIRST = "The river "


def checked(fake: Fake, requests: int) -> None:
    """Fails for a mistake in what an SDK sent: then it is the fake that is wrong."""
    assert not fake.mistakes
    assert len(fake.asked) == requests


async def until(error: type[Exception], stream: Any) -> list[Any]:
    """Returns what a stream gives before it fails; it must fail with that error."""
    given = []
    try:
        async for one in stream:
            given.append(one)
    except error:
        return given
    raise AssertionError("the stream has ended well")


# --- OpenAI's wire


async def chat_with(client: openai.AsyncOpenAI, model: str = "m") -> None:
    """Drives a fake by chat completions: text, tools, streams of both, errors before and in the stream."""
    tools: Any = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]
    told: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    weather: Any = [{"role": "user", "content": "weather please"}]
    create = client.chat.completions.create
    made = await create(model=model, messages=told)
    assert (made.choices[0].message.content, made.choices[0].finish_reason) == (HELLO, "stop")
    assert made.usage is not None
    assert made.usage.total_tokens == 1100
    called = (await create(model=model, messages=weather, tools=tools)).choices[0]
    assert [json.loads(one.function.arguments) for one in called.message.tool_calls or []] == CITIES  # type: ignore[union-attr]
    async with client.chat.completions.stream(model=model, messages=weather, tools=tools) as stream:
        final = await stream.get_final_completion()
    assert [json.loads(one.function.arguments) for one in final.choices[0].message.tool_calls or []] == CITIES
    with pytest.raises(openai.RateLimitError) as limited:
        await create(model=model, messages=[{"role": "user", "content": "refuse rate"}])
    assert limited.value.response.headers["retry-after"] == "0.1"
    await broken_chat(await create(model=model, messages=[{"role": "user", "content": "break"}], stream=True))
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="another").chat.completions.create(model=model, messages=told)


async def broken_chat(stream: Any) -> None:
    chunks = await until(openai.APIError, stream)
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == FIRST


async def responses_with(client: openai.AsyncOpenAI) -> None:
    """Drives a fake by the Responses API, as a caller that keeps all itself."""
    ask: Any = {"model": "m", "store": False, "instructions": "Be brief."}
    tools: Any = [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}]
    made = await client.responses.create(**ask, input="hello")
    assert (made.output_text, made.usage and made.usage.total_tokens) == (HELLO, 1100)
    thinking: Any = {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    async with client.responses.stream(**ask, **thinking, input="weather please", tools=tools) as stream:
        final = await stream.get_final_response()
    assert [item.type for item in final.output] == ["reasoning", "function_call", "function_call"]
    said: Any = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in final.output]
    given = [{"type": "function_call_output", "call_id": one["call_id"], "output": "15C"} for one in said[1:]]
    again = await client.responses.create(
        **ask, input=[{"role": "user", "content": "weather please"}, *said, *given], tools=tools
    )
    assert f"given: 15C, 15C; remembered: {said[0]['encrypted_content']}" in again.output_text
    kinds = [event.type async for event in await client.responses.create(**ask, input="break", stream=True)]
    assert kinds[-2:] == ["response.output_text.delta", "response.failed"]
    with pytest.raises(openai.BadRequestError) as long:
        await client.responses.create(**ask, input="refuse long")
    assert long.value.code == "context_length_exceeded"


async def test_openai() -> None:
    async with OpenAI() as fake:
        async with openai.AsyncOpenAI(base_url=f"{fake.origin}/v1", api_key=KEY, max_retries=0) as client:
            await chat_with(client)
            await responses_with(client)
    checked(fake, 10)


@pytest.mark.parametrize("kind", [DeepSeek, Vllm])
async def test_servers_of_chat_completions(kind: type[Fake]) -> None:
    async with kind() as fake:
        async with openai.AsyncOpenAI(base_url=f"{fake.origin}/v1", api_key=KEY, max_retries=0) as client:
            await chat_with(client)
    checked(fake, 5)


async def test_azure_openai() -> None:
    async with AzureOpenAI() as fake:
        of = {"api_key": KEY, "max_retries": 0}
        dated = openai.AsyncAzureOpenAI(azure_endpoint=fake.origin, api_version="2024-10-21", **of)  # type: ignore[call-overload]
        async with dated:
            await chat_with(dated, "my-deployment")
        preview = openai.AsyncAzureOpenAI(azure_endpoint=fake.origin, api_version="2025-04-01-preview", **of)  # type: ignore[call-overload]
        async with preview:
            await responses_with(preview)
    checked(fake, 10)


# --- Claude


async def claude_with(client: Any, model: str = "claude-sonnet-4-6") -> None:
    """Drives a fake by the Messages API."""
    ask: Any = {"model": model, "max_tokens": 4096}
    tools = [{"name": "get_weather", "description": "Tells the weather.", "input_schema": SCHEMA}]
    system = [{"type": "text", "text": "Be brief."}]

    def user(text: str) -> list[dict[str, Any]]:
        return [{"role": "user", "content": [{"type": "text", "text": text}]}]

    made = await client.messages.create(**ask, messages=user("hello"), system=system)
    assert (made.content[0].text, made.stop_reason, made.usage.cache_read_input_tokens) == (HELLO, "end_turn", 200)
    thinking = {"type": "enabled", "budget_tokens": 1024}
    async with client.messages.stream(**ask, messages=user("weather please"), tools=tools, thinking=thinking) as stream:
        final = await stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "tool_use", "tool_use"]
    assert [block.input for block in final.content[1:]] == CITIES
    plain = await client.messages.create(**ask, messages=user("weather please"), tools=tools)
    assert [block.input for block in plain.content] == CITIES
    broken = await until(anthropic.APIError, await client.messages.create(**ask, messages=user("break"), stream=True))
    assert broken[-1].delta.text == FIRST
    with pytest.raises(anthropic.RateLimitError):
        await client.messages.create(**ask, messages=user("refuse rate"))


async def test_anthropic() -> None:
    async with Anthropic() as fake:
        async with anthropic.AsyncAnthropic(base_url=fake.origin, api_key=KEY, max_retries=0) as client:
            await claude_with(client)
            with pytest.raises(anthropic.AuthenticationError):
                await client.with_options(api_key="another").messages.create(model="m", max_tokens=1, messages=[])
    checked(fake, 5)


async def test_azure_ai() -> None:
    async with AzureAI() as fake:
        url = f"{fake.origin}/anthropic"
        async with AsyncAnthropicFoundry(base_url=url, api_key=KEY, max_retries=0) as claude:
            await claude_with(claude)
        headers, query = {"api-key": KEY}, {"api-version": "2024-05-01-preview"}
        async with openai.AsyncOpenAI(
            base_url=f"{fake.origin}/models", api_key=KEY, default_headers=headers, default_query=query, max_retries=0
        ) as client:
            made = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])
            assert made.choices[0].message.content == "heard: hello"
    checked(fake, 6)


# --- Google


async def gemini_with(client: genai.Client) -> None:
    """Drives a fake by generateContent."""
    declared = genai_types.FunctionDeclaration(name="get_weather", parameters_json_schema=SCHEMA)
    off = genai_types.AutomaticFunctionCallingConfig(disable=True)
    tools = genai_types.GenerateContentConfig(
        tools=[genai_types.Tool(function_declarations=[declared])],
        automatic_function_calling=off,
        thinking_config=genai_types.ThinkingConfig(include_thoughts=True),
    )
    ask: Any = {"model": "gemini-3-flash-preview"}
    models = client.aio.models
    brief = genai_types.GenerateContentConfig(system_instruction="Be brief.")
    made = await models.generate_content(**ask, contents="hello", config=brief)
    assert made.text == HELLO
    assert made.usage_metadata is not None
    assert made.usage_metadata.total_token_count == 1100
    plain = await models.generate_content(**ask, contents="weather please", config=tools)
    assert [one.args for one in plain.function_calls or []] == CITIES
    parts = []
    async for chunk in await models.generate_content_stream(**ask, contents="weather please", config=tools):
        parts += chunk.parts or []
    assert [part.function_call.args for part in parts if part.function_call] == CITIES
    assert parts[0].thought is True
    assert [bool(part.thought_signature) for part in parts if part.function_call] == [True, False]
    broken = await until(genai_errors.ServerError, await models.generate_content_stream(**ask, contents="break"))
    assert [chunk.text for chunk in broken] == [FIRST]
    with pytest.raises(genai_errors.ClientError) as limited:
        await models.generate_content(**ask, contents="refuse rate")
    assert limited.value.code == 429


async def test_gemini() -> None:
    async with Gemini() as fake:
        options = genai_types.HttpOptions(base_url=fake.origin, api_version="v1beta")
        await gemini_with(genai.Client(api_key=KEY, http_options=options))
        other = genai.Client(api_key="another", http_options=options)
        with pytest.raises(genai_errors.ClientError, match="API key not valid"):
            await other.aio.models.generate_content(model="gemini-3-flash-preview", contents="hello")
    checked(fake, 5)


async def test_vertex() -> None:
    place = {"project": "my-project", "location": "europe-west4"}
    async with Vertex() as fake:
        options = genai_types.HttpOptions(base_url=fake.origin, api_version="v1")
        credentials = Credentials(token="token-1")  # type: ignore[no-untyped-call]
        await gemini_with(genai.Client(vertexai=True, credentials=credentials, http_options=options, **place))
        async with anthropic.AsyncAnthropicVertex(
            base_url=f"{fake.origin}/v1", project_id="my-project", region="eu", access_token="token-1", max_retries=0
        ) as client:
            await claude_with(client, "claude-sonnet-4-6")
    checked(fake, 10)


# --- AWS


def converse_with(client: Any) -> None:
    """Drives a fake by Converse; blocks."""
    user = [{"role": "user", "content": [{"text": "weather please"}]}]
    spec = {"name": "get_weather", "description": "Tells the weather.", "inputSchema": {"json": SCHEMA}}
    ask: Any = {"modelId": "us.amazon.nova-2-lite-v1:0", "toolConfig": {"tools": [{"toolSpec": spec}]}}
    hello = [{"role": "user", "content": [{"text": "hello"}]}]
    made = client.converse(modelId=ask["modelId"], messages=hello, system=[{"text": "Be brief."}])
    assert made["output"]["message"]["content"] == [{"text": HELLO}]
    assert made["usage"]["totalTokens"] == 1100
    plain = client.converse(**ask, messages=user)
    assert [block["toolUse"]["input"] for block in plain["output"]["message"]["content"]] == CITIES
    events = list(client.converse_stream(**ask, messages=user)["stream"])
    inputs = [event["contentBlockDelta"] for event in events if "contentBlockDelta" in event]
    pieces = [
        "".join(one["delta"]["toolUse"]["input"] for one in inputs if one["contentBlockIndex"] == at) for at in (0, 1)
    ]
    assert [json.loads(piece) for piece in pieces] == CITIES
    assert "metadata" in events[-1]
    broken = client.converse_stream(modelId="m", messages=[{"role": "user", "content": [{"text": "break"}]}])["stream"]
    with pytest.raises(botocore.exceptions.EventStreamError, match="serviceUnavailable"):
        list(broken)
    with pytest.raises(client.exceptions.ThrottlingException):
        client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "refuse rate"}]}])


async def test_bedrock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET}
    config = BotoConfig(retries={"total_max_attempts": 1})
    async with Bedrock() as fake:

        def drive(**own: str) -> None:
            client = boto3.client(
                "bedrock-runtime", region_name=REGION, endpoint_url=fake.origin, config=config, **{**keys, **own}
            )
            with contextlib.closing(client):
                converse_with(client)

        await asyncio.to_thread(drive)
        with pytest.raises(botocore.exceptions.ClientError, match="UnrecognizedClient"):
            await asyncio.to_thread(drive, aws_secret_access_key="another")
        async with anthropic.AsyncAnthropicBedrock(
            base_url=fake.origin, aws_region=REGION, aws_access_key=ACCESS_KEY, aws_secret_key=SECRET, max_retries=0
        ) as client:
            await claude_with(client, "us.anthropic.claude-sonnet-4-6")
    checked(fake, 10)


# --- what none of them takes

VERTEX = "/v1/projects/my-project/locations/eu/publishers"
BEARER = {"authorization": f"Bearer {KEY}"}
TOKEN = {"authorization": "Bearer token-1"}
CLAUDE = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
HELLO_CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
HELLO_CLAUDE = {
    "model": "m",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
}
HELLO_GEMINI = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
HELLO_CONVERSE = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
UNTHOUGHT = [
    {"role": "user", "content": "weather"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "15C"},
]


@pytest.mark.parametrize(
    ("kind", "target", "headers", "body"),
    [
        (OpenAI, "/v1/chat/completions", BEARER, {**HELLO_CHAT, "max_tokens": 9}),
        (OpenAI, "/v1/responses", BEARER, {"model": "m", "input": "hello"}),
        (OpenAI, "/v1/responses", BEARER, {"model": "m", "input": "hello", "store": False, "verbosity": "low"}),
        (OpenAI, "/chat/completions", BEARER, HELLO_CHAT),
        (DeepSeek, "/v1/chat/completions", BEARER, {"model": "m", "messages": UNTHOUGHT}),
        (AzureOpenAI, "/openai/deployments/d/chat/completions", {"api-key": KEY}, HELLO_CHAT),
        (AzureOpenAI, "/openai/v1/chat/completions", {"api-key": KEY, **BEARER}, HELLO_CHAT),
        (AzureAI, "/models/chat/completions", {"api-key": KEY, **BEARER}, HELLO_CHAT),
        (Anthropic, "/v1/messages", {"x-api-key": KEY}, HELLO_CLAUDE),
        (Anthropic, "/v1/messages", CLAUDE, {**HELLO_CLAUDE, "seed": 1}),
        (Gemini, "/v1beta/models/m:streamGenerateContent", {"x-goog-api-key": KEY}, HELLO_GEMINI),
        (Gemini, "/v1beta/models/m:generateContent", {"x-goog-api-key": KEY}, {**HELLO_GEMINI, "labels": {}}),
        (
            Vertex,
            f"{VERTEX}/anthropic/models/m:rawPredict",
            TOKEN,
            {**HELLO_CLAUDE, "anthropic_version": "vertex-2023-10-16"},
        ),
        (Vertex, f"{VERTEX}/google/models/m:generateContent", TOKEN, {"contents": []}),
        (Bedrock, "/model/m/converse", BEARER, {**HELLO_CONVERSE, "stream": True}),
        (Bedrock, "/model/a/b/converse", BEARER, HELLO_CONVERSE),
        (Bedrock, "/model/m/invoke", BEARER, HELLO_CLAUDE),
    ],
)
async def test_a_mistake_is_refused_and_noted(
    kind: type[Fake], target: str, headers: dict[str, str], body: dict[str, Any]
) -> None:
    async with kind() as fake, aiohttp.ClientSession() as session:
        async with session.post(fake.origin + target, json=body, headers=headers) as response:
            assert response.status in (400, 422)
    assert (len(fake.mistakes), fake.asked) == (1, [])


@pytest.mark.parametrize(
    ("kind", "target", "status"),
    [
        (OpenAI, "/v1/responses", 401),
        (AzureOpenAI, "/openai/v1/responses", 401),
        (AzureAI, "/anthropic/v1/messages", 401),
        (Anthropic, "/v1/messages", 401),
        (Gemini, "/v1beta/models/m:generateContent", 400),
        (Vertex, f"{VERTEX}/google/models/m:generateContent", 401),
        (Bedrock, "/model/m/converse", 403),
    ],
)
async def test_nobody_is_served_without_a_key(kind: type[Fake], target: str, status: int) -> None:
    async with kind() as fake, aiohttp.ClientSession() as session:
        async with session.post(fake.origin + target, json={}) as response:
            assert response.status == status
    assert (fake.mistakes, fake.asked) == ([], [])
