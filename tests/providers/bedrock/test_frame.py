"""TextMessage: which reads are known without parsing, and that nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.anthropic.frame import TextFrame
from proxy.providers.bedrock.frame import TextMessage
from tests.support.converse import delta, said
from tests.support.event_stream import event, frame
from tests.support.fixtures import needs_shared, recording


def knowing(read: bytes, index: int = 0) -> TextMessage:
    """Returns one that has learned from a read."""
    known = TextMessage(TextFrame())
    known.learn(read, index)
    return known


KNOWN = knowing(said(0, "x"))


def test_nothing_is_known_at_first() -> None:
    assert TextMessage(TextFrame()).text(said(0, "x")) == ""


@pytest.mark.parametrize("text", ["a", " ", '"', '\\"},"p":"', '"},"p":"', "ö☂🦩", "\n\t\\", "}}", "p" * 5000])
def test_a_piece_of_text_is_known(text: str) -> None:
    assert KNOWN.text(said(0, text)) == text
    assert KNOWN.text(event("contentBlockDelta", contentBlockIndex=0, delta={"text": text})) == text


@given(st.text(min_size=1).map(lambda text: text.encode("utf-8", "ignore").decode()))
def test_any_text_is_known(text: str) -> None:
    assert KNOWN.text(said(0, text)) == text


@pytest.mark.parametrize(
    "read",
    [
        said(1, "x"),
        said(0, "x")[:-1],
        said(0, "x") + said(0, "y"),
        said(0, "x") + b"\0",
        delta(0, reasoningContent={"text": "x"}),
        delta(0, text="x", more=1),
        event("contentBlockDelta", contentBlockIndex=0, delta={"text": "x"}, p="a", q="b"),
        event("contentBlockDelta", contentBlockIndex=0, delta={"text": "x"}, p='a"},"p":"b'),
        event("contentBlockStop", contentBlockIndex=0),
        b"",
        b"\0" * 12,
    ],
)
def test_all_else_is_not(read: bytes) -> None:
    assert KNOWN.text(read) == ""


def test_a_changed_byte_is_noticed() -> None:
    good = said(0, "some text")
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1
        assert KNOWN.text(bytes(bad)) == ""


def test_what_is_written_otherwise_is_not_learned() -> None:
    other = frame(event("contentBlockDelta")[12:-6], b'{"delta":{"text":"x"},"contentBlockIndex":0}')
    assert knowing(other).prefix is None


def test_characters_are_counted() -> None:
    counter = TextFrame()
    known = TextMessage(counter)
    known.learn(said(0, "x"), 0)
    known.text(said(0, "🦩ö"))
    known.text(said(1, "not this"))
    assert counter.chars == 2


def test_half_a_message_is_not_learned() -> None:
    one = said(0, "x")
    for cut in range(len(one)):
        assert knowing(one[cut + 1 :]).prefix is None
        assert knowing(one[:cut]).prefix is None


@needs_shared
def test_recorded_pieces_are_known() -> None:
    raw = recording("bedrock/converse-text.eventstream")
    places, start = [], 0
    while start < len(raw):
        size = int.from_bytes(raw[start : start + 4], "big")
        places.append(raw[start : start + size])
        start += size
    texts = [one for one in places if b'"delta":{"text"' in one]
    known = knowing(texts[0])
    assert len("".join(map(known.text, texts))) == 375
    assert [known.text(one) for one in places if one not in texts] == [""] * (len(places) - len(texts))
