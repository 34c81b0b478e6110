"""The short way of plain pieces of text: it says what the plain way says, whatever comes between the pieces."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, cast

import pytest

from proxy.api.chat.encoder import ChatEncoder
from proxy.api.responses.encoder import ResponsesEncoder
from proxy.api.responses.encoder_options import EncoderOptions
from proxy.api.responses.snapshot import Snapshot
from proxy.chunks import frame
from proxy.client_side import ClientSide
from proxy.events import Event, Finish, TextDelta, Usage
from proxy.exchange import Exchange
from proxy.metrics.pulse import Pulse
from proxy.providers.chat.decoder import ChatDecoder
from proxy.pump import ClientStream, Pump
from proxy.shortcut import Shortcut, fits
from proxy.stage import ResponseFilter
from proxy.translation import Encoder, Translation
from proxy.upstream.receiver import Receiver
from tests.server.test_stream import unchunk
from tests.support.drive import exchange_of
from tests.support.machines import DONE, ECHO, chunk

SAYS = [
    "Hel",
    "lo",
    " wor\nld",
    'a "quoted" \\ thing',
    "é",
    "日本",
    "\x7f",
    "\u2028",
    "😀",
    "x" * 3000,
    "%d %b %%",
    " ",
]


def reads() -> list[bytes]:
    """Returns the reads of one answer: pieces of text, and all that may come between them."""
    pieces = [chunk({"content": text}) for text in SAYS]
    escaped = chunk({"content": "é😀"}).replace("é".encode(), b"\\u00e9")
    between = [
        chunk({"content": ""}),
        chunk({"reasoning_content": "hm"}),
        chunk({"content": "a"}) + chunk({"content": "b"}),
        b": ping\n\n",
        chunk({"content": "cut in two"})[:30],
        chunk({"content": "cut in two"})[30:],
        json.dumps({"usage": {"prompt_tokens": 1, "completion_tokens": 2}, "choices": []})
        .join(("data: ", "\n\n"))
        .encode(),
        chunk({"refusal": "no"}),
        escaped,
    ]
    out = pieces[:3]
    for one in between:
        out += [one, *pieces]
    return [*out, chunk({}, finish="stop"), DONE]


class Client:
    """A client that keeps what it is sent."""

    opened = True
    paused = False

    def __init__(self) -> None:
        self.body = b""
        self.chunks: list[bytes] = []
        self.send = self.chunk

    def chunk(self, data: bytes) -> None:
        """Takes a chunk in its frame."""
        (only,) = unchunk(data)
        self.chunks.append(only)
        self.body += only

    def open(self, headers: dict[str, str], events: bytes = b"") -> None:
        """Is open."""

    def write(self, data: bytes) -> None:
        """Takes bytes without a frame."""
        self.body += data

    def on_flow(self, pause: object, resume: object) -> None:
        """Reads all the time."""


class Ends:
    """What a pump is told."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.completed = False

    def broke(self, error: Exception) -> None:
        """Is told what a filter has raised."""
        self.error = error

    def complete(self) -> None:
        """Is told that the answer has ended."""
        self.completed = True


def encoder(dialect: str, **options: Any) -> Encoder:
    """Returns an encoder with fixed ids."""
    if dialect == "chat":
        return ChatEncoder(id="chatcmpl-1", model="m", created=1)
    return ResponsesEncoder(
        Snapshot(ECHO, response_id="resp_1", created_at=1, model="m"),
        options=EncoderOptions(**options),
        item_id=lambda kind, n: f"{kind}_{n}",
        now=lambda: 2,
    )


class Answer:
    """One answer on its way to a client, with or without the short way."""

    def __init__(
        self, dialect: str, filters: list[ResponseFilter], *, short: bool, pulse: Pulse | None = None, **options: Any
    ) -> None:
        self.exchange: Exchange = exchange_of()
        self.exchange.pulse = pulse
        self.client = Client()
        self.ends = Ends()
        made = encoder(dialect, **options)
        self.side = ClientSide(self.exchange, cast(ClientStream, self.client), lambda *_: made, lambda _: None)
        self.translation = Translation(self.exchange, ChatDecoder(), filters, made, self.side)
        self.side.bridge = self.translation
        self.shortcut = Shortcut(self.exchange, self.side, self.translation, cast(Pump, self.ends)) if short else None
        if self.shortcut is not None:
            self.side.on_other_stream = self.shortcut.stop
        self.taken = 0

    def take(self, data: bytes) -> None:
        """Takes one read."""
        if self.shortcut is not None and self.shortcut.take(frame(data)):
            self.taken += 1
        elif out := self.translation.feed(data):
            self.side.write(out)


@pytest.mark.parametrize("dialect", ["responses", "chat"])
@pytest.mark.parametrize("options", [{}, {"keep_log": True}, {"obfuscation": True}], ids=str)
async def test_both_ways_say_the_same(dialect: str, options: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_urlsafe", lambda count: "x" * 22)
    plain = Answer(dialect, [], short=False, **options)
    short = Answer(dialect, [], short=True, **options)
    for read in reads():
        plain.take(read)
        short.take(read)
        assert short.client.body == plain.client.body, read
    assert plain.translation.done
    assert short.translation.done
    assert short.taken > 40
    for answer in (plain, short):
        log = answer.side.get_encoder()
        if isinstance(log, ResponsesEncoder) and log.log is not None:
            rendered, _ = log.log.render(0, 10_000)
            assert answer.client.body.endswith(rendered)
    assert plain.side.get_encoder().final() == short.side.get_encoder().final()


class Drops(ResponseFilter):
    """Takes the shortcut from its connection while that goes through it, as closing the connection does."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def on_text(self, exchange: Exchange, text: str) -> bool:
        """Lets all pass."""
        self._receiver.shortcut = None
        return True


async def test_a_piece_goes_through_to_the_end_though_nobody_else_holds_the_shortcut_any_more() -> None:
    receiver = Receiver()
    answer = Answer("responses", [Drops(receiver)], short=True)
    for text in ("one", "two"):  # which opens the message, and is learned
        answer.take(chunk({"content": text}))
    receiver.between = True
    receiver.shortcut, answer.shortcut, answer.side.on_other_stream = answer.shortcut, None, None
    receiver.data_received(frame(chunk({"content": "three"})))
    assert receiver.shortcut is None
    assert receiver.last
    assert b'"delta":"three"' in answer.client.body


class Picky(ResponseFilter):
    """Sees some pieces as they are, and some as events, which it puts into capitals."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.seen = ""

    def on_text(self, exchange: Exchange, text: str) -> bool:
        """Takes what comes about half the time."""
        if self._chance.random() < 0.5:
            return False
        self.seen += text
        return True

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Takes the rest."""
        out: list[Event] = []
        for event in events:
            if isinstance(event, TextDelta):
                self.seen += event.text
                event = TextDelta(event.text.upper())
            out.append(event)
        return out


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dialect", ["responses", "chat"])
async def test_filters_see_every_piece_once_and_in_order(dialect: str, seed: int) -> None:
    filters = [Picky(seed), Picky(seed + 1), Picky(seed + 2)]
    answer = Answer(dialect, list(filters), short=True)
    for read in reads():
        answer.take(read)
    said = filters[0].seen
    assert said.startswith("Hello wor\nld")
    assert [one.seen.lower() for one in filters] == [said.lower()] * 3
    final = json.loads(answer.side.get_encoder().final())
    told = (
        final["choices"][0]["message"]["content"]
        if dialect == "chat"
        else "".join(
            part.get("text", "") for item in final["output"] if item["type"] == "message" for part in item["content"]
        )
    )
    assert told.lower() == said.lower()


class Does(ResponseFilter):
    """Does something at the third piece."""

    def __init__(self, does: str) -> None:
        self._does = does
        self._count = 0

    def on_text(self, exchange: Exchange, text: str) -> bool:
        """Lets two pieces through."""
        self._count += 1
        if self._count == 3 and self._does == "raise":
            raise ValueError("no")
        return self._count < 3

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Ends the answer, or keeps the piece."""
        if self._count < 3:
            return events
        return [Finish("content_filter")] if self._does == "end" else []


@pytest.mark.parametrize("does", ["raise", "end", "keep"])
async def test_a_filter_may_fail_end_the_answer_or_keep_a_piece(does: str) -> None:
    answer = Answer("responses", [Does(does)], short=True)
    for text in ("a", "b", "c", "d"):
        answer.take(chunk({"content": text}))
    before = answer.client.body
    assert b'"delta":"d"' not in before if does != "raise" else True
    assert (answer.ends.error is not None) == (does == "raise")
    assert answer.ends.completed == (does == "end")
    assert (b"response.incomplete" in before) == (does == "end")


async def test_pieces_go_the_plain_way_once_another_takes_the_clients_place() -> None:
    answer = Answer("responses", [], short=True)
    pieces = [chunk({"content": text}) for text in "abcdef"]
    for read in pieces[:3]:
        answer.take(read)
    taken, first = answer.taken, answer.client
    answer.side.detach()
    for read in pieces[3:]:
        answer.take(read)
    assert answer.taken == taken
    assert b'"delta":"d"' not in first.body


async def test_a_piece_counts_as_a_beat_of_the_stream() -> None:
    pulse = Pulse()
    pulse.begin(0.0)
    answer = Answer("responses", [], short=True, pulse=pulse)
    for text in "abcd":
        answer.take(chunk({"content": text}))
    assert answer.taken == 3
    assert sum(pulse.counts() or []) == 3


async def test_only_filters_that_take_pieces_and_clients_that_take_chunks_have_it() -> None:
    class Plain(ResponseFilter):
        """Looks at events only."""

    answer = Answer("responses", [Picky(1)], short=False)
    assert fits(answer.translation, cast(ClientStream, answer.client))
    assert not fits(
        Answer("responses", [Picky(1), Plain()], short=False).translation, cast(ClientStream, answer.client)
    )
    answer.client.send = None  # type: ignore[assignment]
    assert not fits(answer.translation, cast(ClientStream, answer.client))


def _story(seed: int) -> list[bytes]:
    """Returns the events of an answer that is mostly text, in any order."""
    chance = random.Random(seed)
    between = [one for one in reads()[3:-2] if one.endswith(b"\n\n") and one.startswith(b"data")]
    texts = [text for text in SAYS if len(text) < 100]
    some = [
        chunk({"content": chance.choice(texts)}) if chance.random() < 0.95 else chance.choice(between)
        for _ in range(600)
    ]
    return [*some, chunk({}, finish="stop"), DONE]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dialect", ["responses", "chat"])
@pytest.mark.parametrize("options", [{}, {"keep_log": True}], ids=str)
async def test_where_the_network_cuts_makes_no_difference(dialect: str, options: dict[str, bool], seed: int) -> None:
    story = _story(seed)
    single = Answer(dialect, [], short=False, **options)
    for one in story:
        single.take(one)
    chance = random.Random(seed)
    cut = Answer(dialect, [], short=True, **options)
    left = b"".join(story)
    while left:
        size = chance.choice((1, 40, 300, 3_000, 30_000))
        cut.take(left[:size])
        left = left[size:]
    assert cut.client.body == single.client.body
    assert cut.side.get_encoder().final() == single.side.get_encoder().final()
    encoder = cut.side.get_encoder()
    if isinstance(encoder, ResponsesEncoder) and encoder.log is not None:
        rendered, _ = encoder.log.render(0, 10_000)
        assert cut.client.body.endswith(rendered)


async def test_texts_that_come_together_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    pieces = ResponsesEncoder.pieces

    def counting(self: ResponsesEncoder, texts: list[str], strings: list[bytes]) -> bytes:
        taken.append(len(texts))
        return pieces(self, texts, strings)

    monkeypatch.setattr(ResponsesEncoder, "pieces", counting)
    answer = Answer("responses", [], short=False)
    answer.take(
        b"".join([*[chunk({"content": f"{number}é"}) for number in range(6000)], chunk({}, finish="stop"), DONE])
    )
    assert answer.translation.done
    assert sum(taken) > 5900
    assert b'"sequence_number":5999,' in answer.client.body  # beyond the numbers that are kept ready


class EndsAt(ResponseFilter):
    """Ends the answer at a text."""

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Lets usage through."""
        at = next((n for n, one in enumerate(events) if isinstance(one, TextDelta) and one.text == "stop"), None)
        if at is None:
            return events
        return [*events[:at], *(one for one in events[at:] if isinstance(one, Usage)), Finish("content_filter")]


async def test_a_filter_that_ends_a_large_read_has_seen_all_of_it() -> None:
    answer = Answer("responses", [EndsAt()], short=False)
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":7,"total_tokens":8}}\n\n'
    texts = [chunk({"content": text}) for text in [*"abcdefghijklmnopqrst", "stop", *"uvw"]]
    answer.take(b"".join([*texts, chunk({}, finish="stop"), usage, DONE]))
    assert answer.translation.done
    final = json.loads(answer.side.get_encoder().final())
    assert (final["status"], final["usage"]["output_tokens"]) == ("incomplete", 7)


async def test_filters_see_texts_that_come_together() -> None:
    filters = [Picky(1), Picky(2)]
    answer = Answer("responses", list(filters), short=True)
    answer.take(b"".join(_story(1)))
    told = json.loads(answer.side.get_encoder().final())["output"]
    text = "".join(part.get("text", "") for item in told if item["type"] == "message" for part in item["content"])
    assert [one.seen.lower() for one in filters] == [text.lower()] * 2


def grows(index: int, arguments: str) -> bytes:
    """Returns a piece of a call's arguments."""
    return chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})


def begins(index: int, name: str, arguments: str = "") -> bytes:
    """Returns what a call begins with."""
    function = {"name": name, "arguments": arguments}
    return chunk({"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function", "function": function}]})


def _agent(seed: int) -> list[bytes]:
    """Returns the reads of an answer that thinks, speaks, and calls tools, some at a time, mostly in many pieces."""
    chance = random.Random(seed)
    words = [text for text in SAYS if len(text) < 100]
    story: list[bytes] = []
    calls = 0
    for _ in range(30):
        kind = chance.choice(("think", "say", "call", "call", "two calls", "mixed"))
        count = chance.randrange(1, 12)
        if kind == "think":
            field = chance.choice(("reasoning_content", "reasoning"))
            story += [chunk({field: chance.choice(words)}) for _ in range(count)]
        elif kind == "say":
            story += [chunk({"content": chance.choice(words)}) for _ in range(count)]
        elif kind == "mixed":
            story += [chunk({"content": "a", "reasoning_content": "b"}), grows(0, " "), grows(77, "x")]
        else:
            open_ones = range(calls, calls + (1 if kind == "call" else 2))
            calls = open_ones.stop
            story += [begins(index, "f", chance.choice(("", '{"a": "'))) for index in open_ones]
            story += [grows(chance.choice(open_ones), json.dumps(chance.choice(words))[1:-1]) for _ in range(count)]
            story += [grows(index, '"}') for index in open_ones if chance.random() < 0.7]
    return [*story, chunk({}, finish="tool_calls"), DONE]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dialect", ["responses", "chat"])
@pytest.mark.parametrize("options", [{}, {"keep_log": True}, {"reasoning": "summary"}, {"reasoning": "drop"}], ids=str)
async def test_thinking_and_calls_are_told_the_same(dialect: str, options: dict[str, Any], seed: int) -> None:
    plain = Answer(dialect, [], short=False, **options)
    plain.translation.text_of = lambda read: ""
    short = Answer(dialect, [], short=True, **options)
    for read in _agent(seed):
        plain.take(read)
        short.take(read)
        assert short.client.body == plain.client.body, read
    assert plain.translation.done
    assert short.translation.done
    assert plain.side.get_encoder().final() == short.side.get_encoder().final()
    assert plain.side.get_encoder().output_chars() == short.side.get_encoder().output_chars()
    log = short.side.get_encoder()
    if isinstance(log, ResponsesEncoder) and log.log is not None:
        rendered, _ = log.log.render(0, 10_000)
        assert short.client.body.endswith(rendered)


@pytest.mark.parametrize("make", [lambda text: chunk({"reasoning_content": text}), lambda text: grows(0, text)])
async def test_pieces_of_thinking_and_of_a_call_go_the_short_way(make: Callable[[str], bytes]) -> None:
    answer = Answer("responses", [], short=True)
    answer.take(begins(0, "f"))
    for text in "abcdefgh":
        answer.take(make(text))
    assert answer.taken == 7


async def test_with_filters_only_text_goes_the_short_way() -> None:
    answer = Answer("responses", [Picky(1)], short=True)
    answer.take(begins(0, "f"))
    for text in "abcdefgh":
        answer.take(grows(0, text))
    assert answer.taken == 0


async def test_a_call_that_was_cut_in_the_short_way_is_known_to_be_cut() -> None:
    answer = Answer("responses", [], short=True)
    for read in (begins(0, "f", '{"a"'), grows(0, ":"), grows(0, "["), grows(0, "1"), DONE):
        answer.take(read)
    assert answer.taken == 2
    assert json.loads(answer.side.get_encoder().final())["status"] == "failed"
