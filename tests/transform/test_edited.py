"""Changed fields in what clients see, by the real pipeline."""

from __future__ import annotations

import json

import pytest

from proxy.config.loader import load_text
from proxy.stores.memory import MemoryStore
from stages.transform import Transform
from tests.support.house import house
from tests.support.scripted import events_of
from tests.support.talking import Talks, call

EDITS = "{response: {set: {served_by: us, service_tier: flex}, drop: [metadata]}}"


@pytest.mark.parametrize("stream", [False, True])
async def test_all_states_of_an_answer_show_it(stream: bool) -> None:
    async with Talks({"content": "Hello."}) as upstream:
        text = f"upstreams: {{u: {{kind: openai-compatible, base_url: {upstream.origin}}}}}\nmodels: {{m: [u/up]}}\n"
        config = load_text(text + f"pipeline: [transform: {EDITS}, route, stream-translate]\n", "test")
        entry = config.upstreams["u"]
        stage = Transform(config.pipeline[0].config)  # type: ignore[arg-type]
        provider = entry.provider("u", entry.config)
        async with house(provider, stages=[stage], store=MemoryStore()) as home:
            status, _, data = await home.ask(stream=stream, metadata={"a": "b"})
            assert status == 200
            shown = (
                [json.loads(data)]
                if not stream
                else [
                    event["response"] for _, event in events_of(data) if isinstance(event, dict) and "response" in event
                ]
            )
            _, kept = await call(home, "GET", f"/responses/{shown[-1]['id']}")
            for response in (*shown, kept):
                assert (response["served_by"], response["service_tier"]) == ("us", "flex")
                assert "metadata" not in response
            assert kept == shown[-1]
            messages = [{"role": "user", "content": "hi"}]
            body = {"model": "m", "messages": messages}
            async with home.session.post(home.url + "/chat/completions", json=body) as answer:
                completion = await answer.json()
            assert (completion["served_by"], completion["object"]) == ("us", "chat.completion")
