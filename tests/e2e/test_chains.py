"""Responses that are kept, by the `openai` SDK against `penstock serve`: over restarts and workers too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from tests.support.fresh import fresh_async
from tests.support.serving import KEEPING, serving


def test_retrieve_input_items_and_delete(client: OpenAI) -> None:
    items = [
        {"role": "user", "content": "one"},
        {"role": "user", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    made = client.responses.create(model="echo", input=items)  # type: ignore[arg-type]
    assert client.responses.retrieve(made.id) == made
    listed = list(client.responses.input_items.list(made.id, limit=1, order="asc"))
    assert [item.content[0].text for item in listed] == ["one", "two", "three"]  # type: ignore[union-attr]
    client.responses.delete(made.id)
    for ask in (client.responses.retrieve, client.responses.delete, client.responses.input_items.list):
        with pytest.raises(openai.NotFoundError):
            ask(made.id)


def test_a_chain_by_the_stream_helper(client: OpenAI) -> None:
    previous = None
    for turn in range(4):
        with client.responses.stream(
            model="echo", input=f"turn {turn}", previous_response_id=previous or openai.omit
        ) as stream:
            final = stream.get_final_response()
        assert final.output_text == f"turn {turn}"
        previous = final.id
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="echo", input="x", previous_response_id="resp_none")
    assert caught.value.code == "previous_response_not_found"


def test_a_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    with serving(config=KEEPING, directory=tmp_path) as one, OpenAI(base_url=one.url, api_key="x") as client:
        first = client.responses.create(
            model="echo-tools",
            input="[[step call f]] [[step say found it]]",
            tools=[{"type": "function", "name": "f", "parameters": {}, "strict": False}],
        )
    call = first.output[0]
    assert call.type == "function_call"
    with serving(config=KEEPING, directory=tmp_path) as two, OpenAI(base_url=two.url, api_key="x") as client:
        assert client.responses.retrieve(first.id).output == first.output
        second = client.responses.create(
            model="echo-tools",
            input=[{"type": "function_call_output", "call_id": call.call_id, "output": "42"}],
            previous_response_id=first.id,
        )
    assert second.output_text == "found it"


def test_two_hundred_turns_a_restart_and_a_branch(tmp_path: Path) -> None:
    ids: list[str] = []
    for begin in (0, 100):
        with serving(config=KEEPING, directory=tmp_path) as served, OpenAI(base_url=served.url, api_key="x") as client:
            for turn in range(begin, begin + 100):
                made = client.responses.create(
                    model="echo", input=f"turn {turn}", previous_response_id=ids[-1] if ids else openai.omit
                )
                ids.append(made.id)
                assert made.output_text == f"turn {turn}"
            if begin:
                branch = client.responses.create(model="echo", input="a branch", previous_response_id=ids[49])
                on = client.responses.create(model="echo", input="and on", previous_response_id=branch.id)
                assert on.output_text == "and on"
                assert client.responses.retrieve(ids[50]).previous_response_id == ids[49]


async def test_a_follow_up_in_the_same_moment_finds_its_answer_on_any_worker(tmp_path: Path) -> None:
    with serving("--workers", "2", config=KEEPING, directory=tmp_path) as served:

        async def talk(number: int) -> int:
            # a client of its own each turn: a connection of its own, on whichever worker takes it
            previous = None
            for turn in range(4):
                async with fresh_async(served) as client:
                    stream = await client.responses.create(
                        model="echo", input=f"{number}.{turn}", stream=True, previous_response_id=previous
                    )
                    async for event in stream:
                        if event.type == "response.completed":
                            previous = event.response.id
            return number

        assert await asyncio.gather(*map(talk, range(50))) == list(range(50))
