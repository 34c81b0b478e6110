"""The `openai` SDK over a real socket against `penstock serve` on the echo upstream."""

from __future__ import annotations

import json
from typing import Any

import openai
import pydantic
import pytest
from openai import OpenAI

from tests.support.serving import Served, serving

WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


def test_create(client: OpenAI) -> None:
    response = client.responses.create(model="echo", input="Hello, river.")
    assert response.output_text == "Hello, river."
    assert response.status == "completed"
    assert response.model == "echo"
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0


def test_create_as_a_stream(client: OpenAI) -> None:
    events = list(client.responses.create(model="echo", input="Hello, river.", stream=True))
    assert [event.type for event in events][:2] == ["response.created", "response.in_progress"]
    assert events[-1].type == "response.completed"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "Hello, river."
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_the_stream_helper(client: OpenAI) -> None:
    with client.responses.stream(model="echo-reasoning", input="Think of a river.") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert "response.reasoning_text.delta" in kinds
    assert [item.type for item in final.output] == ["reasoning", "message"]
    assert final.output_text == "Think of a river."


def test_parse_gives_typed_output(client: OpenAI) -> None:
    class Place(pydantic.BaseModel):
        name: str
        population: int

    response = client.responses.parse(model="echo", input="Oslo", text_format=Place)
    assert isinstance(response.output_parsed, Place)


def test_a_tool_loop(client: OpenAI) -> None:
    history: list[Any] = [{"role": "user", "content": "What is the weather in Oslo?"}]
    first = client.responses.create(model="echo-tools", input=history, tools=[WEATHER])  # type: ignore[list-item]
    call = first.output[0]
    assert call.type == "function_call"
    assert call.name == "get_weather"
    assert "city" in json.loads(call.arguments)
    history += first.output
    history.append({"type": "function_call_output", "call_id": call.call_id, "output": "7 degrees, rain"})
    second = client.responses.create(model="echo-tools", input=history, tools=[WEATHER])  # type: ignore[list-item]
    assert "7 degrees, rain" in second.output_text


def test_parallel_tools_in_a_stream(client: OpenAI) -> None:
    other = {**WEATHER, "name": "get_time"}
    with client.responses.stream(model="echo-tools-parallel", input="Oslo?", tools=[WEATHER, other]) as stream:  # type: ignore[list-item]
        final = stream.get_final_response()
    assert sorted(item.name for item in final.output if item.type == "function_call") == ["get_time", "get_weather"]


def test_a_custom_tool_streams_its_raw_input(client: OpenAI) -> None:
    tool: Any = {"type": "custom", "name": "run", "description": "Runs code."}
    text = 'print("a\\n")\nprint(1)'
    events = list(client.responses.create(model="echo", input=f"[[[call run {text}]]]", tools=[tool], stream=True))
    deltas = [event.delta for event in events if event.type == "response.custom_tool_call_input.delta"]
    item = next(event.item for event in events if event.type == "response.output_item.done")
    assert item.type == "custom_tool_call"
    assert item.input == "".join(deltas) == text


def test_a_refusal(client: OpenAI) -> None:
    response = client.responses.create(model="echo-refusal", input="no")
    part = response.output[0].content[0]  # type: ignore[union-attr,index]
    assert part.type == "refusal"
    assert response.status == "completed"


def test_a_cut_by_length(client: OpenAI) -> None:
    response = client.responses.create(model="echo-length", input="one two three four")
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("echo-error-400", openai.BadRequestError),
        ("echo-error-404", openai.APIStatusError),
        ("echo-error-429", openai.RateLimitError),
        ("echo-error-500", openai.InternalServerError),
        ("echo-error-503", openai.InternalServerError),
        ("no-such-model", openai.BadRequestError),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_errors_have_their_classes(client: OpenAI, model: str, kind: type[openai.APIStatusError], stream: bool) -> None:
    with pytest.raises(kind) as caught:
        client.responses.create(model=model, input="x", stream=stream)
    assert caught.value.request_id
    assert isinstance(caught.value.body, dict)
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    if kind is openai.RateLimitError:
        assert int(caught.value.response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("model", ["echo-stream-error", "echo-cut"])
def test_a_failure_in_the_stream_is_raised(client: OpenAI, model: str) -> None:
    with pytest.raises(openai.APIError):
        list(client.responses.create(model=model, input="one two three four five", stream=True))


def test_models(client: OpenAI) -> None:
    assert "echo" in [model.id for model in client.models.list()]
    assert client.models.retrieve("echo").id == "echo"


def test_chat_completions(client: OpenAI) -> None:
    said: Any = [{"role": "user", "content": "Hello, river."}]
    answer = client.chat.completions.create(model="echo", messages=said)
    assert answer.choices[0].message.content == "Hello, river."
    chunks = list(client.chat.completions.create(model="echo", messages=said, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello, river."
    assert all(chunk.usage is None for chunk in chunks)
    asked = list(
        client.chat.completions.create(model="echo", messages=said, stream=True, stream_options={"include_usage": True})
    )
    assert asked[-1].usage is not None


def test_reasoning_comes_back_sealed_when_it_is_asked_for(client: OpenAI) -> None:
    response = client.responses.create(
        model="echo-reasoning", input="Think.", include=["reasoning.encrypted_content"], store=False
    )
    assert response.output[0].type == "reasoning"
    assert response.output[0].encrypted_content
    plain = client.responses.create(model="echo-reasoning", input="Think.")
    assert "encrypted_content" not in plain.output[0].to_dict()


def test_one_penstock_in_front_of_another(served: Served) -> None:
    with serving("--upstream", served.url) as front, OpenAI(base_url=front.url, api_key="x", max_retries=0) as client:
        with client.responses.stream(model="echo", input="Two hops.") as stream:
            assert stream.get_final_response().output_text == "Two hops."
        assert client.responses.create(model="echo", input="Two hops.").output_text == "Two hops."
        assert "echo" in [model.id for model in client.models.list()]
        with pytest.raises(openai.RateLimitError):
            client.responses.create(model="echo-error-429", input="x")
