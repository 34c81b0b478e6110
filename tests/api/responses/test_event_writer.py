"""EventWriter: numbers and framing of events, and what the log is told."""

from __future__ import annotations

import json

import pytest

from proxy.api.responses.event_log import DONE, EventLog
from proxy.api.responses.event_writer import EventWriter, delta_template, payloads
from proxy.events import Finish, TextDelta
from tests.support.any_events import tell
from tests.support.encoding import encoder
from tests.support.grammar_framing import read_events


def data(event: bytes) -> dict[str, object]:
    """Returns the data of one event after looking at its frame."""
    first, second, *rest = event.split(b"\n")
    assert rest == [b"", b""]
    found: dict[str, object] = json.loads(second.removeprefix(b"data: "))
    assert first == f"event: {found['type']}".encode()
    return found


def test_numbers_start_at_zero_and_have_no_gaps() -> None:
    writer = EventWriter()
    numbers = [data(writer.event("a", {})), data(writer.snapshot("b", b"{}")), data(writer.event("c", {}))]
    assert [one["sequence_number"] for one in numbers] == [0, 1, 2]
    assert writer.next == 3


def test_an_event_has_its_fields_behind_type_and_number() -> None:
    assert EventWriter().event("x.y", {"a": "é\n", "b": [1]}) == (
        'event: x.y\ndata: {"type":"x.y","sequence_number":0,"a":"é\\n","b":[1]}\n\n'.encode()
    )


def test_a_snapshot_holds_the_response_as_it_is() -> None:
    assert data(EventWriter().snapshot("response.created", b'{"id":"r"}')) == {
        "type": "response.created",
        "sequence_number": 0,
        "response": {"id": "r"},
    }


def test_a_template_makes_the_event_that_the_writer_makes() -> None:
    place = {"item_id": "100%d %b", "output_index": 3, "content_index": 0}
    writer = EventWriter()
    writer.next = 41
    filled = delta_template("t.delta", place) % (41, b'"x"')
    assert filled == writer.event("t.delta", {**place, "delta": "x"})
    text = delta_template("t.delta", place, logprobs=True) % (42, b'"x"')
    assert text == writer.event("t.delta", {**place, "delta": "x", "logprobs": []})


def test_the_log_is_told_what_is_written() -> None:
    log = EventLog()
    writer = EventWriter(log)
    template = delta_template("t.delta", {"item_id": "x"})
    out = [writer.snapshot("response.created", b"{}"), writer.event("a", {}), writer.delta(template, "text")]
    assert out[2] == writer_at(2).event("t.delta", {"item_id": "x", "delta": "text"})
    end = writer.terminal("response.completed", b"{}")
    assert log.render(0, 9) == (b"".join(out), 3)
    log.release()
    assert log.render(3, 9) == (end + DONE, 5)
    assert data(end)["sequence_number"] == 3


def writer_at(number: int) -> EventWriter:
    """Returns a writer whose next event has that number."""
    writer = EventWriter()
    writer.next = number
    return writer


@pytest.mark.parametrize("done_marker", [True, False])
def test_the_payloads_are_the_json_of_each_event(done_marker: bool) -> None:
    texts = ["event: a\ndata: {}\n\n", "\u2028 \x85", "\ndata: "]
    told = tell(encoder(done_marker=done_marker), [*map(TextDelta, texts), Finish()])
    found = payloads(told)
    assert [json.loads(one) for one in found] == read_events(told.removesuffix(DONE) + DONE)
    assert all(b"\ndata: " + one + b"\n\n" in told for one in found)
    assert payloads(b"") == payloads(b": ka\n\n") == payloads(DONE) == []
    assert payloads(b": ka\n\nevent: a\ndata: {}\n\n: ka\n\n") == [b"{}"]


def test_what_was_written_elsewhere_takes_a_number() -> None:
    writer = EventWriter(EventLog())
    template = delta_template("response.output_text.delta", {"item_id": "x"})
    written = template % (1, b'"Hi"')
    assert writer.passed(b"event: a\ndata: {}\n\n") == b"event: a\ndata: {}\n\n"
    assert writer.passed(written, template, "Hi") == written
    assert writer.next == 2
    assert writer.log is not None
    assert writer.log.entries == [b"event: a\ndata: {}\n\n", "Hi"]
    assert writer.log.render(1, 1)[0] == written
