"""One exchange through the chain: attempts, commitment, errors, the client leaving, the end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from proxy.config.types import Duration
from proxy.errors import Forbidden, UpstreamCut, UpstreamTimeout, UpstreamUnreachable
from proxy.exchange import Exchange
from proxy.providers.provider import TranslateOptions
from proxy.reply import Reply
from proxy.stage import Head, ResponseFilter, Stage
from stages.route import Route, RouteConfig
from stages.stream_translate import StreamTranslate, StreamTranslateConfig
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, body, chunk, events_of, fails, finish, stream

HELLO = (chunk(content="Hel"), chunk(content="lo"), finish())
WHOLE = json.dumps(
    {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
).encode()
ERROR = b'data: {"error":{"message":"Worker limit reached","code":502}}\n\n'


def kinds(data: bytes) -> list[str]:
    """Returns the types of the events of a body."""
    return [kind for kind, _ in events_of(data)]


def text_of(data: bytes) -> str:
    """Returns the joined text deltas of a body."""
    return "".join(obj["delta"] for kind, obj in events_of(data) if kind == "response.output_text.delta")


async def test_a_stream_goes_the_whole_way() -> None:
    async with house(ScriptedProvider("a", stream(*HELLO))) as home:
        status, headers, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert status == 200
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["x-watched"] == "yes"
    assert headers["x-penstock-upstream"] == "a"
    assert text_of(data) == "Hello"
    assert [obj["sequence_number"] for _, obj in events_of(data)[:-1]] == list(range(len(events_of(data)) - 1))
    assert exchange.outcome == "completed"
    assert len(home.watcher.ended) == 1


async def test_a_plain_answer_is_one_object() -> None:
    async with house(ScriptedProvider("a", body(WHOLE))) as home:
        status, headers, data = await home.ask()
        exchange = await home.settled()
    answer = json.loads(data)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert answer["status"] == "completed"
    assert answer["output"][0]["content"][0]["text"] == "Hello"
    assert answer["usage"]["total_tokens"] == 3
    assert exchange.usage is not None
    assert exchange.usage.input_tokens == 1


async def test_the_models_name_is_the_clients_everywhere() -> None:
    async with house(ScriptedProvider("a", stream(*HELLO), body(WHOLE))) as home:
        _, _, streamed = await home.ask(stream=True)
        _, headers, plain = await home.ask()
    assert {obj["response"]["model"] for _, obj in events_of(streamed) if "response" in obj} == {"m"}
    assert json.loads(plain)["model"] == "m"
    assert headers["x-penstock-upstream-model"] == "up"


@pytest.mark.parametrize(
    "first",
    [
        fails(UpstreamUnreachable("refused")),
        fails(UpstreamTimeout("late", phase="first_byte")),
        body(b'{"error":{"message":"busy"}}', 503),
        stream(UpstreamCut("cut")),
        stream(chunk(role="assistant", content=""), UpstreamCut("cut")),
        stream(ERROR),
        stream(None),
        stream(b"data: {\n\ndata: {\n\ndata: {\n\n", None),
        body(b'{"error":{"message":"model is loading","code":503}}'),
    ],
    ids=["unreachable", "late", "503", "cut", "cut-after-role", "error-chunk", "empty", "garbage", "error-in-json"],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_failure_before_the_first_output_leads_to_the_next_deployment(first: Any, streamed: bool) -> None:
    good = stream(*HELLO) if streamed else body(WHOLE)
    patient = StreamTranslate(StreamTranslateConfig(commit_after=Duration(60)))  # on a busy machine too
    async with house(ScriptedProvider("a", first), ScriptedProvider("b", good), translate=patient) as home:
        status, headers, data = await home.ask(stream=streamed)
        exchange = await home.settled()
    assert status == 200
    assert headers["x-penstock-upstream"] == "b"
    assert headers["x-penstock-attempts"] == "2"
    assert [one.upstream for one in exchange.attempts] == ["a", "b"]
    assert exchange.attempts[0].error is not None
    assert b"Hello" in data if not streamed else text_of(data) == "Hello"
    assert data.count(b"response.created") in (0, 2)  # the event line and the type: once


async def test_nothing_is_retried_after_the_first_output() -> None:
    spare = ScriptedProvider("b", stream(*HELLO))
    async with house(ScriptedProvider("a", stream(chunk(content="Hel"), UpstreamCut("cut"))), spare) as home:
        status, _, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert status == 200
    assert text_of(data) == "Hel"
    assert kinds(data)[-3:] == ["error", "response.failed", ""]
    failed = events_of(data)[-2][1]["response"]
    assert failed["output"][0]["status"] == "incomplete"
    assert exchange.outcome == "failed"
    assert spare.client.requests == []


async def test_when_all_have_failed_the_last_error_is_the_answer() -> None:
    async with house(ScriptedProvider("a", body(b"{}", 503)), route=Route(RouteConfig(retries=0))) as home:
        status, headers, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert status == 503
    assert headers["content-type"] == "application/json"
    assert set(json.loads(data)["error"]) == {"message", "type", "param", "code"}
    assert exchange.outcome == "failed"
    assert exchange.head_status == 503


async def test_a_stream_opens_without_output_after_a_while_and_still_falls_back() -> None:
    gate = asyncio.Event()
    slow = ScriptedProvider("a", stream(chunk(role="assistant"), gate, UpstreamCut("cut")))
    translate = StreamTranslate(StreamTranslateConfig(commit_after=0.01))  # type: ignore[arg-type]
    async with house(slow, ScriptedProvider("b", stream(*HELLO)), translate=translate) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"response.in_progress")
            gate.set()
            rest = await reader.readuntil(b"[DONE]")
        writer.close()
    assert b"200 OK" in head
    assert (head + rest).count(b"event: response.created") == 1
    assert b"Hel" in rest
    assert b"event: response.completed" in rest


async def test_a_failure_after_opening_without_output_goes_into_the_stream() -> None:
    gate = asyncio.Event()
    slow = ScriptedProvider("a", stream(gate, UpstreamCut("the end")))
    translate = StreamTranslate(StreamTranslateConfig(commit_after=0.01))  # type: ignore[arg-type]
    async with house(slow, translate=translate, route=Route(RouteConfig(retries=0))) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b"response.in_progress")
            gate.set()
            rest = await reader.readuntil(b"[DONE]")
        writer.close()
        exchange = await home.settled()
    assert b"event: response.failed" in rest
    assert exchange.outcome == "failed"


async def test_a_stream_opens_when_the_upstream_sends_no_head_at_all() -> None:
    gate = asyncio.Event()

    class Held(ScriptedProvider):
        async def start(self) -> None:
            send = self.client.send

            async def late(*args: Any) -> Any:
                await gate.wait()
                return await send(*args)

            self.client.send = late  # type: ignore[method-assign]

    async with house(Held("a", stream(*HELLO)), keepalive_s=0.05) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b"response.in_progress")
            await reader.readuntil(b": keep-alive\n\n")
            gate.set()
            rest = await reader.readuntil(b"[DONE]")
        writer.close()
    assert b'"delta":"Hel"' in rest


async def test_a_client_that_leaves_closes_the_upstream_in_mid_stream() -> None:
    provider = ScriptedProvider("a", stream(chunk(content="Hel"), asyncio.Event()))
    async with house(provider) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b'"delta":"Hel"')
            writer.close()
            await provider.client.responses[0].closed.wait()
        exchange = await home.settled()
    assert exchange.outcome == "cancelled"
    assert len(home.watcher.ended) == 1
    assert exchange.usage is not None
    assert exchange.usage.estimated


async def test_a_client_that_leaves_a_passed_through_stream_is_counted_too() -> None:
    provider = ScriptedProvider("a", stream(*[chunk(content="word ")] * 3, asyncio.Event()))
    async with house(provider) as home:
        messages = [{"role": "user", "content": "x"}]
        reader, writer = await home.connect("/v1/chat/completions", messages=messages)
        async with asyncio.timeout(5):
            for _ in range(3):
                await reader.readuntil(b'"word ')
        writer.close()
        exchange = await home.settled()
    assert exchange.usage is not None
    assert (exchange.usage.output_tokens, exchange.usage.estimated) == (3, True)


async def test_a_client_that_leaves_before_the_first_output_closes_the_upstream() -> None:
    provider = ScriptedProvider("a", stream(asyncio.Event()))
    async with house(provider) as home:
        _, writer = await home.connect()
        async with asyncio.timeout(5):
            await provider.client.answered.wait()
            writer.close()
            await provider.client.responses[0].closed.wait()
        assert (await home.settled()).outcome == "cancelled"


async def test_a_client_that_leaves_a_plain_request_closes_the_upstream() -> None:
    reading = asyncio.Event()

    class Slow(ScriptedProvider):
        async def start(self) -> None:
            send = self.client.send

            async def noting(*args: Any) -> Any:
                response = await send(*args)
                reading.set()
                return response

            self.client.send = noting  # type: ignore[method-assign]

    provider = Slow("a", stream(asyncio.Event()))
    async with house(provider) as home:
        _, writer = await home.connect(stream=False)
        async with asyncio.timeout(5):
            await reading.wait()
            writer.close()
            await provider.client.responses[0].closed.wait()
        assert (await home.settled()).outcome == "cancelled"


class Answers(Stage):
    """Answers every request itself."""

    name = "answers"

    async def on_request(self, exchange: Exchange) -> Reply:
        return Reply.json({"mine": True})


class Refuses(Stage):
    """Refuses every request."""

    name = "refuses"

    async def on_request(self, exchange: Exchange) -> None:
        raise Forbidden("no")


class Order(Stage):
    """Notes when its parts run."""

    def __init__(self, name: str, notes: list[str]) -> None:
        super().__init__()
        self.label, self.notes = name, notes

    async def on_request(self, exchange: Exchange) -> ResponseFilter:
        self.notes.append(f"{self.label} request")
        return _Notes(self)


class _Notes(ResponseFilter):
    def __init__(self, stage: Order) -> None:
        self.stage = stage

    async def on_head(self, exchange: Exchange, head: Head) -> None:
        self.stage.notes.append(f"{self.stage.label} head")

    async def on_end(self, exchange: Exchange) -> None:
        self.stage.notes.append(f"{self.stage.label} end")
        raise RuntimeError("a stage's bug at the end keeps no other from ending")


async def test_requests_run_down_and_responses_climb_up() -> None:
    notes: list[str] = []
    provider = ScriptedProvider("a", stream(*HELLO))
    above, between = Order("first", notes), Order("second", notes)
    async with house(provider, stages=[above, between], below=[Order("third", notes)]) as home:
        await home.ask(stream=True)
        await home.settled()
    assert notes == [
        *(f"{one} request" for one in ("first", "second", "third")),
        *(f"{one} head" for one in ("third", "second", "first")),
        *(f"{one} end" for one in ("third", "second", "first")),
    ]


async def test_stages_below_route_run_once_an_attempt_and_end_once_each() -> None:
    notes: list[str] = []
    bad = ScriptedProvider("a", fails(UpstreamUnreachable("refused")))
    async with house(bad, ScriptedProvider("b", stream(*HELLO)), below=[Order("x", notes)]) as home:
        await home.ask(stream=True)
        await home.settled()
    assert notes.count("x request") == 2
    assert notes.count("x end") == 2


async def test_a_reply_answers_at_once_and_those_above_it_see_the_end() -> None:
    notes: list[str] = []
    provider = ScriptedProvider("a", stream(*HELLO))
    async with house(provider, stages=[Order("x", notes), Answers(), Order("never", notes)]) as home:
        status, _, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert (status, json.loads(data)) == (200, {"mine": True})
    assert notes == ["x request", "x head", "x end"]
    assert provider.client.requests == []
    assert exchange.outcome == "completed"


async def test_a_refusal_is_an_error_object_and_is_seen_by_observers() -> None:
    async with house(ScriptedProvider("a", stream(*HELLO)), stages=[Refuses()]) as home:
        status, headers, data = await home.ask(stream=True)
        exchange = await home.settled()
    assert status == 403
    assert json.loads(data)["error"] == {"message": "no", "type": "invalid_request_error", "param": None, "code": None}
    assert headers["x-request-id"] == exchange.id
    assert exchange.outcome == "rejected"


async def test_a_bug_in_a_stage_is_a_500_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Stage):
        name = "broken"

        async def on_request(self, exchange: Exchange) -> None:
            raise RuntimeError("secret detail")

    async with house(ScriptedProvider("a", stream(*HELLO)), stages=[Broken()]) as home:
        status, _, data = await home.ask()
        await home.settled()
    assert status == 500
    assert b"secret" not in data
    assert "secret detail" in caplog.text


async def test_a_json_answer_to_a_streamed_request_becomes_a_stream() -> None:
    async with house(ScriptedProvider("a", body(WHOLE))) as home:
        _, headers, data = await home.ask(stream=True)
    assert headers["content-type"].startswith("text/event-stream")
    assert text_of(data) == "Hello"
    assert kinds(data)[-2] == "response.completed"


async def test_a_json_answer_to_a_streamed_chat_request_becomes_a_stream() -> None:
    async with house(ScriptedProvider("a", body(WHOLE))) as home:
        _, headers, data = await home.ask("/chat/completions", stream=True)
    assert headers["content-type"].startswith("text/event-stream")
    assert b"Hello" in data
    assert data.endswith(b"data: [DONE]\n\n")


async def test_a_chat_client_of_a_chat_upstream_gets_its_bytes() -> None:
    async with house(ScriptedProvider("a", stream(*HELLO), body(WHOLE))) as home:
        _, _, streamed = await home.ask("/chat/completions", stream=True)
        _, _, plain = await home.ask("/chat/completions")
    assert streamed == b"".join(HELLO)
    assert plain == WHOLE


async def test_a_chat_stream_that_is_cut_ends_in_an_error() -> None:
    provider = ScriptedProvider("a", stream(chunk(content="Hel"), UpstreamCut("the upstream has gone")))
    async with house(provider) as home:
        status, _, data = await home.ask("/chat/completions", stream=True)
        exchange = await home.settled()
    assert status == 200
    assert b'"error"' in data
    assert exchange.outcome == "failed"


async def test_without_stream_translate_a_responses_client_is_told_why() -> None:
    class Nothing(Stage):
        name = "nothing"

    async with house(ScriptedProvider("a", stream(*HELLO)), translate=Nothing()) as home:
        status, _, data = await home.ask(stream=True)
        chat, _, _ = await home.ask("/chat/completions", stream=True)
    assert status == 400
    assert "stream-translate" in json.loads(data)["error"]["message"]
    assert chat == 200


async def test_running_answers_are_ended_with_an_error_when_the_server_stops() -> None:
    provider = ScriptedProvider("a", stream(chunk(content="Hel"), asyncio.Event()))
    async with house(provider) as home:
        reader, writer = await home.connect()
        async with asyncio.timeout(5):
            await reader.readuntil(b'"delta":"Hel"')
            home.app.cut_off()
            rest = await reader.readuntil(b"[DONE]")
        writer.close()
    assert b"event: response.failed" in rest
    assert b"shutting down" in rest


@pytest.mark.parametrize("stream_asked", [True, False])
async def test_requests_that_wait_for_their_upstream_are_answered_when_the_server_stops(stream_asked: bool) -> None:
    provider = ScriptedProvider("a", stream(asyncio.Event()))
    async with house(provider) as home:
        asking = asyncio.ensure_future(home.ask(stream=stream_asked))
        async with asyncio.timeout(5):
            await provider.client.answered.wait()
            home.app.cut_off()
            status, headers, data = await asking
        exchange = await home.settled()
    assert status == 503
    assert "retry-after" in headers
    assert b"shutting down" in data
    assert exchange.outcome == "failed"
    assert provider.client.responses[0].closed.is_set()


async def test_what_one_attempt_ignored_is_not_told_of_another() -> None:
    class Ignores(ScriptedProvider):
        def build(self, exchange: Exchange, model: str) -> Any:
            exchange.ignore(f"{self.name}-param")
            return super().build(exchange, model)

    bad, good = Ignores("a", fails(UpstreamUnreachable("refused"))), Ignores("b", stream(*HELLO))
    async with house(bad, good) as home:
        _, headers, _ = await home.ask(stream=True)
    assert headers["x-penstock-ignored-params"] == "b-param"


def test_translate_options_have_the_stages_defaults() -> None:
    config = StreamTranslateConfig()
    options = TranslateOptions()
    for name in ("reasoning", "unsupported_tools", "params", "done_marker"):
        assert getattr(config, name) == getattr(options, name)
    assert float(config.commit_after) == options.commit_after_s
