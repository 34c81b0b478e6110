"""MessageFrame: which reads are known without being taken apart, and that nothing else is taken for one."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.events import Event, TextDelta
from proxy.providers.bedrock.decoder import ConverseDecoder
from proxy.providers.bedrock.frame import MessageFrame, TextChunk, TextMessage
from proxy.providers.bedrock.invoke_decoder import InvokeDecoder
from proxy.providers.provider import Decoder
from proxy.sse.event_stream import EventStreamParser
from tests.support import messages
from tests.support.converse import delta, said
from tests.support.event_stream import chunks, event, frame
from tests.support.fixtures import needs_shared, recording
from tests.support.machines import pieces


def chunk(inner: str, **more: Any) -> bytes:
    """Returns a message of InvokeModel's stream that holds an event, which need not be JSON."""
    return event("chunk", bytes=base64.b64encode(inner.encode()).decode(), **more)


def said_inside(index: int, text: str, **more: Any) -> bytes:
    """Returns a piece of text in InvokeModel's stream."""
    value = {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}
    return chunk(json.dumps(value, ensure_ascii=False, separators=(",", ":")), **{"p": "abcdef", **more})


Kind = type[TextMessage] | type[TextChunk]
SAY: dict[Kind, Callable[[int, str], bytes]] = {TextMessage: said, TextChunk: said_inside}


def knowing(kind: Kind, read: bytes, index: int = 0) -> MessageFrame:
    """Returns one that has learned from a read."""
    known = kind()
    known.learn(read, index)
    return known


KNOWN = {kind: knowing(kind, say(0, "x")) for kind, say in SAY.items()}
EACH = pytest.mark.parametrize("kind", SAY)


@EACH
def test_nothing_is_known_at_first(kind: Kind) -> None:
    assert kind().text(SAY[kind](0, "x")) == ""


@EACH
@pytest.mark.parametrize("text", ["a", " ", '"', '\\"},"p":"', '"},"p":"', "ö☂🦩", "\n\t\\", "}}", "p" * 5000])
def test_a_piece_of_text_is_known(kind: Kind, text: str) -> None:
    assert KNOWN[kind].text(SAY[kind](0, text)) == text


@given(st.text(min_size=1).map(lambda text: text.encode("utf-8", "ignore").decode()), st.text(max_size=9))
def test_any_text_is_known_with_any_padding(text: str, padding: str) -> None:
    padding = padding.encode("utf-8", "ignore").decode()
    piece = event("contentBlockDelta", contentBlockIndex=0, delta={"text": text}, p=padding)
    assert KNOWN[TextMessage].text(piece) == text
    assert KNOWN[TextChunk].text(said_inside(0, text, p=padding)) == text


@EACH
def test_blocks_of_any_index_are_learned(kind: Kind) -> None:
    """The index decides which bytes share a group of base64 with the text."""
    for index in (1, 10, 100, 1000):
        known = knowing(kind, SAY[kind](index, "x"), index)
        assert [known.text(SAY[kind](one, "y")) for one in (index, index + 1, 0)] == ["y", "", ""]


def test_pieces_need_no_padding() -> None:
    assert KNOWN[TextMessage].text(event("contentBlockDelta", contentBlockIndex=0, delta={"text": "a"})) == "a"
    inside = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}'
    assert KNOWN[TextChunk].text(chunk(inside)) == "a"


OTHERS: dict[Kind, list[bytes]] = {
    TextMessage: [
        delta(0, reasoningContent={"text": "x"}),
        delta(0, text="x", more=1),
        delta(0, text=""),
        event("contentBlockDelta", contentBlockIndex=0, delta={"text": "x"}, p="a", q="b"),
        event("contentBlockStop", contentBlockIndex=0),
        frame(said(0, "x")[12:99], b'{"contentBlockIndex":0,"delta":{"text":"x"},"delta":{"text":"y"}}'),
        frame(said(0, "x")[12:99], b'{"contentBlockIndex":0,"delta":{"text":"x"}'),
    ],
    TextChunk: [
        chunks(messages.event("content_block_stop", index=0)),
        chunks(messages.event("content_block_delta", index=0, delta={"type": "text_delta", "text": "x", "more": 1})),
        chunks(messages.event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "x"})),
        chunk('{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"},"index":1}'),
        chunk('{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x","text":"y"}}'),
        chunk('{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}'),
        chunk('{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}]'),
        chunk('{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}'),
        chunk('{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text";"x"}}'),
        chunk('{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"},"p":"y"}'),
        chunk(
            '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"},'
            '"amazon-bedrock-guardrailAction":"INTERVENED"}'
        ),
        event("chunk", bytes=base64.b64encode(b'{"type":"content_block_delta","index":0,"delta":').decode() + "%%%"),
    ],
}


@EACH
def test_all_else_is_not(kind: Kind) -> None:
    say, known = SAY[kind], KNOWN[kind]
    for read in (
        *OTHERS[kind],
        say(1, "x"),
        say(0, "x")[:-1],
        say(0, "x") + say(0, "y"),
        say(0, "x") + b"\0",
        b"",
        b"\0" * 12,
        b"\0" * 500,
    ):
        assert known.text(read) == "", read


@EACH
def test_a_changed_byte_is_noticed(kind: Kind) -> None:
    good = SAY[kind](0, "some text")
    assert KNOWN[kind].text(good) == "some text"
    for place in range(len(good)):
        for bit in (0x01, 0x20, 0x80):
            bad = bytearray(good)
            bad[place] ^= bit
            assert KNOWN[kind].text(bytes(bad)) == ""


def test_what_is_written_otherwise_is_not_learned() -> None:
    other = frame(event("contentBlockDelta")[12:-6], b'{"delta":{"text":"x"},"contentBlockIndex":0}')
    assert knowing(TextMessage, other).prefix is None
    inside = chunk('{"index":0,"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}')
    assert knowing(TextChunk, inside).prefix is None


@EACH
def test_characters_are_counted(kind: Kind) -> None:
    known = knowing(kind, SAY[kind](0, "x"))
    known.text(SAY[kind](0, "🦩ö"))
    known.text(SAY[kind](1, "not this"))
    assert known.chars == 2


@EACH
def test_half_a_message_is_not_learned(kind: Kind) -> None:
    one = SAY[kind](0, "x")
    for cut in range(len(one)):
        assert knowing(kind, one[cut + 1 :]).prefix is None
        assert knowing(kind, one[:cut]).prefix is None


@EACH
def test_however_many_lengths_come_all_are_known(kind: Kind) -> None:
    for size in range(1, 2500, 2):
        assert KNOWN[kind].text(SAY[kind](0, "a" * size)) == "a" * size


# --- recordings: it makes no difference whether pieces are known


RECORDED: list[tuple[str, Callable[[], Decoder], int]] = [
    ("bedrock/converse-text.eventstream", ConverseDecoder, 375),
    ("bedrock/invoke-anthropic-messages.eventstream", InvokeDecoder, 76),
]


def events_of(raw: bytes, cuts: list[int], decoder: Decoder, *, knows: bool) -> tuple[list[Event], int]:
    """Returns the events of a stream in reads ending at `cuts`, and how many characters were known unparsed."""
    parser, known = EventStreamParser(), 0
    events: list[Event] = []
    for read in pieces(raw, cuts):
        if knows and (text := decoder.text_of(read)):
            known += len(text)
            events.append(TextDelta(text))
            continue
        made = decoder.feed(parser.feed(read))
        if len(made) == 1 and isinstance(made[0], TextDelta):
            decoder.learn(read, made[0].text)
        events += made
    return events + decoder.finish(), known


@needs_shared
@pytest.mark.parametrize(("path", "decoder", "characters"), RECORDED)
def test_recorded_pieces_are_known_and_say_the_same(path: str, decoder: Any, characters: int) -> None:
    raw = recording(path)
    ends, place = [], 0
    while place < len(raw):
        place += int.from_bytes(raw[place : place + 4], "big")
        ends.append(place)
    plain, _ = events_of(raw, ends, decoder(), knows=False)
    events, known = events_of(raw, ends, decoder(), knows=True)
    assert events == plain
    first = next(event.text for event in plain if isinstance(event, TextDelta))
    assert known == characters - len(first)
    for cut in range(1, len(raw)):
        assert events_of(raw, sorted({*ends, cut}), decoder(), knows=True)[0] == plain, f"cut at {cut}"
    numbers = random.Random(path)
    for _ in range(20):
        cuts = sorted(numbers.sample(range(1, len(raw)), 40))
        assert events_of(raw, cuts, decoder(), knows=True)[0] == plain
