"""The pieces that the bench writes in each dialect are read as what they say."""

from __future__ import annotations

import pytest

from bench.answers import word
from bench.dialects import DIALECTS, Dialect, reader
from proxy.events import TextDelta

WORDS = [word(1, index) for index in range(1, 40)]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_pieces_say_what_they_are_to_say(dialect: Dialect) -> None:
    machine, parser = dialect.decoder(), dialect.parser()
    pieces = [dialect.piece(text, place) for place, text in enumerate(WORDS)]
    assert machine.feed(parser.feed(dialect.head + b"".join(pieces)))[-len(WORDS) :] == [
        TextDelta(text) for text in WORDS
    ]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_reader_has_begun_and_knows_pieces(dialect: Dialect, monkeypatch: pytest.MonkeyPatch) -> None:
    read = reader(dialect)
    monkeypatch.setattr(dialect.parser, "feed", None)  # a piece that is known is not parsed
    for place, text in enumerate(WORDS):
        read(dialect.piece(text, place))
