"""What the stage's settings do to an answer, over the whole way."""

from __future__ import annotations

import json

import pytest

from proxy.errors import BadRequest
from proxy.exchange import Exchange
from proxy.upstream.client import UpstreamRequest
from stages.stream_translate import StreamTranslate, StreamTranslateConfig
from tests.support.house import house
from tests.support.scripted import ScriptedProvider, chunk, events_of, finish, stream

THOUGHTS = (chunk(reasoning_content="hmm"), chunk(content="so"), finish())


async def events(config: StreamTranslateConfig, **fields: object) -> list[str]:
    """Returns the types of the events of a stream with some thinking in it."""
    async with house(ScriptedProvider("a", stream(*THOUGHTS)), translate=StreamTranslate(config)) as home:
        _, _, data = await home.ask(stream=True, **fields)
    return [kind for kind, _ in events_of(data)]


@pytest.mark.parametrize(
    ("setting", "asked", "expected"),
    [
        ("auto", {}, "response.reasoning_text.delta"),
        ("auto", {"reasoning": {"summary": "auto"}}, "response.reasoning_summary_text.delta"),
        ("content", {"reasoning": {"summary": "auto"}}, "response.reasoning_text.delta"),
        ("summary", {}, "response.reasoning_summary_text.delta"),
    ],
)
async def test_thinking_takes_the_form_that_is_set(setting: str, asked: dict[str, object], expected: str) -> None:
    seen = await events(StreamTranslateConfig(reasoning=setting), **asked)  # type: ignore[arg-type]
    assert [kind for kind in seen if "reasoning" in kind and kind.endswith(".delta")] == [expected]


async def test_thinking_can_be_dropped() -> None:
    seen = await events(StreamTranslateConfig(reasoning="drop"))
    assert not [kind for kind in seen if "reasoning" in kind]
    assert seen.count("response.output_item.added") == 1


@pytest.mark.parametrize("marker", [True, False])
async def test_the_end_marker_is_switchable(marker: bool) -> None:
    seen = await events(StreamTranslateConfig(done_marker=marker))
    assert (seen[-1] == "") is marker
    assert "response.completed" in seen[-2:]


class Picky(ScriptedProvider):
    """Speaks no client's API; finds a hint without effect, and pictures that it cannot take."""

    dialects = frozenset()

    def build(self, exchange: Exchange, model: str) -> UpstreamRequest:
        exchange.ignore("text.verbosity")
        if b"image" in bytes(exchange.request.fields.get("messages", b"")):
            raise BadRequest("No pictures.", param="input[0].content[0].image_url")
        return super().build(exchange, model)


async def test_a_chat_client_hears_of_its_own_parameters() -> None:
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}
    async with house(Picky("a", stream(*THOUGHTS))) as home:
        _, headers, _ = await home.ask("/chat/completions", stream=True, verbosity="low")
        status, _, data = await home.ask("/chat/completions", messages=[picture])
        _, of_responses, _ = await home.ask(stream=True, text={"verbosity": "low"})
    assert headers["x-penstock-ignored-params"] == "verbosity"
    assert (status, json.loads(data)["error"]["param"]) == (400, "messages")
    assert of_responses["x-penstock-ignored-params"] == "text.verbosity"
