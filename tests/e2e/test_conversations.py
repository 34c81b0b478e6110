"""Conversations by the `openai` SDK against `penstock serve`: over restarts, workers, kills and keys."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.support.fresh import fresh_async
from tests.support.serving import KEEPING, serving

ANN, BOB = "pk-ann-0123456789abcdef", "pk-bob-0123456789abcdef"
KEYS = f"keys: [{{id: ann, key: {ANN}}}, {{id: bob, key: {BOB}}}]\n"


def said(client: OpenAI, id: str, **options: Any) -> list[str]:
    """Returns the texts of a conversation's messages, the oldest first."""
    items = client.conversations.items.list(id, order="asc", **options)
    return [item.content[0].text for item in items if item.type == "message"]  # type: ignore[union-attr]


def test_the_life_of_a_conversation(client: OpenAI) -> None:
    made = client.conversations.create(metadata={"topic": "tea"}, items=[{"role": "user", "content": "zero"}])
    assert client.conversations.retrieve(made.id) == made
    changed = client.conversations.update(made.id, metadata={"topic": "milk"})
    assert (changed.id, changed.metadata) == (made.id, {"topic": "milk"})
    added = client.conversations.items.create(
        made.id, items=[{"role": "assistant", "content": "one"}, {"role": "user", "content": "two"}]
    )
    assert (len(added.data), added.has_more, added.last_id) == (2, False, added.data[1].id)
    one = client.conversations.items.retrieve(added.first_id, conversation_id=made.id)
    assert one == added.data[0]
    assert one.content[0].type == "output_text"  # type: ignore[union-attr]
    assert said(client, made.id) == ["zero", "one", "two"]
    assert client.conversations.items.delete(added.first_id, conversation_id=made.id).id == made.id
    assert said(client, made.id) == ["zero", "two"]
    assert client.conversations.delete(made.id).deleted
    for ask in (client.conversations.retrieve, client.conversations.delete, client.conversations.items.list):
        with pytest.raises(openai.NotFoundError):
            ask(made.id)


def test_pages_lead_through_all_items(client: OpenAI) -> None:
    made = client.conversations.create(items=[{"role": "user", "content": f"{n}"} for n in range(20)])
    client.conversations.items.create(made.id, items=[{"role": "user", "content": f"{n}"} for n in range(20, 33)])
    assert said(client, made.id, limit=7) == [f"{n}" for n in range(33)]
    newest = list(client.conversations.items.list(made.id, limit=10))
    assert len({item.id for item in newest}) == 33
    assert newest[0].content[0].text == "32"  # type: ignore[union-attr]
    page = client.conversations.items.list(made.id, limit=33)
    assert (len(page.data), page.has_more, page.has_next_page()) == (33, False, False)
    with pytest.raises(openai.BadRequestError):
        client.conversations.items.create(made.id, items=[{"role": "user", "content": "x"}] * 21)


def test_responses_become_part_of_their_conversation(client: OpenAI) -> None:
    made = client.conversations.create()
    first = client.responses.create(model="echo", input="a", conversation=made.id)
    assert first.conversation is not None
    assert first.conversation.id == made.id
    with client.responses.stream(model="echo", input="b", conversation={"id": made.id}) as stream:
        second = stream.get_final_response()
    again = client.responses.retrieve(second.id)
    assert (again.output_text, again.conversation) == ("b", second.conversation)
    assert said(client, made.id) == ["a", "a", "b", "b"]
    ids = [item.id for item in client.conversations.items.list(made.id, order="asc")]
    asked = [client.responses.input_items.list(one.id).data[0].id for one in (first, second)]
    assert ids == [asked[0], first.output[0].id, asked[1], second.output[0].id]
    client.responses.delete(first.id)
    assert len(said(client, made.id)) == 4


def test_a_tool_is_called_and_answered(client: OpenAI) -> None:
    made = client.conversations.create()
    first = client.responses.create(
        model="echo-tools",
        input="[[step call f]] [[step say found it]]",
        conversation=made.id,
        tools=[{"type": "function", "name": "f", "parameters": {}, "strict": False}],
    )
    call = first.output[0]
    assert call.type == "function_call"
    with pytest.raises(openai.BadRequestError, match=call.call_id):
        client.responses.create(model="echo-tools", input="never mind", conversation=made.id)
    second = client.responses.create(
        model="echo-tools",
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "42"}],
        conversation=made.id,
    )
    assert second.output_text == "found it"
    kinds = [item.type for item in client.conversations.items.list(made.id, order="asc")]
    assert kinds == ["message", "function_call", "function_call_output", "message"]


def test_a_conversation_goes_on_after_a_restart(tmp_path: Path) -> None:
    with serving(config=KEEPING, directory=tmp_path) as one, OpenAI(base_url=one.url, api_key="x") as client:
        made = client.conversations.create(metadata={"topic": "tea"})
        client.responses.create(model="echo", input="a", conversation=made.id)
    with serving(config=KEEPING, directory=tmp_path) as two, OpenAI(base_url=two.url, api_key="x") as client:
        assert client.conversations.retrieve(made.id) == made
        client.responses.create(model="echo", input="b", conversation=made.id)
        assert said(client, made.id) == ["a", "a", "b", "b"]


async def test_the_next_turn_may_come_at_once_and_on_any_worker(tmp_path: Path) -> None:
    with serving("--workers", "2", config=KEEPING, directory=tmp_path) as served:

        async def talk(number: int) -> list[str]:
            # a client of its own each turn: a connection of its own, on whichever worker takes it
            id = None
            for turn in range(4):
                async with fresh_async(served) as client:
                    id = id or (await client.conversations.create()).id
                    stream = await client.responses.create(
                        model="echo", input=f"{number}.{turn}", stream=True, conversation=id
                    )
                    async for event in stream:
                        if event.type == "response.completed":
                            break
            async with fresh_async(served) as client:
                items = client.conversations.items.list(id or "", order="asc")
                return [item.content[0].text async for item in items]  # type: ignore[union-attr]

        for number, found in enumerate(await asyncio.gather(*map(talk, range(6)))):
            assert found == [f"{number}.{turn}" for turn in range(4) for _ in range(2)]


async def test_who_comes_while_another_writes_has_to_wait(tmp_path: Path) -> None:
    with serving("--workers", "2", config=KEEPING, directory=tmp_path) as served:
        async with AsyncOpenAI(base_url=served.url, api_key="x", max_retries=0) as client:
            id = (await client.conversations.create()).id
            stream = await client.responses.create(model="echo", input="a [[stall]]", conversation=id, stream=True)
            created = await anext(aiter(stream))

            async def ask(number: int) -> str | None:
                async with AsyncOpenAI(base_url=served.url, api_key="x", max_retries=0) as own:
                    with pytest.raises(openai.BadRequestError) as caught:
                        await own.responses.create(model="echo", input=f"{number}", conversation=id)
                    with pytest.raises(openai.BadRequestError):
                        await own.conversations.items.create(id, items=[{"role": "user", "content": "x"}])
                    return caught.value.code

            assert await asyncio.gather(*map(ask, range(6))) == ["conversation_locked"] * 6
            assert created.type == "response.created"
            await client.responses.cancel(created.response.id)
            await client.responses.create(model="echo", input="b", conversation=id)
            texts = [item.content[0].text async for item in client.conversations.items.list(id)]  # type: ignore[union-attr]
            assert texts == ["b", "b"]


async def test_a_killed_worker_does_not_keep_a_conversation(tmp_path: Path) -> None:
    with serving(config=KEEPING, directory=tmp_path) as one:
        async with AsyncOpenAI(base_url=one.url, api_key="x", max_retries=0) as client:
            id = (await client.conversations.create(items=[{"role": "user", "content": "zero"}])).id
            stream = await client.responses.create(model="echo", input="a [[stall]]", conversation=id, stream=True)
            assert (await anext(aiter(stream))).type == "response.created"
            os.kill(one.process.pid, signal.SIGKILL)
            one.process.wait(10)
    with serving(config=KEEPING, directory=tmp_path) as two:
        async with AsyncOpenAI(base_url=two.url, api_key="x", max_retries=0) as client:
            await client.responses.create(model="echo", input="b", conversation=id)
            texts = [item.content[0].text async for item in client.conversations.items.list(id, order="asc")]  # type: ignore[union-attr]
            assert texts == ["zero", "b", "b"]


def test_keys_do_not_see_each_others_conversations(tmp_path: Path) -> None:
    (tmp_path / "keys.yaml").write_text(KEYS)
    config = KEEPING.replace("pipeline:\n", "pipeline:\n  - auth: {keys: ./keys.yaml}\n")
    with (
        serving(config=config, directory=tmp_path) as served,
        OpenAI(base_url=served.url, api_key=ANN, max_retries=0) as ann,
        OpenAI(base_url=served.url, api_key=BOB, max_retries=0) as bob,
        OpenAI(base_url=served.url, api_key="pk-nobody", max_retries=0) as nobody,
    ):
        made = ann.conversations.create(items=[{"role": "user", "content": "secret"}])
        for ask in (bob.conversations.retrieve, bob.conversations.delete, bob.conversations.items.list):
            with pytest.raises(openai.NotFoundError):
                ask(made.id)
        with pytest.raises(openai.NotFoundError):
            bob.conversations.items.create(made.id, items=[{"role": "user", "content": "x"}])
        with pytest.raises(openai.NotFoundError):
            bob.responses.create(model="echo", input="x", conversation=made.id)
        with pytest.raises(openai.AuthenticationError):
            nobody.conversations.create()
        assert said(ann, made.id) == ["secret"]
