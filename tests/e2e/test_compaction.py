"""Compaction over real sockets: `/responses/compact`, `compaction_trigger`, `context_management`; the `openai` SDK."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.responses import CompactedResponse

from proxy.compaction.prompt import PROMPT
from proxy.compaction.summary import Summary, compaction_item, opened
from proxy.config.loader import load_text
from proxy.providers.openai_compatible.provider import OpenAICompatible
from proxy.sealing import Sealing
from tests.support.asked import assistant, call, function, output, user
from tests.support.captured import captured
from tests.support.chat_window import USAGE, ChatWindow, Refuses, chat_window, is_for_a_summary
from tests.support.fixtures import needs_shared
from tests.support.fresh import fresh
from tests.support.grammar import check_stream
from tests.support.hostile import HostileUpstream, Peer, fixed, until
from tests.support.house import House, house
from tests.support.scripted import events_of
from tests.support.serving import serving
from tests.support.talking import JSON, answer

SEALING = Sealing(["the key of these tests"])
LONG = [user("a" * 8000), assistant("b" * 8000), user("c" * 400)]
MANAGED = [{"type": "compaction", "compact_threshold": 2000}]
INTRODUCTION = "What follows is a summary of the conversation before this point"


async def compact(home: House, **fields: Any) -> Any:
    status, _, data = await home.ask("/responses/compact", **fields)
    assert status == 200, data
    return json.loads(data)


def told(request: dict[str, Any]) -> list[tuple[str, str]]:
    """Who says what in a chat request; of what is long the beginning."""
    return [(message["role"], (message["content"] or "")[:60]) for message in request["messages"]]


async def test_the_sdk_compacts_and_goes_on_with_what_it_got() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home, AsyncOpenAI(base_url=home.url, api_key="k", max_retries=0) as client:
        image = {"type": "input_image", "image_url": "data:image/png;base64,AA"}
        said: Any = [user("one"), assistant("two"), user([{"type": "input_text", "text": "three"}, image])]
        made = await client.responses.compact(model="m", input=said, instructions="Be brief.", prompt_cache_key="k")
        assert isinstance(made, CompactedResponse)
        assert made.object == "response.compaction"
        assert made.id.startswith("resp_")
        assert [item.type for item in made.output] == ["message", "message", "compaction"]
        assert [item.role for item in made.output[:2]] == ["user", "user"]  # type: ignore[union-attr]
        assert made.output[1].content[0].text == "three"  # type: ignore[union-attr]
        assert made.output[1].content[1].detail == "auto"  # type: ignore[union-attr]
        assert (made.usage.input_tokens, made.usage.output_tokens, made.usage.total_tokens) == (70, 7, 77)
        window: Any = [item.model_dump(exclude_none=True, warnings=False) for item in made.output]
        response = await client.responses.create(model="m", input=[*window, user("go on")])
        assert response.output_text == "answer 2"
    asked, second = upstream.requests
    assert asked["messages"][-1] == {"role": "user", "content": PROMPT}
    assert told(asked)[:3] == [("system", "Be brief."), ("user", "one"), ("assistant", "two")]
    assert [role for role, _ in told(second)] == ["user", "user", "system", "user"]
    assert second["messages"][2]["content"].startswith(INTRODUCTION)
    assert second["messages"][2]["content"].endswith("All that was said.")
    assert second["messages"][3]["content"] == "go on"


async def test_a_compaction_is_an_exchange_of_its_own_and_is_not_kept() -> None:
    async with chat_window(ChatWindow()) as home:
        made = await compact(home, input=[user("one")])
        exchange = await home.settled(1)
        assert (exchange.client.path, exchange.outcome) == ("/v1/responses/compact", "completed")
        assert exchange.usage is not None
        assert exchange.usage.total_tokens == USAGE["total_tokens"]
        async with home.session.get(f"{home.url}/responses/{made['id']}") as got:
            assert got.status == 404


async def test_what_a_chain_and_its_compactions_said_is_compacted_too() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        first = await answer(home, input="one")
        made = await compact(home, input=None, previous_response_id=first["id"])
        assert [item.get("role") for item in made["output"]] == ["user", None]
        again = await compact(home, input=[*made["output"], user("two")])
        assert [item["content"][0]["text"] for item in again["output"][:-1]] == ["one", "two"]
        assert [item["type"] for item in again["output"]] == ["message", "message", "compaction"]
    assert told(upstream.requests[1])[:2] == [("user", "one"), ("assistant", "answer 1")]
    assert [role for role, _ in told(upstream.requests[2])] == ["user", "system", "user", "user"]


BAD_REQUESTS = [
    ({"model": None}, "model", "missing_required_parameter"),
    ({"input": None}, "input", "missing_required_parameter"),
    ({"input": []}, "input", "missing_required_parameter"),
    ({"input": [{"role": "system", "content": "x"}]}, "input", "invalid_value"),
    ({"input": 7}, "input", "invalid_type"),
    ({"stream": True}, "stream", "unsupported_value"),
    ({"prompt_cache_key": "k" * 65}, "prompt_cache_key", "string_above_max_length"),
    ({"previous_response_id": "resp_1"}, "previous_response_id", "previous_response_not_found"),
    ({"model": "unknown"}, "model", "model_not_found"),
]


@pytest.mark.parametrize(("fields", "param", "code"), BAD_REQUESTS)
async def test_what_cannot_be_compacted(fields: dict[str, Any], param: str, code: str) -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        status, _, data = await home.ask("/responses/compact", **fields)
        assert status == 400
        error = json.loads(data)["error"]
        assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
        await home.settled(1)
    assert upstream.requests == []


async def test_only_posts_are_served() -> None:
    async with chat_window(ChatWindow()) as home:
        async with home.session.get(f"{home.url}/responses/compact") as got:
            assert (got.status, got.headers["allow"]) == (405, "POST")


async def test_a_summary_that_is_cut_or_missing_is_an_error() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        upstream.reason = "length"
        status, _, data = await home.ask("/responses/compact")
        assert (status, json.loads(data)["error"]["code"]) == (502, "server_error")
        upstream.reason, upstream.summary = "stop", " \n"
        status, _, data = await home.ask("/responses/compact")
        assert (status, json.loads(data)["error"]["message"]) == (
            502,
            "The model wrote no summary of the conversation.",
        )


async def test_what_agents_send_besides_does_no_harm() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        tools = [function("f")]
        fields = {"tools": tools, "parallel_tool_calls": False, "reasoning": {"effort": "low"}, "metadata": {"a": "b"}}
        status, headers, _ = await home.ask("/responses/compact", stream=False, **fields)
        assert status == 200
        assert headers["x-penstock-ignored-params"] == "metadata"
    assert [tool["function"]["name"] for tool in upstream.requests[0]["tools"]] == ["f"]
    assert upstream.requests[0]["tool_choice"] == "none"


async def test_a_history_too_long_even_for_a_summary_is_shortened_first() -> None:
    upstream = ChatWindow(limit=3000)
    async with chat_window(upstream) as home:
        said = [message for n in range(10) for message in (user(f"{n}" * 1000), assistant("x" * 1000))]
        status, headers, data = await home.ask("/responses/compact", input=said)
        assert status == 200
        assert int(headers["x-penstock-truncated-items"]) > 0
        users = json.loads(data)["output"][:-1]
    assert [item["content"][0]["text"][0] for item in users] == list("0123456789")


# --- blobs

CLIENT_BLOBS = [
    ("gAAAAABpj5jCA8ympy0QXePqqKrguPkEWVCEWIxIvtwq", "input[1]", "unsupported_value"),
    ("pst2.", "input[1].encrypted_content", "invalid_encrypted_content"),
    (SEALING.seal(b"{}", "compaction"), "input[1].encrypted_content", "invalid_encrypted_content"),
    (SEALING.seal(b'{"k":"window","t":"x"}', "reasoning"), "input[1].encrypted_content", "invalid_encrypted_content"),
    (
        Sealing.fresh().seal(b'{"k":"window","t":"x"}', "compaction"),
        "input[1].encrypted_content",
        "invalid_encrypted_content",
    ),
]


@pytest.mark.parametrize(
    ("blob", "param", "code"), CLIENT_BLOBS, ids=["foreign", "cut", "nothing", "purpose", "another key"]
)
async def test_blobs_that_are_not_ours_or_were_changed(blob: str, param: str, code: str) -> None:
    upstream = ChatWindow()
    async with chat_window(upstream, sealing=SEALING) as home:
        for stream in False, True:
            status, _, data = await home.ask(
                input=[user("x"), {"type": "compaction", "encrypted_content": blob}], stream=stream
            )
            assert status == 400
            error = json.loads(data)["error"]
            assert (error["param"], error["code"]) == (param, code)
    assert upstream.requests == []


async def test_a_summary_made_with_an_older_key_is_read() -> None:
    upstream = ChatWindow()
    item = compaction_item(Summary("window", "old summary"), SEALING)
    async with chat_window(upstream, sealing=Sealing(["another key, for now on", "the key of these tests"])) as home:
        await answer(home, input=[item, user("go on")])
    assert upstream.requests[0]["messages"][0]["content"].endswith("\n\nold summary")


# --- compaction_trigger


@pytest.mark.parametrize("stream", [False, True])
async def test_a_trigger_gives_one_compaction_item(stream: bool) -> None:
    upstream = ChatWindow()
    async with chat_window(upstream, sealing=SEALING) as home:
        fields: dict[str, Any] = {
            "input": [user("one"), call("c"), output("c"), {"type": "compaction_trigger"}],
            "tools": [function("f")],
            "tool_choice": "required",
            "text": {"format": {"type": "json_object"}},
            "max_output_tokens": 16,
        }
        status, headers, data = await home.ask(stream=stream, **fields)
        assert status == 200
        assert "x-penstock-ignored-params" not in headers
        if stream:
            check_stream(data)
            kinds = [kind for kind, _ in events_of(data)]
            assert kinds[2:4] == ["response.output_item.added", "response.output_item.done"]
            assert kinds[4:5] == ["response.completed"]
        made = events_of(data)[-2][1]["response"] if stream else json.loads(data)
    assert made["tool_choice"] == "required"
    assert made["text"]["format"]["type"] == "json_object"
    assert made["usage"]["total_tokens"] == 77
    (item,) = made["output"]
    assert set(item) == {"id", "type", "encrypted_content"}
    assert opened(item["encrypted_content"], SEALING, "") == Summary("trigger", "All that was said.")
    (request,) = upstream.requests
    assert request["tool_choice"] == "none"
    assert "response_format" not in request
    assert "max_tokens" not in request
    assert [role for role, _ in told(request)] == ["user", "assistant", "tool", "user"]


async def test_a_chain_goes_on_from_the_summary() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        first = await answer(home, input=[{"role": "developer", "content": "be brief"}, user("one")])
        cut = await answer(home, input=[{"type": "compaction_trigger"}], previous_response_id=first["id"])
        third = await answer(home, input="two", previous_response_id=cut["id"], stream=True)
        await answer(home, input="three", previous_response_id=third["id"])
        async with home.session.get(f"{home.url}/responses/{cut['id']}/input_items") as got:
            items = (await got.json())["data"]
    assert [item["type"] for item in items] == ["compaction_trigger"]
    third_asked, last_asked = upstream.requests[2:]
    assert [role for role, _ in told(third_asked)] == ["system", "user"]
    assert third_asked["messages"][0]["content"].startswith("be brief\n\n" + INTRODUCTION)
    assert last_asked["messages"][: len(third_asked["messages"])] == third_asked["messages"]
    assert told(last_asked)[-2:] == [("assistant", "answer 3"), ("user", "three")]


async def test_a_conversation_goes_on_from_the_summary() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        async with home.session.post(f"{home.url}/conversations", json={}) as made:
            id = (await made.json())["id"]
        await answer(home, input="one", conversation=id)
        await answer(home, input=[{"type": "compaction_trigger"}], conversation=id)
        await answer(home, input="two", conversation=id)
    assert [role for role, _ in told(upstream.requests[1])] == ["user", "assistant", "user"]
    assert [role for role, _ in told(upstream.requests[2])] == ["system", "user"]


async def test_a_branch_from_before_the_compaction_still_has_everything() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        first = await answer(home, input="one")
        await answer(home, input=[{"type": "compaction_trigger"}], previous_response_id=first["id"])
        await answer(home, input="other", previous_response_id=first["id"])
    assert told(upstream.requests[2]) == [("user", "one"), ("assistant", "answer 1"), ("user", "other")]


@needs_shared
async def test_codex_compacts_remotely_and_goes_on() -> None:
    """The requests that Codex sends with its built-in provider: a trigger, then what it makes of the answer."""
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        asked = captured("codex/remote-compaction-http#2")
        status, _, data = await home.ask(**{**asked, "model": "m"})
        assert status == 200
        check_stream(data)
        (item,) = [event["item"] for kind, event in events_of(data) if kind == "response.output_item.done"]
        assert item["type"] == "compaction"
        for name in "codex/remote-compaction-http#3", "codex/remote-compaction-http#4":
            follow = captured(name)
            items = [item if one.get("type") == "compaction" else one for one in follow["input"]]
            status, _, data = await home.ask(**{**follow, "model": "m", "input": items})
            assert status == 200
            check_stream(data)
    assert is_for_a_summary(upstream.requests[0])
    assert all(INTRODUCTION in json.dumps(request["messages"]) for request in upstream.requests[1:])
    assert any(message["role"] == "tool" for message in upstream.requests[2]["messages"])


@needs_shared
async def test_codex_compacts_locally() -> None:
    """With a provider of its own Codex asks for the summary in a message of the user."""
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        status, _, data = await home.ask(**{**captured("codex/compaction#1"), "model": "m"})
        assert status == 200
        assert [kind for kind, _ in events_of(data)][-2] == "response.completed"
    assert not is_for_a_summary(upstream.requests[0])


# --- context_management


@pytest.mark.parametrize("stream", [False, True])
async def test_over_the_threshold_the_past_becomes_a_summary(stream: bool) -> None:
    upstream = ChatWindow()
    async with chat_window(upstream, sealing=SEALING) as home:
        said = [{"role": "developer", "content": "be brief"}, *LONG]
        status, headers, data = await home.ask(input=said, context_management=MANAGED, stream=stream)
        assert status == 200
        assert "x-penstock-ignored-params" not in headers
        if stream:
            check_stream(data)
        made = events_of(data)[-2][1]["response"] if stream else json.loads(data)
        assert [item["type"] for item in made["output"]] == ["compaction", "message"]
        summary = opened(made["output"][0]["encrypted_content"], SEALING, "")
        assert summary is not None
        assert (summary.kind, [json.loads(bytes(raw))["content"] for raw in summary.kept]) == ("threshold", ["c" * 400])
        await home.settled(2)
        inner, outer = home.watcher.ended
        assert inner.id == f"{outer.id}-compaction"
        assert (inner.outcome, outer.outcome) == ("completed", "completed")
        assert inner.client.path == "/v1/responses/compact"
    asked, answered = upstream.requests
    assert is_for_a_summary(asked)
    assert [role for role, _ in told(asked)] == ["system", "user", "assistant", "user"]
    assert [role for role, _ in told(answered)] == ["system", "user"]
    assert answered["messages"][0]["content"].startswith("be brief\n\n" + INTRODUCTION)
    assert answered["messages"][1]["content"] == "c" * 400


async def test_a_chain_and_a_client_that_sends_everything_go_on_from_it() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        first = await answer(home, input=LONG, context_management=MANAGED)
        await answer(home, input="chain", previous_response_id=first["id"])
        await answer(home, input=[*LONG, *first["output"], user("whole")])
        await answer(home, input=[*first["output"], user("pruned")])
    _, answered, *later = upstream.requests
    for request, last in zip(later, ("chain", "whole", "pruned"), strict=True):
        assert request["messages"][:2] == answered["messages"]
        assert told(request)[2:] == [("assistant", "answer 2"), ("user", last)]


async def test_in_the_middle_of_a_tool_loop_the_last_step_and_the_question_stay() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        steps = [item for n in range(6) for item in (call(str(n)), output(str(n), f"{n}" * 2000))]
        made = await answer(
            home, input=[user("do it"), *steps], tools=[function("f")], context_management=MANAGED, stream=True
        )
        assert [item["type"] for item in made["output"]] == ["compaction", "message"]
    asked, answered = upstream.requests
    assert len(asked["messages"]) == 5 * 2 + 1
    assert [role for role, _ in told(answered)] == ["system", "user", "assistant", "tool"]
    assert answered["messages"][1]["content"] == "do it"
    assert answered["messages"][3]["content"] == "5" * 2000
    assert answered["tools"]


UNDER = [
    {"input": "short", "context_management": MANAGED},
    {"input": LONG, "context_management": [{"type": "compaction", "compact_threshold": 100_000}]},
    {"input": LONG, "context_management": [{"type": "compaction"}]},
    {"input": LONG, "context_management": []},
    {"input": LONG, "context_management": None},
    {"input": [user("x"), assistant("y"), user("z" * 9000)], "context_management": MANAGED},
]


@pytest.mark.parametrize("fields", UNDER)
async def test_where_nothing_is_to_be_gained_nothing_is_compacted(fields: dict[str, Any]) -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        made = await answer(home, **fields)
        assert [item["type"] for item in made["output"]] == ["message"]
    assert len(upstream.requests) == 1


async def test_a_compaction_that_fails_does_no_harm_and_is_told() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream, Refuses()) as home:
        status, headers, data = await home.ask(input=LONG, context_management=MANAGED, stream=True)
        assert status == 200
        assert headers["x-penstock-ignored-params"] == "context_management"
        check_stream(data)
        assert [item["type"] for item in events_of(data)[-2][1]["response"]["output"]] == ["message"]
        await home.settled(2)
        assert [one.outcome for one in home.watcher.ended] == ["failed", "completed"]
    assert len(upstream.requests) == 1


async def test_a_client_that_leaves_stops_the_summary_too() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        hold = upstream.hold()
        reader, writer = await home.connect(input=LONG, context_management=MANAGED)
        await until(lambda: upstream.requests)
        writer.close()
        await home.settled(2)
        assert [one.outcome for one in home.watcher.ended] == ["cancelled", "cancelled"]
        assert await upstream.peers[0].was_closed()
        hold.set()
        del reader
    assert len(upstream.requests) == 1


async def test_in_the_background_it_is_the_same() -> None:
    upstream = ChatWindow()
    async with chat_window(upstream) as home:
        made = await answer(home, input=LONG, context_management=MANAGED, background=True)
        assert made["status"] == "queued"
        await home.settled(2)
        async with home.session.get(f"{home.url}/responses/{made['id']}") as got:
            found = await got.json()
        assert [item["type"] for item in found["output"]] == ["compaction", "message"]


@pytest.mark.parametrize("stores", ["{kind: memory}", "{kind: sqlite, path: kept.db}"])
def test_a_compaction_of_one_worker_is_read_by_the_other(stores: str, tmp_path: Path) -> None:
    config = f"""\
workers: 2
upstreams: {{echo: {{kind: echo}}}}
models: {{echo: [echo/echo]}}
stores: {{responses: {stores}}}
pipeline: [route, stream-translate]
"""
    with serving(config=config, directory=tmp_path) as served:
        for _ in range(8):  # each from a connection of its own, which either worker may get
            with fresh(served) as client:
                made = client.responses.compact(model="echo", input="one")
            for _ in range(4):
                with fresh(served) as client:
                    item: Any = made.output[-1].model_dump(exclude_none=True)
                    answered = client.responses.create(model="echo", input=[item, {"role": "user", "content": "two"}])
                    assert answered.output_text == "two"


async def test_an_upstream_of_the_same_api_gets_its_own_compactions_and_reads_ours() -> None:
    said: list[Any] = []

    async def responses(peer: Peer) -> None:
        while True:
            said.append(json.loads((await peer.request()).partition(b"\r\n\r\n")[2]))
            message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "so"}]}
            made = {"id": "resp_1", "object": "response", "status": "completed", "output": [message]}
            await peer.send(fixed(json.dumps(made).encode(), headers=JSON))

    async with HostileUpstream(responses) as upstream:
        text = f"upstreams: {{u: {{kind: openai-compatible, base_url: '{upstream.origin}/v1', api: responses}}}}\n"
        config = load_text(text + "models: {m: [u/up]}\npipeline: [route, stream-translate]\n", "test").upstreams["u"]
        async with house(OpenAICompatible("u", config.config), sealing=SEALING) as home:  # type: ignore[arg-type]
            foreign = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA"}
            ours = compaction_item(Summary("window", "old summary"), SEALING)
            await answer(home, input=[foreign, ours, user("go on")], context_management=MANAGED)
            made = await compact(home, input=[foreign, user("one")])
            assert [item["type"] for item in made["output"]] == ["message", "compaction"]
    first, second = said
    assert first["input"][0] == foreign
    assert first["input"][1]["content"].endswith("old summary")
    assert "context_management" not in first
    assert second["input"][0] == foreign
    assert second["input"][-1]["content"] == PROMPT
