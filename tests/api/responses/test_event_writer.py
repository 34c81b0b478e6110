"""EventWriter: numbers and framing of events."""

from __future__ import annotations

import json

from proxy.api.responses.event_writer import EventWriter, delta_template


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
