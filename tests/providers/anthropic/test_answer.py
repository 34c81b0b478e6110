"""What decoders of answers in blocks have in common."""

from __future__ import annotations

import pytest

from proxy.errors import UpstreamGarbled
from proxy.events import Event, TextDelta, UpstreamFailed
from proxy.providers.anthropic.decoder import MessagesDecoder
from proxy.providers.bedrock.decoder import ConverseDecoder
from proxy.providers.provider import Decoder, Parser, Payload
from proxy.sse.event_stream import EventStreamParser
from proxy.sse.parser import SseParser
from tests.support import converse, messages

BAD: Payload = (b"contentBlockDelta", b"{oops")


@pytest.mark.parametrize("make", [MessagesDecoder, ConverseDecoder])
def test_three_broken_payloads_in_a_row_fail_the_answer(make: type[MessagesDecoder] | type[ConverseDecoder]) -> None:
    machine = make()
    assert machine.feed([BAD, BAD]) == []
    (failed,) = machine.feed([BAD])
    assert isinstance(failed, UpstreamFailed)
    assert isinstance(failed.error, UpstreamGarbled)
    assert (machine.done, machine.malformed) == (True, 3)
    assert machine.feed([BAD]) == machine.finish() == []


def test_what_can_be_read_begins_the_count_anew() -> None:
    good = (b"contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"x"}}')
    machine = ConverseDecoder()
    assert machine.feed([BAD, BAD, good, BAD, BAD]) == [TextDelta("x")]
    assert (machine.done, machine.malformed) == (False, 4)


def test_a_piece_is_known_until_something_else_comes() -> None:
    said = messages.text(0, "a", "b", "c").replace(b'": ', b'":').replace(b', "', b',"')
    cases: list[tuple[Decoder, Parser, list[bytes]]] = [
        (MessagesDecoder(), SseParser(), [one + b"\n\n" for one in said.split(b"\n\n")[:-1]]),
        (ConverseDecoder(), EventStreamParser(), [converse.said(0, one) for one in "abc"] + [converse.closed(0)]),
    ]
    for machine, parser, reads in cases:
        seen: list[tuple[str, list[Event]]] = []
        for read in reads:
            text = machine.text_of(read)
            events = [] if text else machine.feed(parser.feed(read))
            if len(events) == 1 and isinstance(events[0], TextDelta):
                machine.learn(read, events[0].text)
            seen.append((text, events))
        assert [text for text, _ in seen[-4:]] == ["", "b", "c", ""]
        assert machine.text_of(reads[-2]) == ""
