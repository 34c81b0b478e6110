"""The columns of the matrix: what a client asks for, and what must come of it.

A feature returns when all came as asked. It raises `Otherwise` when it did not, but Penstock said so: then that is told
in the table. Anything else that is wrong is an AssertionError, and there is no table.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from tests.support.fakes.bedrock import Bedrock
from tests.support.fakes.mind import (
    CACHED_TOKENS,
    FIRST_WORDS,
    INPUT_TOKENS,
    JSON_ANSWER,
    OUTPUT_TOKENS,
    THOUGHT,
    THOUGHT_TOKENS,
    WORDS,
    seen_url,
)
from tests.support.fakes.server import Fake
from tests.support.matrix.client import TOOL, Answer, Client
from tests.support.matrix.rows import Row

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(60))).decode()
PICTURE = f"data:image/png;base64,{PNG}"
AT_ADDRESS = "https://example.com/river.png"
PDF = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.4 a river").decode()
ENCRYPTED = "reasoning.encrypted_content"
LIMIT = 64


class Otherwise(Exception):
    """What Penstock does where the upstream cannot do what was asked."""


class Cell(msgspec.Struct):
    """One try: who asks whom. `costs` are the ids of requests whose cost is to be looked up in the log."""

    client: Client
    row: Row
    fake: Fake
    costs: list[str]

    @property
    def passes(self) -> bool:
        """Whether the client is of the very API that the upstream is asked over."""
        return self.client.api in self.row.passes

    def effort(self) -> dict[str, Any]:
        """Returns the fields that ask for some thinking."""
        return self.client.effort()

    async def ask(self, turns: list[dict[str, Any]], **fields: Any) -> Answer:
        """Asks; raises Otherwise where the request is refused because of what it asks for."""
        answer = await self.client.ask(turns, **fields)
        if answer.status == 400 and answer.error["code"] in ("unsupported_value", "unsupported_parameter"):
            _sent(answer.error["param"], answer)
            raise Otherwise("refused: 400, and `param` says why")
        if answer.status == 400 and self.passes:
            raise Otherwise("refused by the provider: 400, as it says it")
        return answer


def _whole(answer: Answer) -> None:
    assert answer.status == 200, answer.error
    assert answer.ended == "completed", answer.ended


def _nothing_ignored(answer: Answer) -> None:
    for name in answer.ignored:
        _sent(name, answer)
    if answer.ignored:
        names = sorted(f"`{name.removeprefix('text.')}`" for name in answer.ignored)
        raise Otherwise(f"dropped, and named: {', '.join(names)}")


def _sent(name: str, answer: Answer) -> None:
    """Raises AssertionError for the name of a parameter that is none of the client's own."""
    assert name.partition(".")[0].partition("[")[0] in answer.asked, f"no field of the request: {name}"


async def text(cell: Cell) -> None:
    """Instructions and a text."""
    client = cell.client
    answer = await cell.ask([client.told("Be brief."), client.user("hello")])
    _whole(answer)
    assert answer.text == "heard: hello; told: Be brief."


async def tools(cell: Cell) -> None:
    """Two calls at once, and what came of them."""
    client = cell.client
    turns = [client.user("weather please")]
    first = await cell.ask(turns, **client.tools())
    _whole(first)
    assert [(call.name, call.arguments["city"]) for call in first.calls] == [(TOOL, "Oslo"), (TOOL, "Bergen")]
    assert len({call.id for call in first.calls}) == 2
    second = await cell.ask([*turns, *first.turn, *client.results(first.calls, "15C", "9C")], **client.tools())
    _whole(second)
    assert second.text.startswith("heard: weather please; given: 15C, 9C"), second.text


async def choice(cell: Cell) -> None:
    """A tool that must be called."""
    answer = await cell.ask([cell.client.user("hello")], **cell.client.tools(TOOL))
    _whole(answer)
    _nothing_ignored(answer)
    assert [call.arguments for call in answer.calls] == [{"city": "Oslo"}]


async def one_call(cell: Cell) -> None:
    """Calls one after the other."""
    fields = {**cell.client.tools(), "parallel_tool_calls": False}
    answer = await cell.ask([cell.client.user("weather please")], **fields)
    _whole(answer)
    _nothing_ignored(answer)
    assert len(answer.calls) == 1


async def thinking(cell: Cell) -> None:
    """Some thinking, and to see it."""
    answer = await cell.ask([cell.client.user("hello")], **cell.effort())
    _whole(answer)
    if not answer.thinking:
        raise Otherwise("hidden: the API of the provider does not show it")
    assert answer.thinking == THOUGHT
    _nothing_ignored(answer)


async def kept_by_penstock(cell: Cell) -> None:
    """Thinking that is kept with the response, for the next of the chain."""
    client = cell.client
    fields = {**client.tools(), **cell.effort()}
    first = await cell.ask([client.user("weather please")], **fields)
    _whole(first)
    results = client.results(first.calls, "15C", "9C")
    _remembered(await cell.ask(results, previous_response_id=first.id, **fields))


async def kept_by_client(cell: Cell) -> None:
    """Thinking that the client carries."""
    client = cell.client
    fields = {**client.tools(), **cell.effort()}
    if client.api == "responses":
        fields |= {"store": False, "include": [ENCRYPTED]}
    turns = [client.user("weather please")]
    first = await cell.ask(turns, **fields)
    _whole(first)
    turns += [*first.turn, *client.results(first.calls, "15C", "9C")]
    _remembered(await cell.ask(turns, **fields))


def _remembered(answer: Answer) -> None:
    _whole(answer)
    assert "given: 15C, 9C" in answer.text
    if "remembered: " not in answer.text:
        raise Otherwise("not given back: the API of the provider has no place for it")


async def _shown(cell: Cell, part: dict[str, Any], seen: str) -> None:
    answer = await cell.ask([cell.client.user("look", part)])
    _whole(answer)
    _nothing_ignored(answer)
    assert answer.text.endswith(f"; seen: {seen}"), answer.text


async def picture(cell: Cell) -> None:
    """A picture in the request."""
    await _shown(cell, cell.client.picture(PICTURE), seen_url(PICTURE))


async def picture_at_address(cell: Cell) -> None:
    """A picture at an address."""
    await _shown(cell, cell.client.picture(AT_ADDRESS), AT_ADDRESS)


async def document(cell: Cell) -> None:
    """A PDF in the request."""
    await _shown(cell, cell.client.document(PDF), seen_url(PDF))


async def schema(cell: Cell) -> None:
    """An answer that keeps to a schema."""
    answer = await cell.ask([cell.client.user("hello")], **cell.client.schema())
    _whole(answer)
    _nothing_ignored(answer)
    assert (json.loads(answer.text), answer.calls) == (json.loads(JSON_ANSWER), [])


async def limit(cell: Cell) -> None:
    """An answer that reaches its limit."""
    name = "max_output_tokens" if cell.client.api == "responses" else cell.row.limit if cell.passes else ""
    answer = await cell.ask([cell.client.user("long")], **{name or "max_completion_tokens": LIMIT})
    assert (answer.ended, answer.text) == ("incomplete: max_output_tokens", WORDS)
    assert cell.fake.asked[-1].limit == LIMIT


async def sampling(cell: Cell) -> None:
    """A temperature."""
    answer = await cell.ask([cell.client.user("hello")], temperature=0.5)
    _whole(answer)
    _nothing_ignored(answer)
    assert "; at: 0.5" in answer.text


async def stops(cell: Cell) -> None:
    """Where to stop."""
    answer = await cell.ask([cell.client.user("hello")], stop=["END"])
    _whole(answer)
    _nothing_ignored(answer)
    if "responses" in cell.row.passes and "chat" not in cell.row.passes:  # the upstream's API has no word for it
        answer = await cell.ask([cell.client.user("hello")], stop=["nothing", "ello"])
        assert (answer.ended, answer.text) == ("completed", "heard: h")
    else:
        assert "; until: END" in answer.text


async def hints(cell: Cell) -> None:
    """What changes no answer."""
    fields = {"service_tier": "flex", "prompt_cache_key": "k", "safety_identifier": "user-1"}
    fields |= {"verbosity": "low"} if cell.client.api == "chat" else {"text": {"verbosity": "low"}}  # type: ignore[dict-item]
    answer = await cell.ask([cell.client.user("hello")], **fields)
    _whole(answer)
    _nothing_ignored(answer)


async def _refused(cell: Cell, what: str, status: int, kind: str, code: str) -> Answer:
    answer = await cell.client.ask([cell.client.user(f"refuse {what}")])
    assert (answer.status, answer.error["type"], answer.error["code"]) == (status, kind, code), answer.error
    return answer


async def busy(cell: Cell) -> None:
    """A rate limit of the upstream."""
    answer = await _refused(cell, "rate", 429, "rate_limit_error", "rate_limit_exceeded")
    assert answer.headers["retry-after"] == "1" or isinstance(cell.fake, Bedrock), "only Bedrock does not say when"


async def too_long(cell: Cell) -> None:
    """More than the model can take."""
    await _refused(cell, "long", 400, "invalid_request_error", "context_length_exceeded")


async def wrong_key(cell: Cell) -> None:
    """Credentials of Penstock's that are none."""
    await _refused(cell, "key", 502, "server_error", "upstream_auth")


async def _broken(cell: Cell, word: str) -> None:
    answer = await cell.client.ask([cell.client.user(word)])
    assert answer.status == 200, answer.error
    assert answer.ended.startswith("failed: "), answer.ended
    assert answer.text == FIRST_WORDS


async def broken(cell: Cell) -> None:
    """An error of the upstream behind the first words."""
    await _broken(cell, "break")


async def cut(cell: Cell) -> None:
    """A connection that ends behind the first words."""
    await _broken(cell, "cut")


async def usage(cell: Cell) -> None:
    """What was used, and what it cost."""
    answer = await cell.ask([cell.client.user("hello")], **cell.effort())
    _whole(answer)
    cell.costs.append(answer.headers["x-request-id"])
    used = dict(answer.usage)
    thought = used.pop("thought")
    total = INPUT_TOKENS + OUTPUT_TOKENS
    assert used == {"input": INPUT_TOKENS, "cached": CACHED_TOKENS, "output": OUTPUT_TOKENS, "total": total}
    assert ("x-penstock-cost" in answer.headers) is not cell.client.stream
    if thought != THOUGHT_TOKENS:
        assert thought == 0
        raise Otherwise("thinking is counted as output: the provider does not count it apart")


class Feature(msgspec.Struct):
    """A column: its heading, what is tried, over which APIs, and whether streamed and not."""

    heading: str
    tries: Callable[[Cell], Awaitable[None]]
    apis: tuple[str, ...] = ("responses", "chat")
    streams: tuple[bool, ...] = (False, True)
    skips_passing: bool = False
    """Not tried where requests go through as they are."""


TABLES: tuple[tuple[Feature, ...], ...] = (
    (
        Feature("text", text),
        Feature("tools in parallel", tools),
        Feature("one tool at a time", one_call),
        Feature("a tool by name", choice),
        Feature("images", picture),
        Feature("images by URL", picture_at_address),
        Feature("PDF", document),
    ),
    (
        Feature("structured output", schema),
        Feature("reasoning", thinking),
        Feature("kept in a chain", kept_by_penstock, apis=("responses",)),
        Feature("kept by the client", kept_by_client),
        Feature("limit", limit),
        Feature("sampling", sampling),
        Feature("stop", stops, apis=("chat",)),
        Feature("hints", hints, skips_passing=True),
    ),
    (
        Feature("rate limit", busy),
        Feature("too long", too_long),
        Feature("wrong key", wrong_key),
        Feature("error in the stream", broken, streams=(True,)),
        Feature("cut stream", cut, streams=(True,)),
        Feature("usage and cost", usage),
    ),
)
