"""The echo upstream as the engine and real clients see it: through decoder and encoder, and through the relay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import openai
import pytest
from pydantic import BaseModel

from proxy.api.chat.request import ChatRequest
from proxy.api.responses.request import ResponsesRequest
from proxy.api.responses.tool_map import ToolMap
from proxy.events import Event
from proxy.exchange import Client, Exchange
from proxy.providers.chat.decoder import ChatDecoder
from proxy.providers.echo.models import model_names
from proxy.providers.echo.provider import Echo, EchoConfig
from proxy.providers.provider import Deployment
from proxy.request import ModelRequest
from proxy.stage import ResponseFilter, Stage
from stages.route import Route, RouteConfig
from tests.support.chat_streams import accumulate, chunks, payloads
from tests.support.house import House, house

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
CHAT_WEATHER = {
    "type": "function",
    "function": {key: value for key, value in WEATHER.items() if key not in ("type", "strict")},
}


class Looker(Stage):
    """A stage that wants to see events, so that no answer is passed through."""

    name = "looker"

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        return _Look()


class _Look(ResponseFilter):
    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        return events


@asynccontextmanager
async def served(*stages: Stage, **config: Any) -> AsyncIterator[House]:
    """Serves all echo models under their own names."""
    echo = Echo("echo", EchoConfig(**config))
    route = Route(RouteConfig(retries=0))
    async with house(echo, stages=stages, route=route, models={"*": [Deployment(echo, "*")]}) as home:
        yield home


@asynccontextmanager
async def sdk(*stages: Stage, **config: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    """Gives OpenAI's own client for a server of the echo models."""
    async with (
        served(*stages, **config) as home,
        openai.AsyncOpenAI(base_url=home.url, api_key="none", max_retries=0, timeout=10) as client,
    ):
        yield client


def exchange_of(request: ModelRequest) -> Exchange:
    return Exchange("x", Client("127.0.0.1", {}), request)


def parse(kind: type[ModelRequest], **fields: Any) -> ModelRequest:
    return kind.parse(msgspec.json.encode(fields))


class TestInterface:
    """What the engine asks of a provider."""

    def test_a_responses_request_becomes_a_chat_request(self) -> None:
        request = parse(ResponsesRequest, model="m", input="hi", stream=True, tools=[WEATHER], truncation="disabled")
        exchange = exchange_of(request)
        built = Echo("echo", EchoConfig()).build(exchange, "echo-tools")
        body = json.loads(built.body)
        assert (body["model"], body["stream"]) == ("echo-tools", True)
        assert body["messages"] == [{"role": "user", "content": "hi"}]
        assert body["tools"][0]["function"]["name"] == "get_weather"
        assert body["stream_options"] == {"include_usage": True}
        assert exchange.marks["tools"].lookup("get_weather") is not None

    @pytest.mark.parametrize("way", ["build", "passthrough"])
    def test_a_chat_request_stays_as_it_is_but_for_model_and_usage(self, way) -> None:
        request = parse(
            ChatRequest, model="m", messages=[{"role": "user", "content": "hi"}], stream=True, odd={"a": 1.5}, n=1
        )
        exchange = exchange_of(request)
        built = getattr(Echo("echo", EchoConfig()), way)(exchange, "echo")
        assert json.loads(built.body) == {
            "model": "echo",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": True,
            "odd": {"a": 1.5},
            "n": 1,
            "stream_options": {"include_usage": True},
        }
        assert request.model == "m"
        assert isinstance(exchange.marks["tools"], ToolMap)

    def test_usage_is_asked_for_only_in_streams(self) -> None:
        request = parse(ChatRequest, model="m", messages=[])
        body = json.loads(Echo("echo", EchoConfig()).passthrough(exchange_of(request), "echo").body)
        assert "stream_options" not in body

    def test_other_stream_options_are_kept(self) -> None:
        request = parse(ChatRequest, model="m", messages=[], stream=True, stream_options={"x": 1})
        body = json.loads(Echo("echo", EchoConfig()).passthrough(exchange_of(request), "echo").body)
        assert body["stream_options"] == {"x": 1, "include_usage": True}

    def test_thinking_is_sealed_for_those_who_ask(self) -> None:
        echo = Echo("echo", EchoConfig())
        asked = parse(ResponsesRequest, model="m", input="hi", include=["reasoning.encrypted_content"])
        assert echo.sealer(exchange_of(asked), "echo") is not None
        assert echo.sealer(exchange_of(parse(ResponsesRequest, model="m", input="hi")), "echo") is None
        assert echo.sealer(exchange_of(parse(ChatRequest, model="m")), "echo") is None

    async def test_the_rest(self) -> None:
        echo = Echo("echo", EchoConfig(tokens_per_s=5))
        assert echo.kind == "echo"
        assert echo.dialects == {"chat"}
        assert await echo.models() == model_names()
        assert isinstance(echo.decoder(exchange_of(parse(ChatRequest, model="m"))), ChatDecoder)
        error = echo.error(429, {"retry-after": "3"}, b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}')
        assert (error.status, error.retry_after_s, error.upstream) == (429, 3, "echo")
        await echo.close()

    @pytest.mark.parametrize("config", [{"tokens_per_s": -1}, {"tokens_per_second": 5}, {"api_key": "x"}])
    def test_mistakes_in_the_file(self, config) -> None:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(config, EchoConfig)


class TestResponses:
    """The OpenAI SDK's Responses surface on the echo models."""

    async def test_create(self) -> None:
        async with sdk() as client:
            answer = await client.responses.create(model="echo", input="Hello world")
        assert answer.output_text == "Hello world"
        assert answer.usage is not None
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (2, 2)

    @pytest.mark.parametrize("stages", [(), (Looker(),)])
    async def test_stream(self, stages) -> None:
        async with sdk(*stages) as client, client.responses.stream(model="echo-reasoning", input="Hello") as stream:
            kinds = [event.type async for event in stream]
            answer = await stream.get_final_response()
        assert [item.type for item in answer.output] == ["reasoning", "message"]
        assert answer.output_text == "Hello"
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.completed"

    async def test_tools(self) -> None:
        async with sdk() as client:
            first = await client.responses.create(model="echo-tools", input="Oslo", tools=[WEATHER])
            call = first.output[0]
            assert call.type == "function_call"
            assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Oslo"})
            result = {"type": "function_call_output", "call_id": call.call_id, "output": "14 degrees"}
            second = await client.responses.create(
                model="echo-tools",
                input=[{"role": "user", "content": "Oslo"}, call.to_dict(), result],
                tools=[WEATHER],
            )
        assert second.output_text == "get_weather said: 14 degrees"

    async def test_several_calls(self) -> None:
        async with sdk() as client:
            answer = await client.responses.create(model="echo-tools-parallel", input="Oslo", tools=[WEATHER])
        assert [item.type for item in answer.output] == ["function_call", "function_call"]

    async def test_custom_tools(self) -> None:
        tool = {"type": "custom", "name": "apply_patch", "description": "Patches."}
        async with sdk() as client:
            answer = await client.responses.create(
                model="echo", input="[[call apply_patch *** Begin\n+x\n*** End]]", tools=[tool]
            )
        call = answer.output[0]
        assert call.type == "custom_tool_call"
        assert (call.name, call.input) == ("apply_patch", "*** Begin\n+x\n*** End")

    async def test_namespaced_tools(self) -> None:
        tools = [{"type": "namespace", "name": "mcp__demo", "description": "", "tools": [{**WEATHER, "name": "add"}]}]
        async with served() as home:
            _, _, body = await home.ask(model="echo", input='[[call add {"city":"Rom"}]]', tools=tools)
        call = json.loads(body)["output"][0]
        assert (call["type"], call["name"], call["namespace"]) == ("function_call", "add", "mcp__demo")

    async def test_structured_output(self) -> None:
        class Person(BaseModel):
            name: str
            age: int

        async with sdk() as client:
            answer = await client.responses.parse(model="echo", input="name=Ada is 36", text_format=Person)
        assert answer.output_parsed == Person(name="Ada", age=36)

    async def test_refusal_and_length(self) -> None:
        async with sdk() as client:
            refused = await client.responses.create(model="echo-refusal", input="x")
            cut = await client.responses.create(model="echo-length", input="a b c d")
        assert refused.output[0].content[0].type == "refusal"
        assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
        assert cut.output_text == "a b"

    @pytest.mark.parametrize(
        ("model", "kind"),
        [
            ("echo-error-400", openai.BadRequestError),
            ("echo-error-429", openai.RateLimitError),
            ("echo-error-503", openai.InternalServerError),
        ],
    )
    async def test_errors(self, model, kind) -> None:
        async with sdk() as client:
            with pytest.raises(kind):
                await client.responses.create(model=model, input="x")

    @pytest.mark.parametrize("model", ["echo-stream-error", "echo-cut"])
    async def test_failures_in_the_stream(self, model) -> None:
        kinds = []

        async def read(stream: Any) -> None:
            async for event in stream:
                kinds.append(event.type)

        async with sdk() as client:
            stream = await client.responses.create(model=model, input="a b c d", stream=True)
            with pytest.raises(openai.APIError, match=r"broke off|closed the connection"):
                await read(stream)
        assert kinds.count("response.output_text.delta") == 2

    async def test_an_agent_run_of_several_steps(self) -> None:
        script = "[[step say Looking.]] [[call get_weather Rom]] [[step call get_weather Oslo]] [[step say done]]"
        history: list[Any] = [{"role": "user", "content": script}]
        said: list[Any] = []
        async with sdk() as client:
            for _ in range(3):
                answer = await client.responses.create(model="echo", input=history, tools=[WEATHER], store=False)
                for item in answer.output:
                    history.append(item.to_dict())
                    if item.type == "function_call":
                        said.append(json.loads(item.arguments)["city"])
                        history.append({"type": "function_call_output", "call_id": item.call_id, "output": "ok"})
                    else:
                        said.append(item.content[0].text)
        assert said == ["Looking.", "Rom", "Oslo", "done"]


class TestChat:
    """The chat route: passed through, and with a stage that looks at events."""

    @pytest.mark.parametrize("stages", [(), (Looker(),)])
    @pytest.mark.parametrize("usage", [True, False])
    async def test_stream(self, stages, usage) -> None:
        async with served(*stages) as home:
            status, headers, body = await home.ask(
                "/chat/completions",
                model="echo-tools",
                stream=True,
                tools=[CHAT_WEATHER],
                stream_options={"include_usage": usage},
            )
            exchange = await home.settled()
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        snapshot = accumulate(body)
        assert snapshot.choices[0].finish_reason == "tool_calls"
        assert snapshot.choices[0].message.tool_calls[0].function.arguments == '{"city":"hi"}'
        assert (snapshot.usage is not None) is usage
        assert any(not one["choices"] for one in chunks(body)) is usage
        assert exchange.outcome == "completed"
        assert exchange.usage is not None

    @pytest.mark.parametrize("stages", [(), (Looker(),)])
    async def test_whole(self, stages) -> None:
        async with sdk(*stages) as client:
            answer = await client.chat.completions.create(
                model="echo", messages=[{"role": "user", "content": "Hello world"}]
            )
        assert answer.choices[0].message.content == "Hello world"
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 2

    @pytest.mark.parametrize("stages", [(), (Looker(),)])
    async def test_the_stream_helper_of_the_sdk(self, stages) -> None:
        class Person(BaseModel):
            name: str

        async with (
            sdk(*stages) as client,
            client.chat.completions.stream(
                model="echo", messages=[{"role": "user", "content": "name=Ada"}], response_format=Person
            ) as stream,
        ):
            kinds = {event.type async for event in stream}
            answer = await stream.get_final_completion()
        assert answer.choices[0].message.parsed == Person(name="Ada")
        assert {"chunk", "content.delta", "content.done"} <= kinds

    @pytest.mark.parametrize("stages", [(), (Looker(),)])
    @pytest.mark.parametrize("model", ["echo-stream-error", "echo-cut"])
    async def test_failures_in_the_stream(self, stages, model) -> None:
        async with served(*stages) as home:
            status, _, body = await home.ask(
                "/chat/completions", model=model, stream=True, messages=[{"role": "user", "content": "a b c d"}]
            )
            exchange = await home.settled()
        found = payloads(body)
        assert status == 200
        assert set(json.loads(found[-1])) == {"error"}
        assert b"[DONE]" not in found
        assert exchange.outcome == "failed"

    @pytest.mark.parametrize("stages", [(), (Looker(),)])
    async def test_errors(self, stages) -> None:
        async with sdk(*stages) as client:
            with pytest.raises(openai.RateLimitError) as caught:
                await client.chat.completions.create(
                    model="echo-error-429", messages=[{"role": "user", "content": "x"}], stream=True
                )
        assert caught.value.response.headers["retry-after"] == "1"

    async def test_several_answers_are_refused_where_somebody_looks(self) -> None:
        async with served(Looker()) as home:
            status, _, body = await home.ask("/chat/completions", model="echo", n=2)
        assert status == 400
        assert json.loads(body)["error"]["param"] == "n"


@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
async def test_a_client_that_leaves_ends_the_answer(path) -> None:
    echo = Echo("echo", EchoConfig())
    async with house(echo, models={"*": [Deployment(echo, "*")]}) as home:
        messages = [{"role": "user", "content": "a b c d"}]
        reader, writer = await home.connect("/v1" + path, model="echo-stall", input="a b c d", messages=messages)
        assert b"200" in await asyncio.wait_for(reader.readline(), 5)
        assert len(echo.client.open) == 1
        writer.close()
        exchange = await home.settled()
        assert exchange.outcome == "cancelled"
        assert echo.client.open == set()


@pytest.mark.parametrize("path", ["/responses", "/chat/completions"])
async def test_no_other_name_is_answered(path) -> None:
    async with served() as home:
        status, _, body = await home.ask(path, model="gpt-4o")
    assert status in (400, 404)
    assert json.loads(body)["error"]["code"] == "model_not_found"
