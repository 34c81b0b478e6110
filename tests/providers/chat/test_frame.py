"""Reads that are taken without parsing: the same events come of them, whatever is sent and wherever it is cut."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.events import OUTPUT_EVENTS, Event, Finish, TextDelta, UpstreamFailed
from proxy.exchange import Client, Exchange
from proxy.providers.chat.decoder import ChatDecoder
from proxy.providers.chat.frame import LearnedFrame
from proxy.sse.parser import SseParser
from proxy.translation import Translation
from tests.support.fixtures import recording, recordings

CHUNK = (
    '{{"id":"c1","object":"chat.completion.chunk","created":{created},"model":"m",{before}"choices":[{{"index":0,'
    '"delta":{{{delta}}},"logprobs":null,"finish_reason":null}}]{behind}}}'
)


def read_of(text: str, created: int = 1, before: str = "", behind: str = "", ascii_only: bool = True) -> bytes:
    """Returns one read that is one chunk of text."""
    delta = '"content":' + json.dumps(text, ensure_ascii=ascii_only)
    return f"data: {CHUNK.format(created=created, before=before, delta=delta, behind=behind)}\n\n".encode()


class Collects:
    """Stands in the encoder's place and keeps the events."""

    any_piece = True

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.done = False

    def encode(self, events: Sequence[Event]) -> bytes:
        self.events += events
        self.done = self.done or isinstance(events[-1], (Finish, UpstreamFailed))
        return b""

    def pieces(self, texts: list[str], strings: list[bytes]) -> bytes:
        self.events += [TextDelta(text) for text in texts]
        return b"taken"


class Counts:
    """A parser that counts what it has to read."""

    def __init__(self) -> None:
        self.reads = 0
        self._parser = SseParser()
        self.finish = self._parser.finish

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        self.reads += 1
        return self._parser.feed(data)


def taken(reads: Sequence[bytes]) -> tuple[list[Event], int]:
    """Returns the events of reads through a Translation, and how many of the reads were parsed."""
    collects: Any = Collects()
    exchange = Exchange("x", Client("127.0.0.1", {}), None)
    names = iter(range(1000))
    decoder = ChatDecoder(make_call_id=lambda: f"call_{next(names)}")
    translation = Translation(exchange, decoder, (), collects, None)
    translation._parser = parser = Counts()
    for read in reads:
        if not collects.done:
            translation.feed(read)
    if not collects.done:
        translation.finish()
    return collects.events, parser.reads


def parsed(reads: Sequence[bytes]) -> list[Event]:
    """Returns the events of the same reads, every one of them parsed."""
    names = iter(range(1000))
    parser, decoder = SseParser(), ChatDecoder(make_call_id=lambda: f"call_{next(names)}")
    events: list[Event] = []
    for read in reads:
        events += decoder.feed(parser.feed(read))
    return events + decoder.feed(parser.finish()) + decoder.finish()


def same(reads: Sequence[bytes]) -> None:
    """Checks that nothing is different without parsing; a failure before any output is raised instead of told."""
    expected = parsed(reads)
    if isinstance(expected[-1], UpstreamFailed) and not any(isinstance(one, OUTPUT_EVENTS) for one in expected):
        with pytest.raises(type(expected[-1].error), match=re.escape(str(expected[-1].error))):
            taken(reads)
        return
    events, _ = taken(reads)
    assert [repr(one) for one in events] == [repr(one) for one in expected]


END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def test_plain_chunks_are_parsed_once() -> None:
    reads = [read_of(word) for word in ("a ", "b", '"c"\n', "é\u2028", "😀", " ", "\\")]
    events, count = taken([*reads, END])
    assert [one.text for one in events if isinstance(one, TextDelta)] == [
        "a ",
        "b",
        '"c"\n',
        "é\u2028",
        "😀",
        " ",
        "\\",
    ]
    assert count == 2  # the first chunk and the end


def test_a_frame_that_changes_now_and_then_is_learned_again() -> None:
    reads = [read_of("x", created=second) for second in range(5) for _ in range(10)]
    _, count = taken([*reads, END])
    assert count == 6
    same([*reads, END])


def test_chunks_that_all_differ_are_left_alone() -> None:
    frame = LearnedFrame()
    for number in range(20):
        read = read_of("x", behind=f',"obfuscation":"{number}"')
        assert frame.text(read) == ""
        frame.learn(read, TextDelta("x"), "x")
    assert (frame.prefix, frame.patience) == (None, 0)


@pytest.mark.parametrize(
    "other",
    [
        b'data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}}]}\n\n',
        b": comment\n\n",
        b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\n',
        b"data: half",
        b"data: {\n\n",
        read_of("", created=1),
        read_of("\ud83d"),
        read_of("two") + read_of("three"),
        b'event: error\ndata: {"message":"no"}\n\n',
    ],
)
def test_whatever_comes_between_is_taken_as_ever(other: bytes) -> None:
    same([read_of("one"), read_of("two"), other, read_of(" "), read_of("four"), END])


@pytest.mark.parametrize(
    "before",
    [
        '"note":{"content":"one"},',
        '"content":"one",',
        '"x":[{"delta":{"content":"one"}}],',
        '"s":"\\"content\\":\\"one\\"",',
    ],
)
def test_another_member_of_that_name_is_no_text(before: str) -> None:
    same([read_of(word, before=before) for word in ("one", "one", "two", "one")] + [END])
    swapped = read_of("one", before=before).replace(b'"one"', b'"new"', 1)
    same([read_of("one", before=before), swapped, END])


def test_a_second_answer_in_the_chunk_is_no_frame() -> None:
    behind = ""
    two = read_of("one", behind=behind).replace(b"}],", b"}],", 1)
    two = two.replace(b'"finish_reason":null}]', b'"finish_reason":null},{"index":1,"delta":{"content":"one"}}]')
    same([two, two.replace(b'"one"', b'"new"', 1), two, END])


@given(
    texts=st.lists(st.text(max_size=12), min_size=1, max_size=12),
    ascii_only=st.booleans(),
    noise=st.lists(st.sampled_from(['"', "\\", "}", '"}}]}\n\n', '"content":"', "\r", "data: "]), max_size=3),
)
def test_any_text_in_the_same_frame(texts: list[str], ascii_only: bool, noise: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts] + noise
    same([*(read_of(text, ascii_only=ascii_only) for text in texts), END])


@pytest.mark.parametrize("row", recordings("openai-chat-completions-stream"), ids=lambda row: row["path"])
def test_recordings_say_the_same(row: dict[str, Any]) -> None:
    raw = recording(row["path"])
    events = [block + b"\n\n" for block in raw.replace(b"\r\n", b"\n").split(b"\n\n") if block]
    same(events)
    rng = random.Random(row["path"])
    for size in (2, 7):
        cut: list[bytes] = []
        for at in range(0, len(events), size):
            whole = b"".join(events[at : at + size])
            place = rng.randrange(len(whole))
            cut += [piece for piece in (whole[:place], whole[place:]) if piece]
        same(cut)


def test_pieces_of_thinking_and_of_arguments_are_parsed_once() -> None:
    def piece(delta: dict[str, Any]) -> bytes:
        return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"

    def grows(text: str) -> bytes:
        return piece({"tool_calls": [{"index": 0, "function": {"arguments": text}}]})

    first = {"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}
    thinks = [piece({"content": None, "reasoning_content": text}) for text in ("Hm", ",", " so", '"')]
    calls = [piece({"tool_calls": [first]}), *(grows(text) for text in ('{"a', '":', "1", "}"))]
    events, count = taken([*thinks, *calls, END])
    assert count == 4  # the first of the thoughts, the call, the first of its arguments, and the end
    assert [repr(one) for one in events] == [repr(one) for one in parsed([*thinks, *calls, END])]
