"""Compares an event log with the stream that it was kept of."""

from __future__ import annotations

from proxy.api.responses.event_log import DONE, EventLog


def events_of(stream: bytes) -> list[bytes]:
    """Returns the bytes of each event of a stream; the marker at the end is one of them."""
    assert not stream or stream.endswith(b"\n\n")
    return [event + b"\n\n" for event in stream.split(b"\n\n")[:-1]]


def check_log(log: EventLog, stream: bytes) -> None:
    """Checks that a log that has ended gives the same bytes from any event on, and in pieces of any size."""
    events = events_of(stream)
    numbered = [event for event in events if event != DONE]
    assert (log.ended, log.last) == (True, len(numbered) - 1)
    ends = [b"".join(events[: place + 1]) for place in range(len(events))] if len(events) < 300 else []
    for number, event in enumerate(events):
        assert log.render(number, 1) == (event, number + 1)
    for number, until in enumerate(ends[: len(numbered)]):
        assert until + log.render(log.position_after(number), len(events))[0] == stream
    for number in range(0, len(numbered), 97):
        rest = log.render(log.position_after(number), len(events))[0]
        assert rest == b"".join(events[number + 1 :])
    for most in (1, 2, 3, 7, 100, len(events)):
        assert _in_pieces(log, most) == stream
    assert log.render(log.position_after(-1), len(events)) == (stream, len(events))


def _in_pieces(log: EventLog, most: int) -> bytes:
    out: list[bytes] = []
    position, before = 0, -1
    while position != before:
        before = position
        piece, position = log.render(position, most)
        assert len(events_of(piece)) == position - before <= most
        out.append(piece)
    return b"".join(out)
