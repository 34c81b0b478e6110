"""Clients of both APIs against `penstock serve`, whose upstream is another `penstock serve` that speaks Responses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.support.grammar import check_stream
from tests.support.responses_streams import LOOSE
from tests.support.serving import Served, serving

FRONT = """
listen: 127.0.0.1:0
upstreams:
  back: {{kind: openai-compatible, base_url: {url}, api: {api}}}
models:
  "*": [back/*]
stores:
  responses: {{kind: sqlite, path: ./front.db}}
pipeline:
{extra}  - route
  - stream-translate
"""
GUARD = """  - guardrail:
      rules:
        - {name: secret, match: words, words: [Ruritania], scan: [output], action: mask}
"""


@pytest.fixture(scope="module")
def back() -> Iterator[Served]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module", params=["passed on", "looked at"])
def front(back: Served, request: Any) -> Iterator[Served]:
    extra = GUARD if request.param == "looked at" else ""
    with serving(config=FRONT.format(url=back.url, api="responses", extra=extra)) as running:
        yield running


@pytest.fixture(scope="module")
def client(front: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=front.url, api_key="none", max_retries=0) as made:
        yield made


TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "get_weather", "parameters": TOOL["parameters"]}}


def test_a_response(client: OpenAI) -> None:
    made = client.responses.create(model="echo", input="hello there")
    assert made.status == "completed"
    assert "hello there" in made.output_text
    assert (made.model, made.usage is not None) == ("echo", True)
    assert client.responses.retrieve(made.id).output == made.output
    assert [item.type for item in client.responses.input_items.list(made.id)] == ["message"]


def test_a_stream(client: OpenAI) -> None:
    with client.responses.stream(model="echo-reasoning", input="one two three") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert "response.reasoning_text.delta" in kinds
    assert "one two three" in final.output_text
    kept = client.responses.retrieve(final.id)
    assert [item.id for item in kept.output] == [item.id for item in final.output]
    assert kept.output_text == final.output_text


def test_the_bytes_of_a_stream(client: OpenAI) -> None:
    body = {"model": "echo-tools", "input": '[[call get_weather {"city": "Rom"}]]', "tools": [TOOL], "stream": True}
    raw = client.post("/responses", body=body, cast_to=str)
    assert isinstance(raw, str)
    said = check_stream(raw.encode(), profile=LOOSE)
    assert said.calls == [("get_weather", '{"city":"Rom"}')]


def test_a_chain_with_tools(client: OpenAI) -> None:
    script = '[[step call get_weather {"city": "Oslo"}]] [[step say Cold.]]'
    first = client.responses.create(model="echo", input=script, tools=[TOOL])
    call = first.output[-1]
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"city": "Oslo"}
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "-7 degrees"}
    second = client.responses.create(model="echo", previous_response_id=first.id, input=[output], tools=[TOOL])
    assert second.output_text == "Cold."
    assert second.previous_response_id == first.id
    third = client.responses.create(model="echo", previous_response_id=second.id, input="and now?", store=False)
    assert "and now?" in third.output_text
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(third.id)


def test_background(client: OpenAI) -> None:
    made = client.responses.create(model="echo", input="later", background=True, stream=True)
    kinds = []
    for event in made:
        kinds.append(event.type)
        last = event
    assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]
    assert last.type == "response.completed"
    assert "later" in last.response.output_text
    again = [event.type for event in client.responses.retrieve(last.response.id, stream=True, starting_after=2)]
    assert again == kinds[3:]


def test_an_error_of_the_upstream(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="echo", input="x", previous_response_id="resp_none")
    with pytest.raises(openai.APIStatusError) as caught:
        client.responses.create(model="no-such-model", input="x")
    assert caught.value.status_code in (400, 404)


def test_a_failure_in_the_stream(client: OpenAI) -> None:
    stream = client.responses.create(model="echo", input="[[say some of it]] [[stream_error 2]]", stream=True)
    with pytest.raises(openai.APIError):
        for _ in stream:
            pass


def test_a_chat_completion(client: OpenAI) -> None:
    made = client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "hello chat"}])
    assert "hello chat" in (made.choices[0].message.content or "")
    assert made.choices[0].finish_reason == "stop"
    assert made.usage is not None


def test_a_chat_stream(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="echo-reasoning",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello chat"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    thought = "".join(
        getattr(chunk.choices[0].delta, "reasoning_content", None) or "" for chunk in chunks if chunk.choices
    )
    assert "hello chat" in text
    assert thought
    assert chunks[-1].usage is not None
    assert chunks[-2].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_answer_ends_where_the_client_says(client: OpenAI, stream: bool) -> None:
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "[[say one two three four]]"}], "stop": "three"}
    if not stream:
        made = client.chat.completions.create(model="echo", **asked)
        assert (made.choices[0].message.content, made.choices[0].finish_reason) == ("one two ", "stop")
        return
    chunks = list(client.chat.completions.create(model="echo", stream=True, **asked))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two "
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_tool_loop_of_a_chat_client(client: OpenAI) -> None:
    script = '[[step call get_weather {"city": "Ulm"}]] [[step say Mild.]]'
    messages: list[Any] = [{"role": "user", "content": script}]
    first = client.chat.completions.create(model="echo", messages=messages, tools=[CHAT_TOOL])
    assert first.choices[0].finish_reason == "tool_calls"
    message = first.choices[0].message
    assert message.tool_calls
    call: Any = message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Ulm"})
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}]
    second = client.chat.completions.create(model="echo", messages=messages, tools=[CHAT_TOOL])
    assert second.choices[0].message.content == "Mild."


def test_what_chat_cannot_say_over_it(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="'n' must be 1"):
        client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "x"}], n=2)
    made = client.chat.completions.with_raw_response.create(
        model="echo", messages=[{"role": "user", "content": "x"}], seed=1
    )
    assert made.headers["x-penstock-ignored-params"] == "seed"


def test_the_upstream_is_told_to_keep_nothing(back: Served, client: OpenAI) -> None:
    made = client.responses.create(model="echo", input="private")
    direct = OpenAI(base_url=back.url, api_key="none", max_retries=0)
    with pytest.raises(openai.NotFoundError):
        direct.responses.retrieve(made.id)
