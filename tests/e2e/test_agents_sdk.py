"""The Agents SDK against `penstock serve` on the echo upstream: tools, handoffs, streams, and history kept there.

It is heavy, and this file alone imports it: when its tests run, not when they are found.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.support.serving import Served


@pytest.fixture(scope="module")
def sdk() -> ModuleType:
    import agents

    agents.set_tracing_disabled(True)
    return agents


@pytest.fixture(scope="module")
def tools(sdk: ModuleType) -> list[Any]:
    def get_weather(city: str) -> str:
        """The weather of a city."""
        return f"{city}: 7 degrees, rain"

    return [sdk.function_tool(get_weather)]


@pytest.fixture
async def asking(served: Served) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def agent(sdk: ModuleType, asking: AsyncOpenAI, tools: list[Any]) -> Any:
    model = sdk.OpenAIResponsesModel("echo", asking)
    return sdk.Agent(name="weather", instructions="Answer briefly.", model=model, tools=tools)


async def test_an_agent_uses_a_tool(sdk: ModuleType, agent: Any) -> None:
    result = await sdk.Runner.run(agent, '[[step call get_weather {"city": "Oslo"}]]')
    assert "Oslo: 7 degrees, rain" in result.final_output


async def test_an_agent_uses_tools_in_a_stream(sdk: ModuleType, agent: Any) -> None:
    script = '[[step reasoning Which?]] [[call get_weather {"city": "Rom"}]] [[call get_weather {"city": "Ulm"}]]'
    result = sdk.Runner.run_streamed(agent, f"{script} [[step say All known.]]")
    kinds = [event.type async for event in result.stream_events()]
    assert result.final_output == "All known."
    outputs = [str(item.output) for item in result.new_items if item.type == "tool_call_output_item"]
    assert outputs == ["Rom: 7 degrees, rain", "Ulm: 7 degrees, rain"]
    assert "raw_response_event" in kinds


async def test_an_agent_hands_over(sdk: ModuleType, agent: Any) -> None:
    expert = sdk.Agent(name="expert", model=agent.model)
    front = sdk.Agent(name="front", model=agent.model, handoffs=[expert])
    result = await sdk.Runner.run(front, "[[step call transfer_to_expert]] [[step say I am the expert.]]")
    assert result.final_output == "I am the expert."
    assert result.last_agent.name == "expert"


async def test_an_agent_lets_the_server_keep_its_history(sdk: ModuleType, agent: Any) -> None:
    ask = '[[step call get_weather {"city": "Oslo"}]]'
    first = await sdk.Runner.run(agent, ask, auto_previous_response_id=True)
    assert "Oslo: 7 degrees, rain" in first.final_output
    second = await sdk.Runner.run(agent, "and now?", previous_response_id=first.last_response_id)
    assert second.final_output == "and now?"


async def test_an_agent_over_a_websocket(sdk: ModuleType, asking: AsyncOpenAI, tools: list[Any]) -> None:
    model = sdk.OpenAIResponsesWSModel("echo", asking)
    agent = sdk.Agent(name="weather", model=model, tools=tools)
    ask = '[[step call get_weather {"city": "Oslo"}]]'
    found = await sdk.Runner.run(agent, ask, auto_previous_response_id=True)
    assert "Oslo: 7 degrees, rain" in found.final_output
    streamed = sdk.Runner.run_streamed(agent, "and now?", previous_response_id=found.last_response_id)
    kinds = [event.data.type async for event in streamed.stream_events() if event.type == "raw_response_event"]
    assert streamed.final_output == "and now?"
    assert kinds[0] == "response.created"
    await model.close()


async def test_an_agent_keeps_its_session_here(sdk: ModuleType, agent: Any, asking: AsyncOpenAI) -> None:
    session = sdk.OpenAIConversationsSession(openai_client=asking)
    first = await sdk.Runner.run(agent, '[[step call get_weather {"city": "Oslo"}]]', session=session)
    assert "Oslo: 7 degrees, rain" in first.final_output
    again = sdk.OpenAIConversationsSession(conversation_id=session.session_id, openai_client=asking)
    second = await sdk.Runner.run(agent, "and now?", session=again)
    assert second.final_output == "and now?"
    kinds = [item.get("type") for item in await again.get_items()]
    assert kinds == ["message", "function_call", "function_call_output", "message", "message", "message"]
    popped: Any = await again.pop_item()
    assert popped["content"][0]["text"] == "and now?"
    assert len(await again.get_items()) == 5
    assert [one.get("type") for one in await again.get_items(limit=2)] == ["message", "message"]
    await again.add_items([{"role": "user", "content": f"{n}"} for n in range(45)])
    assert len(await session.get_items()) == 50
    await session.clear_session()
    with pytest.raises(openai.NotFoundError):
        await again.get_items()


async def test_an_agent_lets_the_server_keep_a_conversation(sdk: ModuleType, agent: Any, asking: AsyncOpenAI) -> None:
    id = (await asking.conversations.create()).id
    first = await sdk.Runner.run(agent, '[[step call get_weather {"city": "Rom"}]]', conversation_id=id)
    assert "Rom: 7 degrees, rain" in first.final_output
    streamed = sdk.Runner.run_streamed(agent, "and now?", conversation_id=id)
    assert [event.type async for event in streamed.stream_events()][-1] == "run_item_stream_event"
    assert streamed.final_output == "and now?"
    kinds = [item.type async for item in asking.conversations.items.list(id, order="asc")]
    assert kinds == ["message", "function_call", "function_call_output", "message", "message", "message"]


async def test_agents_that_share_a_conversation_wait_for_each_other(sdk: ModuleType, asking: AsyncOpenAI) -> None:
    """The Agents SDK takes 400 `conversation_locked`, and nothing else, for a reason to wait and ask again."""
    agent = sdk.Agent(name="one of two", model=sdk.OpenAIResponsesModel("echo", asking))
    id = (await asking.conversations.create()).id
    runs = (sdk.Runner.run(agent, f"{n} [[head_s=0.3]]", conversation_id=id) for n in range(2))
    outputs = {result.final_output.split()[0] for result in await asyncio.gather(*runs)}
    assert outputs == {"0", "1"}
    assert len((await asking.conversations.items.list(id)).data) == 4
