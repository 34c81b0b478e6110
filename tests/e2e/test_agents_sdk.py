"""The Agents SDK against `penstock serve` on the echo upstream: tools, handoffs, streams."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from agents import Agent, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

from tests.support.serving import Served, serving

set_tracing_disabled(True)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as running:
        yield running


@pytest.fixture
def model(served: Served) -> OpenAIResponsesModel:
    return OpenAIResponsesModel("echo", AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0))


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"{city}: 7 degrees, rain"


async def test_an_agent_uses_a_tool(model: OpenAIResponsesModel) -> None:
    agent = Agent(name="weather", instructions="Answer briefly.", model=model, tools=[get_weather])
    result = await Runner.run(agent, '[[step call get_weather {"city": "Oslo"}]]')
    assert "Oslo: 7 degrees, rain" in result.final_output


async def test_an_agent_uses_tools_in_a_stream(model: OpenAIResponsesModel) -> None:
    agent = Agent(name="weather", model=model, tools=[get_weather])
    script = '[[step reasoning Which?]] [[call get_weather {"city": "Rom"}]] [[call get_weather {"city": "Ulm"}]]'
    result = Runner.run_streamed(agent, f"{script} [[step say All known.]]")
    kinds = [event.type async for event in result.stream_events()]
    assert result.final_output == "All known."
    outputs = [str(item.output) for item in result.new_items if item.type == "tool_call_output_item"]
    assert outputs == ["Rom: 7 degrees, rain", "Ulm: 7 degrees, rain"]
    assert "raw_response_event" in kinds


async def test_an_agent_hands_over(model: OpenAIResponsesModel) -> None:
    expert = Agent(name="expert", model=model)
    front = Agent(name="front", model=model, handoffs=[expert])
    result = await Runner.run(front, "[[step call transfer_to_expert]] [[step say I am the expert.]]")
    assert result.final_output == "I am the expert."
    assert result.last_agent.name == "expert"
