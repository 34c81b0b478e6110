"""Answers that end in front of a sequence, however the text was cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from proxy.errors import BadRequest, UpstreamCut
from proxy.events import Event, Finish, ReasoningDelta, TextDelta, ToolCallStart, UpstreamFailed, Usage
from proxy.providers.provider import Payload
from proxy.providers.stop_sequences import StoppingDecoder, stop_sequences

END: list[Event] = [Usage(3, 4), Finish("length")]


class Told:
    """A decoder that tells one event for each payload."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = list(events)
        self.done = False

    def feed(self, payloads: Sequence[Payload]) -> list[Event]:
        return [self.events.pop(0) for _ in payloads]

    def text_of(self, read: bytes) -> str:
        return "never asked"

    def learn(self, read: bytes, text: str) -> None:
        raise AssertionError("it would be asked for text then")

    def finish(self) -> list[Event]:
        return [UpstreamFailed(UpstreamCut("cut"))]

    def whole(self, body: bytes) -> list[Event]:
        return self.events


def stopped(*events: Event, sequences: Sequence[str] = ("STOP", "\n\n")) -> list[Event]:
    """Returns the events of a stream in which each came by itself."""
    decoder = StoppingDecoder(Told(events), sequences)
    made: list[Event] = []
    for _ in events:
        made += decoder.feed([(b"", b"")])
    assert decoder.text_of(b"read") == ""
    decoder.learn(b"read", "text")
    return made + decoder.finish()


def text(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("one STOP two", "one "),
        ("one\n\ntwo STOP", "one"),
        ("STOP", ""),
        ("SSTOP STO", "S"),
        ("no ST or STO or \n", None),
        ("SToP", None),
        ("STSTOSTOP!", "STSTO"),
    ],
)
def test_where_the_text_is_cut_makes_no_difference(said: str, shown: str | None) -> None:
    ended = [Finish("stop")] if shown is not None else END
    for first in range(len(said) + 1):
        for second in range(first, len(said) + 1):
            pieces = [piece for piece in (said[:first], said[first:second], said[second:]) if piece]
            events = stopped(*map(TextDelta, pieces), *END)
            assert text(events) == (said if shown is None else shown)
            assert [event for event in events if not isinstance(event, TextDelta)] == ended
            assert all(event.text for event in events if isinstance(event, TextDelta))


def test_only_what_may_be_a_sequence_waits() -> None:
    decoder = StoppingDecoder(Told([TextDelta("one S"), TextDelta("T"), TextDelta("ay")]), ["STOP"])
    assert [decoder.feed([(b"", b"")]) for _ in range(3)] == [
        [TextDelta("one ")],
        [],
        [TextDelta("S"), TextDelta("T"), TextDelta("ay")],
    ]


def test_what_is_no_text_ends_what_may_be_a_sequence() -> None:
    call = ToolCallStart(1, "c", "f")
    events = stopped(TextDelta("S"), ReasoningDelta("STOP"), TextDelta("TOP"), Usage(), call, Finish("stop"))
    assert events == [TextDelta("S"), ReasoningDelta("STOP"), TextDelta("TOP"), Usage(), call, Finish("stop")]


def test_a_cut_stream_shows_all_that_has_come() -> None:
    first, last = stopped(TextDelta("ST"))
    assert first == TextDelta("ST")
    assert isinstance(last, UpstreamFailed)


def test_a_whole_answer_keeps_its_usage() -> None:
    decoder = StoppingDecoder(Told([TextDelta("a STOP b"), ToolCallStart(1, "c", "f"), *END]), ["STOP"])
    assert decoder.whole(b"") == [TextDelta("a "), Usage(3, 4), Finish("stop")]
    assert (decoder.done, decoder.feed([(b"", b"")]), decoder.finish()) == (True, [], [])


def test_tokens_stay_with_their_text() -> None:
    tokens: list[dict[str, Any]] = [{"token": one, "logprob": -1.0} for one in ("a", " S", "T", "OP")]
    held = TextDelta("a S", tokens[:2])
    assert stopped(held, TextDelta("et"), Finish("stop")) == [held, TextDelta("et"), Finish("stop")]
    assert stopped(TextDelta("a STOP", tokens)) == [TextDelta("a ", tokens[:1]), Finish("stop")]


def test_what_a_client_may_say() -> None:
    assert [stop_sequences(said) for said in (None, "a", ["a", ""])] == [[], ["a"], ["a", ""]]
    for wrong in (7, {"a": 1}, ["a", None]):
        with pytest.raises(BadRequest, match="array of strings") as caught:
            stop_sequences(wrong)
        assert caught.value.param == "stop"
